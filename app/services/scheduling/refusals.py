"""Why a visit cannot be had, in sentences a person can use."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.models.schedule import RASTER_MINUTES, Clinic
from app.services.scheduling.engine import Refusal, Slot
from app.services.scheduling.localtime import describe


class UnknownServiceError(NotFoundError):
    """No such service, or not one that can be booked here."""

    slug = "service-not-found"
    title = "No such service"


class UnknownProviderError(NotFoundError):
    """No such provider, or not one who takes visits."""

    slug = "provider-not-found"
    title = "No such provider"


class UnknownChairError(NotFoundError):
    """No such chair, or not one that is in use."""

    slug = "chair-not-found"
    title = "No such chair"


class NotBookableError(UnprocessableError):
    """A time at which no visit can start, whatever others have booked; `reason` names the rule."""

    slug = "not-bookable"
    title = "Not a bookable time"


class SlotTakenError(ConflictError):
    """Somebody has this time. `alternatives` are the three nearest free times."""

    slug = "slot-taken"
    title = "Slot taken"


class PatientHasVisitError(ConflictError):
    """The patient has another visit at this time. `alternatives` are the nearest free times."""

    slug = "patient-has-visit"
    title = "The patient has a visit at this time"


_PATIENT_SENTENCES = {
    Refusal.NOT_PERFORMED: "Nobody here performs this service at the moment.",
    Refusal.TOO_SOON: "{when} is too soon: visits are booked at least {lead} ahead.",
    Refusal.TOO_FAR: "{when} is too far ahead: visits are booked up to {horizon} days ahead.",
    Refusal.OFF_GRID: "{when} is not a start time: visits start every {grid} minutes.",
    Refusal.CLOSED: "The practice is closed that day: {when}.",
    Refusal.OUTSIDE_HOURS: "{when} is outside working hours.",
    Refusal.TIME_OFF: "Nobody is at the practice for this service on {when}.",
}
_STAFF_SENTENCES = {
    **_PATIENT_SENTENCES,
    Refusal.TOO_SOON: "{when} is more than ten years away.",
    Refusal.TOO_FAR: "{when} is more than ten years away.",
    Refusal.OFF_GRID: "{when} is not a start time: visits start on multiples of {raster} minutes.",
    Refusal.OUTSIDE_HOURS: "{when} is outside the provider's working hours.",
    Refusal.TIME_OFF: "The provider, or the practice, is away on {when}.",
}


def not_bookable(
    refusal: Refusal, starts_at: datetime, clinic: Clinic, *, staff: bool
) -> NotBookableError:
    """The refusal as a sentence in the clinic's time, its zone named."""
    sentences = _STAFF_SENTENCES if staff else _PATIENT_SENTENCES
    detail = sentences[refusal].format(
        when=describe(starts_at, clinic.zone),
        lead=_span(clinic.booking_lead_minutes),
        horizon=clinic.booking_horizon_days,
        grid=clinic.slot_grid_minutes,
        raster=RASTER_MINUTES,
    )
    return NotBookableError(detail, extra={"reason": refusal.value})


def _span(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} minutes"
    return f"{hours} hours" if not rest else f"{hours} hours and {rest} minutes"


def slot_taken(starts_at: datetime, clinic: Clinic, free: Iterable[Slot]) -> SlotTakenError:
    """Somebody else has this time."""
    detail = f"{describe(starts_at, clinic.zone)} is no longer free."
    return SlotTakenError(detail, extra={"alternatives": _alternatives(free, clinic)})


def patient_has_visit(
    starts_at: datetime, clinic: Clinic, free: Iterable[Slot]
) -> PatientHasVisitError:
    """The patient cannot be in two chairs."""
    detail = f"The patient already has a visit at {describe(starts_at, clinic.zone)}."
    return PatientHasVisitError(detail, extra={"alternatives": _alternatives(free, clinic)})


def _alternatives(free: Iterable[Slot], clinic: Clinic) -> list[dict[str, Any]]:
    """Each as an instant, as day and time of the clinic's clock, and as a sentence."""
    return [
        {
            "appointment_date": f"{slot.starts_at:%Y-%m-%dT%H:%M:%SZ}",
            "date": slot.day,
            "time": slot.time,
            "local_time": describe(slot.starts_at, clinic.zone),
            "provider_ids": [str(one) for one in slot.provider_ids],
        }
        for slot in free
    ]
