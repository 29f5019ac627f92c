"""Whether a waitlist letter still says the truth: asked at the gate, and by the offer's page."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.db.repositories import Repositories
from app.models.interaction import Interaction, MessageClass
from app.models.waitlist import Offer, WaitlistEntry, WaitlistStatus
from app.services.clinic import ClinicService
from app.services.scheduling.engine import is_bookable
from app.services.scheduling.localtime import local_day
from app.services.scheduling.refusals import UnknownProviderError, UnknownServiceError
from app.services.scheduling.schedule_reader import Question, ScheduleReader

WORTH_SENDING = timedelta(hours=1)
"""An offer that ends sooner is not sent any more: nobody could answer in time."""


class OfferStanding:
    """Looks at the book with the engine that books, and with the patient's own visits."""

    def __init__(self, repositories: Repositories, clinic: ClinicService) -> None:
        self._waitlist = repositories.waitlist
        self._reader = ScheduleReader(repositories, clinic)

    async def is_true(self, message: Interaction, now: datetime) -> bool:
        """Whether the letter may still be sent: its entry waits, and an offer has a free time."""
        entry = await self._waitlist.get(message.waitlist_id) if message.waitlist_id else None
        if entry is None or entry.status != WaitlistStatus.WAITING:
            return False
        if message.delivery and message.delivery.message_class == MessageClass.WAITLIST_CLOSED:
            return True
        offer = entry.offer_of(message.dedupe_key or "")
        return offer is not None and await self._is_worth_sending(entry, offer, now)

    async def _is_worth_sending(self, entry: WaitlistEntry, offer: Offer, now: datetime) -> bool:
        if offer.outcome is not None or now + WORTH_SENDING > offer.until:
            return False
        return bool(await self.bookable(entry, offer.starts, now))

    async def bookable(
        self, entry: WaitlistEntry, starts: Sequence[datetime], now: datetime
    ) -> list[datetime]:
        """Those of `starts` that this entry's person can book now, in order.

        None where the service or the provider is not offered any more.
        """
        setup = await self._reader.setup()
        try:
            question = Question(
                setup.service(entry.service_id), entry.provider_id, patient_id=entry.patient_id
            )
            free = []
            for start in sorted(starts):
                day = local_day(start, setup.clinic.zone)
                timetable = await self._reader.timetable(setup, question, day, day)
                if is_bookable(timetable, start, now):
                    free.append(start)
        except (UnknownServiceError, UnknownProviderError):
            return []
        return free
