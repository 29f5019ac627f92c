"""Reading a CSV file: RFC 4180, UTF-8 with or without a byte order mark, comma or semicolon; and
what spreadsheets on Windows save where nobody told them otherwise (cp1252).

Whoever made the file is not trusted: rows, columns and cells are counted and measured, and a row
that cannot be read is a fault of that row and not of the file.
"""

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from app.core.errors import UnprocessableError
from app.models.imports import ImportLine
from app.services.imports.cells import as_meant
from app.services.imports.columns import Columns, heading_key
from app.services.imports.faults import CUT_OFF

MAX_ROWS = 50_000
MAX_COLUMNS = 200
MAX_CELL = 1000
"""Characters of a cell that is read."""

_HEADER_ROW = 1
_LONGEST_HEADING = 60
_LONGEST_LIST = 50
_UTF_8 = "utf-8-sig"
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PART_BYTES = 64 * 1024
_ALLOWED_CONTROLS = frozenset("\t\r\n")


class UnreadableFileError(UnprocessableError):
    """The file as a whole cannot be read; nothing of it is taken."""

    slug = "import-unreadable"
    title = "This file cannot be read"


@dataclass(frozen=True)
class Header:
    """The first row: which cell is which column, and which headings mean nothing here."""

    delimiter: str
    positions: dict[str, int]
    width: int
    ignored: list[str]


class CsvTable:
    """One file, read as often as needed and never held as a whole."""

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        """Raises `UnreadableFileError` where the first row is not a heading this takes."""
        self._file = file
        self._columns = columns
        self.encoding = _encoding_of(file)
        self._ends_open = not _ends_with_line(file)
        self.header = self._read_header()

    def lines(self) -> Iterator[ImportLine]:
        """Every row with something in it. Raises `UnreadableFileError`."""
        first_seen: dict[str, int] = {}
        taken = 0
        for number, cells, is_last in _with_last(self._records(self.header.delimiter)):
            if number == _HEADER_ROW or not any(cell.strip() for cell in cells):
                continue
            taken += 1
            if taken > MAX_ROWS:
                message = f"The file has more than {MAX_ROWS} rows. Send it in parts."
                raise UnreadableFileError(message)
            line = self._line(number, cells)
            if is_last and self._ends_open and len(cells) < self.header.width:
                line = ImportLine(number=number, cells=line.cells, fault=CUT_OFF)
            yield self._once(line, first_seen)

    def check(self) -> int:
        """Read all of it without keeping anything; how many rows. Raises `UnreadableFileError`."""
        return sum(1 for _ in self.lines())

    def _line(self, number: int, cells: Sequence[str]) -> ImportLine:
        if any(cell.strip() for cell in cells[self.header.width :]):
            return ImportLine(number=number, fault="more_cells_than_headings")
        named = {
            name: as_meant(cells[position].strip())
            for name, position in self.header.positions.items()
            if position < len(cells)
        }
        fault = next((fault for cell in named.values() if (fault := _fault(cell))), None)
        kept = {name: cell for name, cell in named.items() if cell and _fault(cell) is None}
        return ImportLine(number=number, cells=kept, fault=fault)

    def _once(self, line: ImportLine, first_seen: dict[str, int]) -> ImportLine:
        """The first of several rows with one id counts: which of them is right, nobody can say."""
        key = line.cells.get(self._columns.unique or "")
        if key is None or line.fault:
            return line
        if first_seen.setdefault(key, line.number) == line.number:
            return line
        return line.model_copy(update={"fault": f"repeats_row:{first_seen[key]}"})

    def _read_header(self) -> Header:
        candidates = [self._header_with(delimiter) for delimiter in (",", ";")]
        best = max(candidates, key=lambda header: len(header.positions))
        missing = [
            " or ".join(group)
            for group in self._columns.needs
            if not any(name in best.positions for name in group)
        ]
        if missing:
            message = (
                "The first row must name the columns, with commas or semicolons between them; "
                f"missing: {', '.join(missing)}."
            )
            raise UnreadableFileError(message)
        return best

    def _header_with(self, delimiter: str) -> Header:
        _, cells = next(self._records(delimiter), (0, []))
        if not cells:
            message = "The file is empty."
            raise UnreadableFileError(message)
        if len(cells) > MAX_COLUMNS:
            message = f"The file has more than {MAX_COLUMNS} columns."
            raise UnreadableFileError(message)
        positions = self._positions(cells)
        used = set(positions.values())
        ignored = [_shown(cell) for place, cell in enumerate(cells) if place not in used]
        return Header(delimiter, positions, len(cells), ignored[:_LONGEST_LIST])

    def _positions(self, headings: Sequence[str]) -> dict[str, int]:
        """Of several headings that mean one column, the one with our own name, else the first."""
        keys = [heading_key(heading) for heading in headings]
        positions: dict[str, int] = {}
        for name, others in self._columns.names.items():
            meant = [place for place, key in enumerate(keys) if key in (name, *others)]
            if not meant:
                continue
            place = next((place for place in meant if keys[place] == name), meant[0])
            if keys.count(keys[place]) > 1:
                message = f"The first row names the column {name} twice: which one counts?"
                raise UnreadableFileError(message)
            positions[name] = place
        return positions

    def _records(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Rows with their numbers as a spreadsheet shows them."""
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, encoding=self.encoding, newline="")
        number = 0
        try:
            for number, cells in enumerate(csv.reader(text, delimiter=delimiter, strict=True), 1):
                yield number, cells
        except csv.Error as error:
            message = (
                f"Row {number + 1} is not CSV as RFC 4180 has it: check its quotation marks and "
                "that no cell is longer than 130,000 characters."
            )
            raise UnreadableFileError(message) from error
        finally:
            text.detach()


def _encoding_of(file: BinaryIO) -> str:
    """UTF-8, else cp1252. Raises `UnreadableFileError` for what is neither."""
    for encoding in (_UTF_8, "cp1252"):
        if _is_in(file, encoding):
            return encoding
    message = "The file is neither UTF-8 nor Windows-1252. Save it as CSV UTF-8 and send it again."
    raise UnreadableFileError(message)


def _is_in(file: BinaryIO, encoding: str) -> bool:
    """Whether all of it can be read so. Text of two bytes a letter has zeros in it."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while part := file.read(_PART_BYTES):
            if encoding != _UTF_8 and (b"\0" in part or part.startswith(_WIDE_MARKS)):
                return False
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _ends_with_line(file: BinaryIO) -> bool:
    """A file that ends within a line may have been cut off there; many just leave the end out."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 1))
    return file.read(1) in {b"\n", b"\r"}


def _with_last(records: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str], bool]]:
    """Each with whether it is the last."""
    before: tuple[int, list[str]] | None = None
    for record in records:
        if before is not None:
            yield *before, False
        before = record
    if before is not None:
        yield *before, True


def _fault(cell: str) -> str | None:
    if len(cell) > MAX_CELL:
        return "cell_too_long"
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in _ALLOWED_CONTROLS for c in cell):
        return "control_characters"
    return None


def _shown(heading: str) -> str:
    """A heading that is answered back: short, and of one printable line."""
    printable = "".join(c if c.isprintable() else " " for c in heading)
    return " ".join(printable.split())[:_LONGEST_HEADING]
