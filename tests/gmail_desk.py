"""A mailbox with the whole inbound path behind it, and patients who were written to."""

import secrets

from app.core.config import Settings
from app.demo.gmail.mailbox import FakeMessage, IncomingReply
from app.models.base import PyObjectId, new_id
from app.models.campaign import Campaign, CampaignChannel, CampaignStatus
from app.models.interaction import (
    Delivery,
    DeliveryStatus,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.patient import Patient
from app.models.records import InboundEvent
from app.services.email_processor import GmailNotification
from app.services.mail.transport import SentMail
from tests.agent_fakes import Stage
from tests.gmail_parts import MAILBOX, TAGS, Wired, make_mail


class Desk:
    """A stage, its mailbox, and a patient who was written to."""

    def __init__(self, stage: Stage, at_gmail: Wired, settings: Settings) -> None:
        self.stage = stage
        self.at_gmail = at_gmail
        self.settings = settings
        self.mailbox = at_gmail.fake.mailbox
        self.events = stage.repositories.inbound_events

    async def written_to(
        self, *, status: CampaignStatus = CampaignStatus.ATTEMPTING_RECOVERY, **given: object
    ) -> tuple[Patient, Campaign, Interaction]:
        """A patient with a campaign whose first letter left through Gmail."""
        patient = await self.stage.patient(**given)
        key = new_id()
        sent = await self._send(patient, key)
        campaign = await self.stage.campaign(
            patient, status, channel=CampaignChannel(thread_id=sent.thread_id)
        )
        return patient, campaign, await self._letter(key, sent, patient, campaign)

    async def write_again(self, patient: Patient, campaign: Campaign | None) -> Interaction:
        """One more letter to them; without a campaign, about a visit of theirs."""
        key = new_id()
        return await self._letter(key, await self._send(patient, key), patient, campaign)

    async def _send(self, patient: Patient, key: PyObjectId) -> SentMail:
        mail = make_mail(key=str(key), to=patient.email, reply_to=TAGS.reply_to(key))
        return await self.at_gmail.gmail.transport.send(mail)

    async def _letter(
        self, key: PyObjectId, sent: SentMail, patient: Patient, campaign: Campaign | None
    ) -> Interaction:
        now = self.stage.clock.now()
        return await self.stage.repositories.interactions.insert(
            Interaction(
                id=key,
                patient_id=patient.id,
                campaign_id=campaign.id if campaign else None,
                direction=Direction.OUTGOING,
                subject="Your visit",
                content="Hello",
                timestamp=now,
                thread_id=sent.thread_id,
                delivery=Delivery(
                    status=DeliveryStatus.SENT,
                    message_class=MessageClass.OUTREACH,
                    not_before=now,
                    provider_message_id=sent.provider_message_id,
                    sent_to=patient.email,
                ),
            )
        )

    def answer(self, patient: Patient, campaign: Campaign, **given: object) -> FakeMessage:
        """The patient answers in the thread."""
        fields = {
            "sender": patient.email or "",
            "text": "Yes please!\n\nOn Mon, X wrote:\n> Hello\n",
            "thread_id": campaign.channel.thread_id,
            **given,
        }
        return self.mailbox.reply(IncomingReply(**fields))  # type: ignore[arg-type]

    async def notify(
        self, *, address: str = MAILBOX, history_id: int | None = None
    ) -> InboundEvent:
        """Gmail tells that something came."""
        now = self.stage.clock.now()
        told = GmailNotification(address, history_id or self.mailbox.history_id)
        event = InboundEvent(
            id=f"pubsub:s:{secrets.token_hex(4)}",
            source="pubsub",
            payload=told.to_payload(),
            not_before=now,
            created_at=now,
            updated_at=now,
        )
        await self.events.store(event)
        return event

    async def drain(self) -> None:
        """Work off what is due, and what that leads to."""
        while await self.stage.work_off():
            pass

    async def arrives(self, raw: str | bytes, *, thread_id: str | None = None) -> None:
        """A whole mail comes, put into a thread by Gmail where one is given, and is worked off."""
        encoded = raw if isinstance(raw, bytes) else raw.replace("\n", "\r\n").encode()
        message = self.mailbox.deliver(encoded)
        if thread_id is not None:
            message.thread_id = thread_id
        await self.notify()
        await self.drain()

    async def event(self, event_id: str) -> InboundEvent:
        """As it stands."""
        found = await self.events.get(event_id)
        assert found is not None
        return found

    async def incoming(self) -> list[Interaction]:
        """Every recorded reply."""
        return await self.stage.repositories.interactions._find({"direction": "incoming"})
