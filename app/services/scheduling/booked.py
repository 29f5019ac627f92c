"""A visit in the book as the engine is asked about it when it moves."""

from app.models.appointment import Appointment, CreatedFrom
from app.models.schedule import Service
from app.services.scheduling.timetable import Length


def service_as_booked(visit: Appointment, listed: Service | None) -> Service:
    """The service as this visit knows it: it may be another, or gone, in the list by now.

    Only the time it takes with somebody else is today's.
    """
    return Service(
        service_id=visit.service_id,
        name=visit.service_name,
        duration_minutes=(listed or visit).duration_minutes,
        buffer_before_minutes=visit.buffer_before_minutes,
        buffer_after_minutes=visit.buffer_after_minutes,
    )


def length_of(visit: Appointment, given: int | None) -> Length:
    """As staff want it, now or before; else what it is while it stays with its provider.

    The length of an imported visit was set by staff too, in the practice's own system.
    """
    is_set = visit.duration_by_hand or visit.created_from is CreatedFrom.IMPORT
    if given is not None or is_set:
        return Length(given or visit.duration_minutes)
    return Length(visit.duration_minutes, only_with=visit.provider_id)
