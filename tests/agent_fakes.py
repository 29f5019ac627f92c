"""The reactive path on a stage: real services over a real database, the engine scripted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import numpy as np

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import Campaign, CampaignChannel, CampaignStatus
from app.models.decision import Intent, Sentiment, Urgency
from app.models.interaction import Direction, Interaction
from app.models.patient import Patient
from app.models.records import InboundEvent, KnowledgeArticle
from app.services.agent.actions import CampaignActions
from app.services.agent.answering import NOT_FOUND, Answer, AnswerSource
from app.services.agent.context import NO_CONTEXT, ReplyContext
from app.services.agent.encoder import FloatMatrix
from app.services.agent.engine import Engine
from app.services.agent.intent import IntentPrediction
from app.services.agent.knowledge import KnowledgeService
from app.services.agent.outside import OutsideActions
from app.services.agent.reactive import ReactivePath
from app.services.agent.reading import ReplyReader
from app.services.agent.replies import ReplyMail
from app.services.agent.retrieval import KnowledgeIndex, ScoredPassage
from app.services.agent.suggesting import FreeTimes
from app.services.ai_agent import AiAgent
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.email_processor import RelayMessage
from app.services.inbound import InboundProcessor
from app.services.mailbox_mail import MailboxMail
from app.services.matching import MessageMatcher
from app.services.metrics import Metrics
from app.services.outreach.composer import Composer
from app.services.outreach.consent import ConsentService
from app.services.outreach.links import Links
from app.services.outreach.outbox import Outbox
from app.services.outreach.proactive import ProactivePath
from app.services.scheduling.availability import AvailabilityService
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.staff_mail import StaffMail
from app.services.tokens import LinkTokens
from app.services.unmatched import AssignedMail
from app.services.work import WakeSignal
from tests.factories import KEYS, make_campaign, make_patient

THREAD = "thread-1"


class SilentEncoder:
    """Has nothing to say about nothing."""

    name = "silent"

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """See `Encoder`."""
        return np.zeros((len(texts), 1), dtype=np.float32)

    def encode_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """See `Encoder`."""
        return np.zeros((len(texts), 1), dtype=np.float32)


class ScriptedEngine:
    """Says what it was told to say, and remembers what it was asked."""

    name = "scripted"
    version = "1"
    is_broken = False

    def __init__(self) -> None:
        self.intent = Intent.BOOKING_REQUEST
        self.intent_of: dict[str, Intent] = {}
        self.confidence = 0.95
        self.secondary: tuple[Intent, ...] = ()
        self.reply = NOT_FOUND
        self.error: Exception | None = None
        self.classified: list[str] = []
        self.waits: dict[str, asyncio.Event] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.indexed: list[list[str]] = []

    async def warm_up(self) -> None:
        """See `Engine`."""

    async def classify(self, text: str, context: ReplyContext = NO_CONTEXT) -> IntentPrediction:
        """See `Engine`."""
        self.classified.append(text)
        if text in self.waits:
            await self.waits[text].wait()
        if self.error:
            raise self.error
        intent = self.intent_of.get(text, self.intent)
        return IntentPrediction(
            probabilities={intent: self.confidence},
            intent=intent,
            confidence=self.confidence,
            secondary=self.secondary,
            sentiment=Sentiment.NEUTRAL,
        )

    async def index(self, articles: Sequence[KnowledgeArticle]) -> KnowledgeIndex:
        """See `Engine`."""
        self.indexed.append([article.title for article in articles])
        return KnowledgeIndex([], SilentEncoder())

    async def answer(
        self,
        index: KnowledgeIndex,
        question: str,
        about: str | None = None,
        context: ReplyContext = NO_CONTEXT,
    ) -> Answer:
        """See `Engine`."""
        self.asked.append((question, about))
        return self.reply

    def close(self) -> None:
        """See `Engine`."""


@dataclass
class RecordedAlerts:
    """Remembers whom staff were told about."""

    told: list[tuple[PyObjectId, Urgency]] = field(default_factory=list)

    async def attention_raised(self, campaign_id: PyObjectId, urgency: Urgency) -> None:
        """See `Alerts`."""
        self.told.append((campaign_id, urgency))

    async def unmatched_arrived(self, interaction_id: PyObjectId, urgency: Urgency) -> None:
        """See `Alerts`."""
        self.told.append((interaction_id, urgency))


ANSWER = Answer(
    found=True,
    text="Whitening takes about one hour.",
    sources=[AnswerSource("66f2a1b4c3d2e1f0a9b8c7d6", "Whitening", 0.9)],
    passages=[
        ScoredPassage(
            article_id="66f2a1b4c3d2e1f0a9b8c7d6",
            title="Whitening",
            tags=(),
            text="Whitening takes about one hour.",
            before="",
            after="",
            position=3,
            score=0.9,
        )
    ],
)


class Stage:
    """Everything the reactive path needs, and a patient with a campaign to play with."""

    def __init__(
        self,
        repositories: Repositories,
        settings: Settings,
        clock: Clock,
        *,
        real_engine: Engine | None = None,
        parts: Engine | None = None,
        mailbox: MailboxMail | None = None,
    ) -> None:
        self.repositories = repositories
        self.clock = clock
        self.engine = ScriptedEngine()
        engine = real_engine or self.engine
        self.alerts = RecordedAlerts()
        self.worker = WakeSignal()
        self.metrics = Metrics()
        clinic = ClinicService(repositories, settings)
        tokens = LinkTokens(KEYS, clock)
        links = Links(settings, tokens)
        self.lifecycle = CampaignLifecycle(repositories.campaigns, clock)
        composer = Composer(links)
        consent = ConsentService(
            repositories=repositories, lifecycle=self.lifecycle, tokens=tokens, clock=clock
        )
        outbox = Outbox(repositories.outbox, clock, WakeSignal())
        mail = ReplyMail(repositories, outbox)
        self.actions = CampaignActions(
            repositories=repositories,
            lifecycle=self.lifecycle,
            mail=mail,
            composer=composer,
            links=links,
            consent=consent,
            alerts=self.alerts,
            metrics=self.metrics,
            free_times=FreeTimes(AvailabilityService(ScheduleReader(repositories, clinic), clock)),
            clock=clock,
        )
        self.knowledge = KnowledgeService(repositories, engine)
        self.reactive = ReactivePath(
            repositories=repositories,
            settings=settings,
            clinic=clinic,
            reader=ReplyReader(engine, parts),
            knowledge=self.knowledge,
            in_campaign=self.actions,
            outside=OutsideActions(
                repositories=repositories,
                mail=mail,
                composer=composer,
                consent=consent,
                alerts=self.alerts,
            ),
            metrics=self.metrics,
            clock=clock,
        )
        self.agent = AiAgent(
            engine=engine,
            knowledge=self.knowledge,
            proactive=ProactivePath(
                repositories=repositories,
                lifecycle=self.lifecycle,
                outbox=outbox,
                composer=composer,
                clinic=clinic,
                settings=settings,
                clock=clock,
            ),
            reactive=self.reactive,
        )
        self.inbound = InboundProcessor(
            repositories=repositories,
            matcher=MessageMatcher(repositories),
            agent=self.agent,
            lifecycle=self.lifecycle,
            alerts=self.alerts,
            clock=clock,
            own_address=settings.mail_from,
            mailbox=mailbox,
            assigned=AssignedMail(
                repositories=repositories,
                agent=self.agent,
                lifecycle=self.lifecycle,
                alerts=self.alerts,
            ),
            written_here=StaffMail(
                repositories, MessageMatcher(repositories), self.lifecycle, clock
            ),
            worker=self.worker,
            jitter=lambda: 0.0,
        )

    async def work_off(self) -> int:
        """Take up what is due and do it to its end; how many events were ours to take."""
        await self.inbound.work_off()
        return await self.inbound.settle()

    async def patient(self, **given: object) -> Patient:
        """A stored patient."""
        return await self.repositories.patients.insert(make_patient(**given))

    async def campaign(
        self,
        patient: Patient,
        status: CampaignStatus = CampaignStatus.ATTEMPTING_RECOVERY,
        **given: object,
    ) -> Campaign:
        """A stored campaign of theirs, its conversation running in `THREAD`."""
        given = {"channel": CampaignChannel(thread_id=THREAD), **given}
        campaign = make_campaign(patient_id=patient.id, status=status, **given)
        return await self.repositories.campaigns.insert(campaign)

    async def reply(
        self,
        patient: Patient | None,
        campaign: Campaign | None,
        text: str,
        *,
        sender: str | None = None,
        subject: str = "Re: Your visit",
        number: int = 1,
        at: datetime | None = None,
    ) -> Interaction:
        """A recorded incoming message, not yet acted on."""
        email = sender or (patient.email if patient else None)
        return await self.repositories.interactions.record_incoming(
            Interaction(
                patient_id=patient.id if patient else None,
                campaign_id=campaign.id if campaign else None,
                direction=Direction.INCOMING,
                subject=subject,
                content=text,
                raw_content=text,
                sender=email,
                timestamp=at or self.clock.now(),
                thread_id=THREAD,
                provider_id=f"relay:{THREAD}:m-{number}",
            )
        )

    async def receive(
        self, message: RelayMessage, *, event_id: str = "pubsub:test:1"
    ) -> InboundEvent:
        """A stored webhook event."""
        now = self.clock.now()
        event = InboundEvent(
            id=event_id,
            source="pubsub",
            payload=message.to_payload(),
            not_before=now,
            created_at=now,
            updated_at=now,
        )
        await self.repositories.inbound_events.store(event)
        return event

    async def reply_now(self, interaction: Interaction) -> Interaction:
        """The message as it stands."""
        found = await self.repositories.interactions.get(interaction.id)
        assert found is not None
        return found

    async def campaign_now(self, campaign: Campaign) -> Campaign:
        """The campaign as it stands."""
        found = await self.repositories.campaigns.get(campaign.id)
        assert found is not None
        return found

    async def outgoing(self, patient: Patient) -> list[Interaction]:
        """Everything queued for a patient, oldest first."""
        found = await self.repositories.interactions._find({"patient_id": patient.id})
        return [message for message in found if message.direction == Direction.OUTGOING]


def relay(patient: Patient, text: str, **given: Any) -> RelayMessage:
    """What a relay pushes when `patient` answers in `THREAD`."""
    given = {"thread_id": THREAD, "message_id": "m-1", "sender": patient.email or "", **given}
    return RelayMessage(content=text, **given)


class CrashedError(BaseException):
    """The process died here: nothing catches it."""


class DyingRepository:
    """A repository whose process dies right before, or right after, a chosen write."""

    def __init__(self, inner: object, countdown: "Countdown") -> None:
        self._inner = inner
        self._countdown = countdown

    def __getattr__(self, name: str) -> object:
        """The method, counted where it writes."""
        method = getattr(self._inner, name)
        if name not in WRITES:
            return method

        async def counted(*args: object, **kwargs: object) -> object:
            is_last = self._countdown.is_last()
            if is_last and not self._countdown.after:
                raise CrashedError
            result = await method(*args, **kwargs)
            if is_last:
                raise CrashedError
            return result

        return counted


WRITES = frozenset(
    {
        "record_incoming",
        "store_decision",
        "mark_processed",
        "update_fields",
        "enqueue",
        "note_reply",
        "change_status",
        "set_attention",
        "note_link_sent",
        "add",
        "record_opt_out",
        "record",
        "mark_unmatched",
        "mark_last_bounced",
        "postpone",
        "finish",
        "escalate",
    }
)


@dataclass
class Countdown:
    """Dies at write number `at` (never where it is 0), and counts all."""

    at: int = 0
    after: bool = False
    seen: int = 0

    def is_last(self) -> bool:
        """Count one write; whether it is the one to die at."""
        self.seen += 1
        return self.seen == self.at


def dying(repositories: Repositories, countdown: Countdown) -> Repositories:
    """All repositories, sharing one countdown."""
    mortal = {
        item.name: DyingRepository(getattr(repositories, item.name), countdown)
        for item in fields(repositories)
    }
    return Repositories(**mortal)  # type: ignore[arg-type]
