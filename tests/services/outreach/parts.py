"""The outreach parts put together for a test, over a transport that remembers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from app.models.campaign import Campaign
from app.models.interaction import Interaction, MessageClass
from app.models.patient import Channel, Patient
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.leases import Leases
from app.services.mail.reply_tags import ReplyTags
from app.services.mail.transport import OutgoingMail, SentMail, Transport
from app.services.mail.transports import Transports
from app.services.outreach.alerts import StaffAlerts
from app.services.outreach.composer import Composer
from app.services.outreach.consent import ConsentService
from app.services.outreach.gate import SendGate
from app.services.outreach.links import Links
from app.services.outreach.outbox import Draft, Outbox
from app.services.outreach.pacing import Pacing
from app.services.outreach.postmark import Postmark
from app.services.outreach.proactive import ProactivePath
from app.services.outreach.recruiting import Recruiter
from app.services.outreach.routes import Routes
from app.services.outreach.sender import OutboxSender
from app.services.outreach.sweep import SweepService
from app.services.tokens import LinkTokens
from app.services.work import WakeSignal
from tests.factories import KEYS, make_appointment, make_campaign, make_patient


class RecordingTransport:
    """Keeps what it was given, and fails as it is told to."""

    deadline_seconds = 5.0

    def __init__(self) -> None:
        self.sent: list[OutgoingMail] = []
        self.failures: list[Exception] = []
        self.known: dict[str, SentMail] = {}
        self.look_up_failure: Exception | None = None
        self.before_send: Callable[[OutgoingMail], None] = lambda _mail: None

    async def send(self, mail: OutgoingMail) -> SentMail:
        """See `Transport`."""
        self.before_send(mail)
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(mail)
        return SentMail(f"<{mail.key}@example.com>", mail.thread_id)

    async def look_up(self, key: str, since: datetime) -> SentMail | None:
        """See `Transport`."""
        if self.look_up_failure:
            raise self.look_up_failure
        return self.known.get(key)


@dataclass
class Parts:
    """Everything of outreach, over one database."""

    repositories: Repositories
    settings: Settings
    clock: Clock
    clinic: ClinicService
    lifecycle: CampaignLifecycle
    tokens: LinkTokens
    links: Links
    outbox: Outbox
    proactive: ProactivePath
    sweeps: SweepService
    gate: SendGate
    sender: OutboxSender
    consent: ConsentService
    alerts: StaffAlerts
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        repositories: Repositories,
        settings: Settings,
        clock: Clock,
        transport: Transport,
        others: Mapping[Channel, Transport] | None = None,
    ) -> "Parts":
        """One replica's worth; `others` are transports of other channels than e-mail."""
        transports = Transports(transport, others)
        routes = Routes(transports.channels)
        clinic = ClinicService(repositories, settings)
        lifecycle = CampaignLifecycle(repositories.campaigns, clock)
        tokens = LinkTokens(KEYS, clock)
        links = Links(settings, tokens)
        outbox = Outbox(repositories.outbox, clock, WakeSignal())
        leases = Leases(repositories.leases)
        outcomes: list[tuple[str, str]] = []
        gate = SendGate(repositories=repositories, clinic=clinic, settings=settings, routes=routes)
        consent = ConsentService(
            repositories=repositories, lifecycle=lifecycle, tokens=tokens, clock=clock
        )
        proactive = ProactivePath(
            repositories=repositories,
            lifecycle=lifecycle,
            outbox=outbox,
            composer=Composer(links),
            clinic=clinic,
            settings=settings,
            clock=clock,
            routes=routes,
        )
        return cls(
            repositories=repositories,
            settings=settings,
            clock=clock,
            clinic=clinic,
            lifecycle=lifecycle,
            tokens=tokens,
            links=links,
            outbox=outbox,
            proactive=proactive,
            sweeps=SweepService(
                repositories=repositories,
                recruiter=Recruiter(
                    repositories=repositories,
                    clinic=clinic,
                    settings=settings,
                    clock=clock,
                    routes=routes,
                ),
                proactive=proactive,
                clinic=clinic,
                leases=leases,
                settings=settings,
                clock=clock,
                observe=lambda _seconds: None,
            ),
            gate=gate,
            sender=OutboxSender(
                repositories=repositories,
                gate=gate,
                postmark=Postmark(
                    repositories=repositories,
                    clinic=clinic,
                    links=links,
                    tags=ReplyTags(KEYS, settings.mail_from, are_used=settings.reply_tags_are_used),
                    settings=settings,
                    clock=clock,
                ),
                transports=transports,
                pacing=Pacing(repositories, clinic, settings.attempt_interval_days),
                lifecycle=lifecycle,
                consent=consent,
                clinic=clinic,
                clock=clock,
                observe=lambda kind, outcome: outcomes.append((kind, outcome)),
            ),
            consent=consent,
            alerts=StaffAlerts(
                repositories=repositories,
                transport=transport,
                clinic=clinic,
                leases=leases,
                settings=settings,
                clock=clock,
            ),
            outcomes=outcomes,
        )

    async def drain(self) -> None:
        """Send whatever is due now."""
        while await self.sender.work_off():
            pass

    async def patient(self, **given: Any) -> Patient:
        """A stored patient."""
        return await self.repositories.patients.insert(make_patient(**given))

    async def campaign(self, patient: Patient, **given: Any) -> Campaign:
        """A stored campaign of theirs."""
        campaign = make_campaign(patient_id=patient.id, **given)
        return await self.repositories.campaigns.insert(campaign)

    async def visit(self, patient: Patient, **given: Any) -> Appointment:
        """A stored visit of theirs in two days."""
        fields = {"appointment_date": self.clock.now() + timedelta(days=2), **given}
        visit = make_appointment(patient_id=patient.id, **fields)
        return await self.repositories.appointments.insert(visit)

    async def message(
        self,
        patient: Patient,
        message_class: MessageClass,
        campaign: Campaign | None = None,
        *,
        key: str = "the one",
        attempt: int | None = None,
        not_before: datetime | None = None,
        answers_on: Channel | None = None,
        in_reply_to: str | None = None,
    ) -> Interaction:
        """A message in the outbox; a reminder is about a visit in two days."""
        visit = await self.visit(patient) if message_class is MessageClass.REMINDER else None
        draft = Draft(
            patient_id=patient.id,
            campaign_id=campaign.id if campaign else None,
            subject="A word",
            content="Hello.",
            message_class=message_class,
            dedupe_key=key,
            attempt=attempt,
            not_before=not_before,
            answers_on=answers_on,
            in_reply_to=in_reply_to,
            appointment_id=visit.id if visit else None,
            visit_starts_at=visit.appointment_date if visit else None,
        )
        stored, _ = await self.outbox.enqueue(draft)
        return stored

    async def reread(self, message: Interaction) -> Interaction:
        """A message as it is stored now."""
        stored = await self.repositories.interactions.get(message.id)
        assert stored is not None
        return stored

    async def reread_campaign(self, campaign: Campaign) -> Campaign:
        """A campaign as it is stored now."""
        stored = await self.repositories.campaigns.get(campaign.id)
        assert stored is not None
        return stored
