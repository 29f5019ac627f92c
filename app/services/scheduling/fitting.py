"""Whether a visit in the book still fits the practice's settings: pure, like the engine it asks.

Settings change under visits: hours end earlier, a holiday is entered, a chair goes out of use. The
visits stay where they are; this finds those that somebody has to move.
"""

from collections.abc import Iterable
from datetime import timedelta

from app.models.appointment import Appointment
from app.models.schedule import RASTER_MINUTES, Chair, Clinic, Provider, Service, TimeOff
from app.services.scheduling.claims import bucket_start, buckets_between
from app.services.scheduling.engine import Refusal, refused_time
from app.services.scheduling.localtime import local_day
from app.services.scheduling.timetable import Length, Timetable
from app.services.scheduling.window import Window


def why_it_does_not_fit(
    appointment: Appointment,
    provider: Provider | None,
    chair: Chair | None,
    clinic: Clinic,
    time_off: Iterable[TimeOff],
) -> Refusal | None:
    """Why staff could not enter this visit today as it stands, other visits aside; else `None`.

    `provider` and `chair` are the visit's own, `None` where they are gone; `time_off` may be
    everybody's. Lead time, horizon and start grid bind patients who book, not visits in the book.
    """
    timetable, first_bucket = _timetable(appointment, provider, chair, clinic, time_off)
    performers = timetable.performers()
    if not performers or not timetable.rooms():
        return Refusal.NOT_PERFORMED
    starts_at = bucket_start(first_bucket)
    day = local_day(starts_at, clinic.zone)
    return refused_time(Window(timetable, day, day), performers, starts_at, staff=True)


def _timetable(
    appointment: Appointment,
    provider: Provider | None,
    chair: Chair | None,
    clinic: Clinic,
    time_off: Iterable[TimeOff],
) -> tuple[Timetable, int]:
    """The visit's own timetable, and the bucket it starts in: one partly used is taken whole."""
    starts_at = appointment.appointment_date
    ends_at = starts_at + timedelta(minutes=appointment.duration_minutes)
    first, end = buckets_between(starts_at, ends_at)
    minutes = (end - first) * RASTER_MINUTES
    # Not validated: the visit may come from another system that knows other lengths.
    service = Service.model_construct(
        service_id=appointment.service_id,
        name=appointment.service_name,
        duration_minutes=minutes,
        buffer_before_minutes=appointment.buffer_before_minutes,
        buffer_after_minutes=appointment.buffer_after_minutes,
    )
    timetable = Timetable(
        clinic=clinic,
        service=service,
        providers=[provider] if provider else [],
        chairs=[chair] if chair else [],
        time_off=list(time_off),
        busy={},
        length=Length(minutes),
    )
    return timetable, first
