"""Cells that a spreadsheet shows and does not compute (CWE-1236), and back again."""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet may take for a formula, however often it was marked as text."""


def harmless(text: str) -> str:
    """Marked as text where it would be computed; `as_meant` undoes exactly this."""
    return f"'{text}" if _FORMULA.match(text) else text


def as_meant(cell: str) -> str:
    """A cell without the mark that made it text."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
