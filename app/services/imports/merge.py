"""What a file asks of a visit that is in the book already.

Three sides are compared: what the file says now, what it said last, and how the visit stands here.
What the file says again does not undo what was changed here since; what it says anew counts.
"""

from dataclasses import dataclass

from app.models.appointment import IMPORT_TRANSITIONS, Appointment, AppointmentStatus
from app.services.imports.faults import RowFault
from app.services.imports.visit_rows import VisitRow

_A = AppointmentStatus
_WITHOUT_TIME = frozenset({_A.CANCELLED, _A.NO_SHOW})


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done with a visit. Nothing at all where every part says no."""

    moves: bool = False
    status: AppointmentStatus | None = None
    renames: bool = False
    stands: bool = False
    """Whether something that was changed here since differs from the file, and stays."""
    notes_only: bool = False
    """Whether only what is remembered of the file changes."""

    @property
    def is_needed(self) -> bool:
        """Whether anything of the visit itself changes."""
        return self.moves or self.status is not None or self.renames


def compare(row: VisitRow, visit: Appointment) -> Change:
    """Raises `RowFault` for a status that cannot follow the one the visit has."""
    last = visit.imported
    moved_there = last is None or _place(row) != (
        last.starts_at,
        last.duration_minutes,
        last.provider_id,
        last.chair_id,
    )
    is_there = _is_at(row, visit)
    says_anew = moved_there or last is None or last.status != row.status
    status = _status(row, visit, moves=moved_there and not is_there) if says_anew else None
    ends_as = status or visit.status
    takes_time = ends_as not in _WITHOUT_TIME
    # What is completed has happened where it happened; a visit that comes back goes where it is.
    is_settled = visit.status == _A.COMPLETED
    comes_back = visit.status in _WITHOUT_TIME and takes_time
    moves = takes_time and not is_settled and ((moved_there and not is_there) or comes_back)
    kept_place = takes_time and not moves and not is_there
    kept_status = status is None and not _agrees(row.status, visit.status)
    return Change(
        moves=moves,
        status=status,
        renames=last is None or (row.service_id, row.service_name) != _service(visit),
        stands=kept_place or kept_status,
        notes_only=last is None or row.said(last.import_id, is_new=last.is_new) != last,
    )


def _place(row: VisitRow) -> tuple[object, ...]:
    return row.starts_at, row.duration_minutes, row.provider_id, row.chair_id


def _is_at(row: VisitRow, visit: Appointment) -> bool:
    """Whether the visit is where the row says; a row without a chair leaves that open."""
    here = (visit.appointment_date, visit.duration_minutes, visit.provider_id)
    is_in_room = row.chair_id is None or row.chair_id == visit.chair_id
    return here == (row.starts_at, row.duration_minutes, row.provider_id) and is_in_room


def _service(visit: Appointment) -> tuple[str, str]:
    return visit.service_id, visit.service_name


def _agrees(there: AppointmentStatus, here: AppointmentStatus) -> bool:
    """A confirmation that only we have heard of is no difference."""
    return there == here or (there, here) == (_A.BOOKED, _A.CONFIRMED)


def _status(row: VisitRow, visit: Appointment, *, moves: bool) -> AppointmentStatus | None:
    if moves and (row.status, visit.status) == (_A.BOOKED, _A.CONFIRMED):
        return _A.BOOKED if row.starts_at != visit.appointment_date else None
    if _agrees(row.status, visit.status):
        return None
    if row.status not in IMPORT_TRANSITIONS[visit.status]:
        reason = "status_not_allowed"
        sentence = f"A visit that is {visit.status} here cannot become {row.status}."
        raise RowFault(reason, sentence)
    return row.status
