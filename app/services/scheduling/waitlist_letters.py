"""The letters of the waitlist, queued once each."""

from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.interaction import MessageClass
from app.models.patient import Patient
from app.models.schedule import Clinic
from app.models.waitlist import Offer, WaitlistEntry
from app.services.outreach.composer import Composer
from app.services.outreach.letters import Letter
from app.services.outreach.links import Links
from app.services.outreach.outbox import Draft, Outbox


class WaitlistLetters:
    """Writes to the patient of an entry. Everything may run twice: an occasion has one key."""

    def __init__(
        self, repositories: Repositories, composer: Composer, links: Links, outbox: Outbox
    ) -> None:
        self._repositories = repositories
        self._composer = composer
        self._links = links
        self._outbox = outbox

    async def offer(
        self, entry: WaitlistEntry, offer: Offer, clinic: Clinic, service_name: str
    ) -> PyObjectId | None:
        """Queue the letter of an offer; its id, or `None` where the patient is gone."""
        patient = await self._patient(entry)
        if patient is None:
            return None
        letter = self._composer.waitlist_offer(
            clinic,
            patient,
            service_name=service_name,
            starts=offer.starts,
            until=offer.until,
            page_url=self._links.waitlist_page(entry.id, offer.key),
        )
        return await self._enqueue(entry, patient, letter, MessageClass.WAITLIST_OFFER, offer.key)

    async def closed(self, entry: WaitlistEntry, offer: Offer, clinic: Clinic) -> None:
        """Queue the letter that others were faster."""
        patient = await self._patient(entry)
        if patient is None:
            return
        page_url = self._links.waitlist_page(entry.id, offer.key)
        letter = self._composer.waitlist_closed(clinic, patient, page_url)
        key = f"{offer.key}:closed"
        await self._enqueue(entry, patient, letter, MessageClass.WAITLIST_CLOSED, key)

    async def _enqueue(
        self,
        entry: WaitlistEntry,
        patient: Patient,
        letter: Letter,
        message_class: MessageClass,
        dedupe_key: str,
    ) -> PyObjectId:
        """In the patient's active conversation: a person who keeps it silences this too."""
        campaign = await self._repositories.campaigns.active_for(patient.id)
        message, _ = await self._outbox.enqueue(
            Draft(
                patient_id=patient.id,
                campaign_id=campaign.id if campaign else None,
                waitlist_id=entry.id,
                subject=letter.subject,
                content=letter.content,
                html=letter.html,
                short=letter.short,
                message_class=message_class,
                dedupe_key=dedupe_key,
                by="waitlist",
            )
        )
        return message.id

    async def _patient(self, entry: WaitlistEntry) -> Patient | None:
        if entry.patient_id is None:
            return None
        return await self._repositories.patients.get(entry.patient_id)
