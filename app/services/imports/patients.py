"""The patients another system has, into ours: new ones are stored, known ones completed.

A cell that is empty says nothing. An opt-out is taken over, never back; of two recall dates the
later one stands, so that an export from before a visit does not make it due again.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from app.core.clock import Clock
from app.core.errors import UnprocessableError
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.imports import Import, ImportLine, ImportRow, RowOutcome
from app.models.patient import Consent, Patient, PatientStatus, PatientType
from app.models.schedule import Clinic
from app.services.clinic import ClinicService
from app.services.imports.faults import OVERTAKEN, RowFault, erased, unreadable
from app.services.imports.people import People, Person, new_patient, read_person
from app.services.imports.processor import BatchResult
from app.services.imports.visit_writes import actor
from app.services.patient_records import start_of_day
from app.services.patients import PatientDirectory

logger = logging.getLogger(__name__)

_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2200
_MOST_VALUE = 10_000_000
_LONGEST_EXTERNAL_ID = 100
_OPT_OUT_REASON = "import"
_FAILED = "This row failed for a reason of ours. Send the file again; if it fails again, tell us."
_NO_CONTACT = "The row has neither an e-mail address nor a phone number that can be read."

_TYPES: Mapping[str, PatientType] = MappingProxyType(
    {
        **dict.fromkeys(("existing", "patient", "active"), PatientType.EXISTING),
        **dict.fromkeys(("cold lead", "lead", "prospect"), PatientType.COLD_LEAD),
    }
)
_STATUSES: Mapping[str, PatientStatus] = MappingProxyType(
    {
        **dict.fromkeys(("active", "patient", "current"), PatientStatus.ACTIVE),
        **dict.fromkeys(
            ("inactive", "archived", "nonpatient", "moved", "transferred"), PatientStatus.INACTIVE
        ),
        **dict.fromkeys(("deceased", "dead"), PatientStatus.DECEASED),
    }
)
_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {"en": "en", "eng": "en", "english": "en", "es": "es", "spa": "es", "spanish": "es"}
)
_YES_OR_NO: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("yes", "y", "true", "1", "x"), True),
        **dict.fromkeys(("no", "n", "false", "0"), False),
    }
)


@dataclass(frozen=True, slots=True)
class PatientRow:
    """What a row says: who, and which of their fields."""

    person: Person
    fields: dict[str, Any]
    opts_out: bool = False


@dataclass(frozen=True, slots=True)
class _Draft:
    line: ImportLine
    row: PatientRow
    patient: Patient


@dataclass
class _Batch:
    wanted: Import
    clinic: Clinic
    now: datetime
    drafts: list[_Draft] = field(default_factory=list)
    rows: list[ImportRow] = field(default_factory=list)
    people: People = field(default_factory=People)
    unknown: set[str] = field(default_factory=set)


def read_patient(line: ImportLine, clinic: Clinic) -> PatientRow:
    """Raises `RowFault` where the row cannot be taken."""
    if line.fault:
        raise unreadable(line.fault)
    cells = line.cells
    person = read_person(cells, clinic.country)
    if person.contact is None:
        reason = "no_contact"
        raise RowFault(reason, _NO_CONTACT)
    readers: dict[str, Callable[[str], object]] = {
        "patient_type": lambda text: _word("patient_type", text, _TYPES),
        "status": lambda text: _word("status", text, _STATUSES),
        "language": lambda text: _word("language", text, _LANGUAGES),
        "next_follow_up_date": lambda text: _day(text, clinic),
        "estimated_value": _amount,
        "initial_inquiry": str,
    }
    fields = {name: read(cells[name]) for name, read in readers.items() if name in cells}
    opted_out = (
        _word("opted_out", cells["opted_out"], _YES_OR_NO) if "opted_out" in cells else False
    )
    return PatientRow(person, fields, opts_out=bool(opted_out))


def _word(column: str, text: str, words: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the table holds
    key = " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())
    if key not in words:
        reason, sentence = f"invalid_{column}", f"{column} is one of {', '.join(words)}."
        raise RowFault(reason, sentence)
    return words[key]


def _day(text: str, clinic: Clinic) -> datetime:
    try:
        wanted = date.fromisoformat(text[:10])
        if _EARLIEST_YEAR <= wanted.year <= _LATEST_YEAR:
            return start_of_day(wanted, clinic.zone)
    except (ValueError, UnprocessableError):
        logger.debug("a day that is none")
    reason, sentence = "invalid_next_follow_up_date", "next_follow_up_date is a day: 2026-11-20."
    raise RowFault(reason, sentence)


def _amount(text: str) -> float:
    match = re.fullmatch(r"\$?\s*(\d{1,3}(?:,\d{3})*|\d{1,8})(\.\d{1,2})?", text, re.ASCII)
    amount = float(match[1].replace(",", "") + (match[2] or "")) if match else -1
    if not 0 <= amount <= _MOST_VALUE:
        reason, sentence = "invalid_estimated_value", "estimated_value is an amount such as 450.00."
        raise RowFault(reason, sentence)
    return amount


class PatientImporter:
    """The `RowImporter` of patients."""

    def __init__(
        self,
        repositories: Repositories,
        directory: PatientDirectory,
        clinic: ClinicService,
        clock: Clock,
    ) -> None:
        self._patients = repositories.patients
        self._directory = directory
        self._clinic = clinic
        self._clock = clock

    async def run(self, wanted: Import, lines: Sequence[ImportLine]) -> BatchResult:
        """See `RowImporter`."""
        batch = _Batch(wanted, await self._clinic.current(), self._clock.now())
        readings = [(line, _reading(line, batch.clinic)) for line in lines]
        persons = [row.person for _, row in readings if isinstance(row, PatientRow)]
        batch.people = await People.among(self._patients, persons)
        for line, row in readings:
            await self._guarded(batch, line, self._row(batch, line, row))
        await self._store(batch)
        return BatchResult(sorted(batch.rows, key=lambda row: row.number))

    async def finish(self, _wanted: Import, /) -> dict[str, int]:
        """See `RowImporter`. Rows are all there is."""
        return {}

    async def _row(self, batch: _Batch, line: ImportLine, row: PatientRow | RowFault) -> None:
        """Do a row, or put it among those that are stored together."""
        if isinstance(row, RowFault):
            raise row
        known = await self._find(batch, row)
        if known is None:
            self._draft(batch, line, row)
        else:
            await self._known(batch, line, row, known)

    async def _guarded(self, batch: _Batch, line: ImportLine, doing: Awaitable[None]) -> None:
        """A row that cannot be taken says why."""
        try:
            await doing
        except UNAVAILABLE_ERRORS:
            raise
        except RowFault as fault:
            batch.rows.append(_result(batch, line, RowOutcome.REFUSED, fault=fault))
        except Exception as error:  # noqa: BLE001 - one bad row must not stop the file
            batch.rows.append(_failed(batch, line, error))

    async def _find(self, batch: _Batch, row: PatientRow) -> Patient | None:
        known = batch.people.find(row.person)
        if known is not None and any(known is draft.patient for draft in batch.drafts):
            await self._store(batch)  # what is not stored cannot be changed
            known = batch.people.find(row.person)
        return known

    async def _known(
        self, batch: _Batch, line: ImportLine, row: PatientRow, known: Patient
    ) -> None:
        if known.erasure is not None:
            raise erased()
        fields = _news(known, row)
        opts_out = row.opts_out and not known.has_opted_out
        is_news = bool(fields) or opts_out
        if is_news and not batch.wanted.dry_run:
            await self._write(known, fields)
            await self._opt_out(batch, known, wanted=opts_out)
        _note_on(known, fields, batch.now if opts_out else None)
        batch.people.add(known)
        outcome = RowOutcome.UPDATED if is_news else _outcome_of_known(batch, known, row)
        told = _result(batch, line, outcome, patient=known, notes=row.person.notes)
        batch.rows.append(told)

    async def _write(self, known: Patient, fields: Mapping[str, Any]) -> None:
        """Not where they were merged or erased since they were read."""
        if not await self._patients.change(known.id, fields, unset=()):
            reason = "overtaken"
            raise RowFault(reason, OVERTAKEN)

    def _draft(self, batch: _Batch, line: ImportLine, row: PatientRow) -> None:
        """Somebody new. Who wants no messages never stands in the list without that."""
        patient = new_patient(row.person, batch.now).model_copy(update=row.fields)
        if row.opts_out:
            patient.consent = Consent(
                opted_out_at=batch.now, reason=_OPT_OUT_REASON, source=actor(batch.wanted)
            )
        batch.people.add(patient)
        batch.unknown.add(str(patient.id))
        if batch.wanted.dry_run:
            batch.rows.append(_created(batch, line, row, patient))
        else:
            batch.drafts.append(_Draft(line, row, patient))

    async def _store(self, batch: _Batch) -> None:
        """Store the new ones that wait. Whom somebody else stored meanwhile is known now."""
        drafts, batch.drafts = batch.drafts, []
        if not drafts:
            return
        try:
            stored = await self._directory.store_or_find_each([one.patient for one in drafts])
        except UNAVAILABLE_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - one bad row must not stop the file
            await self._store_singly(batch, drafts, error)
            return
        for draft in drafts:
            patient = stored[draft.patient.id]
            if patient is draft.patient:
                batch.rows.append(_created(batch, draft.line, draft.row, patient))
                continue
            batch.people.drop(draft.patient)
            batch.people.add(patient)
            doing = self._known(batch, draft.line, draft.row, patient)
            await self._guarded(batch, draft.line, doing)

    async def _store_singly(
        self, batch: _Batch, drafts: Sequence[_Draft], error: Exception
    ) -> None:
        if len(drafts) == 1:
            batch.people.drop(drafts[0].patient)
            batch.rows.append(_failed(batch, drafts[0].line, error))
            return
        for one in drafts:
            batch.drafts = [one]
            await self._store(batch)

    async def _opt_out(self, batch: _Batch, patient: Patient, *, wanted: bool) -> None:
        if wanted:
            by = actor(batch.wanted)
            await self._patients.record_opt_out(
                patient.id, at=batch.now, reason=_OPT_OUT_REASON, source=by
            )


def _reading(line: ImportLine, clinic: Clinic) -> PatientRow | RowFault:
    try:
        return read_patient(line, clinic)
    except RowFault as fault:
        return fault


def _news(known: Patient, row: PatientRow) -> dict[str, Any]:
    """What the row says of a known patient that is not stored: an existing one never turns into a
    lead, and of two recall dates the later one stands.
    """
    wanted = dict(row.fields)
    for way in ("email", "phone"):
        if getattr(known, way) is None and getattr(row.person, way) is not None:
            wanted[way] = getattr(row.person, way)
    if known.patient_type == PatientType.EXISTING:
        wanted.pop("patient_type", None)
    due = wanted.get("next_follow_up_date")
    if due and known.next_follow_up_date and due <= known.next_follow_up_date:
        wanted.pop("next_follow_up_date")
    return {name: value for name, value in wanted.items() if getattr(known, name) != value}


def _note_on(patient: Patient, fields: Mapping[str, Any], opted_out_at: datetime | None) -> None:
    """Later rows of the batch see what was done."""
    for name, value in fields.items():
        setattr(patient, name, value)
    if opted_out_at is not None:
        patient.consent.opted_out_at = patient.consent.opted_out_at or opted_out_at


def _outcome_of_known(batch: _Batch, known: Patient, row: PatientRow) -> RowOutcome:
    """After a crash, whom this very import made is still told as created: rows that nobody has
    tried before made nobody, and files of a kind are worked off one after the other.
    """
    begun = batch.wanted.started_at if batch.wanted.attempts else None
    if begun is None or known.created_at < begun or str(known.id) in batch.unknown:
        return RowOutcome.UNCHANGED
    is_theirs = known.id == row.person.lasting_ids[0]
    return RowOutcome.CREATED if is_theirs else RowOutcome.UNCHANGED


def _failed(batch: _Batch, line: ImportLine, error: Exception) -> ImportRow:
    # The message of an error may quote what the row holds, so it is not logged.
    logger.error(
        "import row failed",
        extra={
            "import_id": str(batch.wanted.id),
            "row": line.number,
            "error_type": type(error).__name__,
        },
    )
    return _result(batch, line, RowOutcome.REFUSED, fault=RowFault("failed", _FAILED))


def _created(batch: _Batch, line: ImportLine, row: PatientRow, patient: Patient) -> ImportRow:
    return _result(batch, line, RowOutcome.CREATED, patient=patient, notes=row.person.notes)


def _result(
    batch: _Batch,
    line: ImportLine,
    outcome: RowOutcome,
    *,
    patient: Patient | None = None,
    fault: RowFault | None = None,
    notes: Sequence[str] = (),
) -> ImportRow:
    is_stored = patient is not None and not (
        batch.wanted.dry_run and str(patient.id) in batch.unknown
    )
    return ImportRow(
        id=f"{batch.wanted.id}:{line.number}",
        import_id=batch.wanted.id,
        number=line.number,
        external_id=(line.cells.get("external_id") or "")[:_LONGEST_EXTERNAL_ID] or None,
        outcome=outcome,
        reason=fault.reason if fault else None,
        detail=fault.sentence if fault else None,
        notes=list(notes),
        patient_id=patient.id if patient and is_stored else None,
        created_at=batch.now,
    )
