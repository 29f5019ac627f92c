"""The calendar file of a visit: for the letter about a change, and to download."""

from datetime import datetime

from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.interaction import CalendarMethod, CalendarPart
from app.models.patient import Patient
from app.services.outreach.letters import language_of
from app.services.outreach.links import Links
from app.services.scheduling.calendar_file import calendar_file
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.scheduling.setup import Setup


class VisitCalendar:
    """Makes calendar files with the practice as their organizer."""

    def __init__(
        self, repositories: Repositories, reader: ScheduleReader, links: Links, organizer: str
    ) -> None:
        """`organizer` is the practice's mail address."""
        self._patients = repositories.patients
        self._reader = reader
        self._links = links
        self._organizer = organizer

    def for_letter(
        self,
        visit: Appointment,
        patient: Patient,
        method: CalendarMethod,
        *,
        setup: Setup,
        manage_url: str,
        stamp: datetime,
    ) -> CalendarPart:
        """What goes with the letter to `patient` that says what happened at `stamp`."""
        content = self._file(
            visit,
            method,
            setup,
            attendee=patient.email,
            manage_url=manage_url,
            stamp=stamp,
            language=language_of(patient.language),
        )
        return CalendarPart(method=method, content=content.decode())

    def link(self, token: str) -> str:
        """Where `download` can be had by whoever holds `token`, which must have been read."""
        return self._links.calendar_file_with(token)

    async def download(self, visit: Appointment, token: str, stamp: datetime) -> bytes:
        """The visit as it stands, for any calendar program. Names nobody but the practice.

        The link in it is that of `token`, and so ends when that does.
        """
        is_cancelled = visit.status is AppointmentStatus.CANCELLED
        patient = await self._patients.get(visit.patient_id)
        return self._file(
            visit,
            CalendarMethod.CANCEL if is_cancelled else CalendarMethod.PUBLISH,
            await self._reader.setup(),
            attendee=None,
            manage_url=self._links.visit_page_with(token),
            stamp=stamp,
            language=language_of(patient.language if patient else ""),
        )

    def _file(
        self,
        visit: Appointment,
        method: CalendarMethod,
        setup: Setup,
        *,
        attendee: str | None,
        manage_url: str,
        stamp: datetime,
        language: str,
    ) -> bytes:
        return calendar_file(
            visit,
            setup.clinic,
            setup.name_of_provider(visit.provider_id),
            method=method,
            organizer=self._organizer,
            attendee=attendee,
            manage_url=manage_url,
            stamp=stamp,
            language=language,
        )
