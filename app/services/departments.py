"""The parts of the service by subject, each put together on top of the foundation."""

from dataclasses import dataclass
from functools import partial
from typing import Self

from app.services.agent.actions import CampaignActions
from app.services.agent.corrections import IntentCorrections
from app.services.agent.engine import Engine, LocalEngine, load_models
from app.services.agent.knowledge import KnowledgeService
from app.services.agent.llm.budget import TokenBudget
from app.services.agent.llm.build import LanguageModel
from app.services.agent.outside import OutsideActions
from app.services.agent.reactive import ReactivePath
from app.services.agent.reading import ReplyReader
from app.services.agent.replies import ReplyMail
from app.services.agent.suggesting import FreeTimes
from app.services.agent.unanswered import UnansweredQuestions
from app.services.ai_agent import AiAgent
from app.services.analytics.dashboard import Dashboard
from app.services.analytics.report import Analytics
from app.services.analytics.rows import FigureRows
from app.services.audit.trail import AuditTrail
from app.services.campaign_views import CampaignViews
from app.services.conversations import Conversations
from app.services.foundation import Foundation
from app.services.idempotency import OnceOnly
from app.services.inbound import InboundProcessor
from app.services.mail import build_transport, build_transports
from app.services.mailbox_health import MailboxHealth
from app.services.matching import MessageMatcher
from app.services.merging import PatientMerging
from app.services.merging_campaigns import CampaignHandover
from app.services.message_intake import MessageIntake
from app.services.outreach.alerts import StaffAlerts
from app.services.outreach.deliveries import Deliveries
from app.services.outreach.explaining import ContactExplainer
from app.services.outreach.forecast import SweepForecast
from app.services.outreach.gate import SendGate
from app.services.outreach.pacing import Pacing
from app.services.outreach.postmark import Postmark
from app.services.outreach.preview import LetterPreview
from app.services.outreach.proactive import ProactivePath
from app.services.outreach.recruiting import Recruiter
from app.services.outreach.sender import OutboxSender
from app.services.outreach.sweep import SweepService
from app.services.patient_export import PatientExport
from app.services.patient_records import PatientRecords
from app.services.patients import PatientDirectory
from app.services.post import Post
from app.services.push_intake import PushIntake, push_verifier
from app.services.recovery import RecoveryStarter
from app.services.scheduling.appointments import AppointmentService
from app.services.scheduling.availability import AvailabilityService
from app.services.scheduling.booking import BookingService
from app.services.scheduling.day_view import DayViews
from app.services.scheduling.effects import AppointmentEffects
from app.services.scheduling.lookups import LookupLimit
from app.services.scheduling.newcomers import Newcomers
from app.services.scheduling.placement import Placement
from app.services.scheduling.reminders import VisitReminders
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.scheduling.schedule_settings import ScheduleSettings
from app.services.scheduling.self_service import VisitSelfService
from app.services.scheduling.stranded import StrandedVisits
from app.services.scheduling.unsettled import UnsettledVisits
from app.services.scheduling.visit_calendar import VisitCalendar
from app.services.scheduling.waitlist import Waitlist
from app.services.scheduling.waitlist_answers import WaitlistAnswers
from app.services.scheduling.waitlist_letters import WaitlistLetters
from app.services.scheduling.waitlist_offers import WaitlistOffers
from app.services.scheduling.waitlist_people import WaitingPeople
from app.services.staff_mail import StaffMail
from app.services.unmatched import AssignedMail, UnmatchedMessages
from app.services.webhook_signature import SignatureVerifier


@dataclass(frozen=True)
class Scheduling:
    """Who can be seen when, and the visits."""

    directory: PatientDirectory
    reader: ScheduleReader
    availability: AvailabilityService
    effects: AppointmentEffects
    appointments: AppointmentService
    booking: BookingService
    self_service: VisitSelfService
    settings: ScheduleSettings
    days: DayViews
    unsettled: UnsettledVisits
    reminders: VisitReminders

    @classmethod
    def build(cls, base: Foundation) -> Self:
        """On top of the foundation."""
        repositories, clinic, clock = base.repositories, base.clinic, base.clock
        directory = PatientDirectory(repositories, clinic, base.lifecycle, clock)
        reader = ScheduleReader(repositories, clinic)
        availability = AvailabilityService(reader, clock)
        placement = Placement(repositories, reader, availability, clock)
        newcomers = Newcomers(repositories, directory, placement)
        calendar = VisitCalendar(repositories, reader, base.links, base.settings.mail_from)
        effects = AppointmentEffects(
            repositories=repositories,
            lifecycle=base.lifecycle,
            clinic=clinic,
            reader=reader,
            newcomers=newcomers,
            composer=base.composer,
            links=base.links,
            calendar=calendar,
            outbox=base.outbox,
            routes=base.routes,
            waitlist=base.waitlist_signal,
            clock=clock,
            announce=base.event_log.booking_changed,
        )
        appointments = AppointmentService(
            repositories=repositories,
            clinic=clinic,
            placement=placement,
            effects=effects,
            clock=clock,
        )
        return cls(
            directory=directory,
            reader=reader,
            availability=availability,
            effects=effects,
            appointments=appointments,
            self_service=VisitSelfService(
                repositories=repositories,
                clinic=clinic,
                appointments=appointments,
                calendar=calendar,
                tokens=base.tokens,
                clock=clock,
            ),
            settings=ScheduleSettings(
                repositories, clinic, StrandedVisits(repositories, clinic, clock), clock
            ),
            days=DayViews(repositories, clinic, clock),
            unsettled=UnsettledVisits(repositories, base.lifecycle, clock),
            reminders=VisitReminders(
                repositories=repositories,
                clinic=clinic,
                composer=base.composer,
                links=base.links,
                outbox=base.outbox,
                routes=base.routes,
                clock=clock,
            ),
            booking=BookingService(
                repositories=repositories,
                reader=reader,
                placement=placement,
                directory=directory,
                newcomers=newcomers,
                effects=effects,
                lookups=LookupLimit(base.limiter),
                once=OnceOnly(repositories.idempotency, clock),
                tokens=base.tokens,
                links=base.links,
                clock=clock,
            ),
        )


@dataclass(frozen=True)
class Waiting:
    """Who waits for a time to free up."""

    entries: Waitlist
    offers: WaitlistOffers
    answers: WaitlistAnswers

    @classmethod
    def build(cls, base: Foundation, scheduling: Scheduling) -> Self:
        """On top of the foundation and the scheduling."""
        repositories, clinic, clock = base.repositories, base.clinic, base.clock
        return cls(
            entries=Waitlist(
                repositories=repositories,
                clinic=clinic,
                reader=scheduling.reader,
                availability=scheduling.availability,
                directory=scheduling.directory,
                clock=clock,
            ),
            offers=WaitlistOffers(
                repositories=repositories,
                clinic=clinic,
                reader=scheduling.reader,
                availability=scheduling.availability,
                people=WaitingPeople(repositories, scheduling.directory, clinic, base.routes),
                letters=WaitlistLetters(repositories, base.composer, base.links, base.outbox),
                leases=base.leases,
                settings=base.settings,
                clock=clock,
            ),
            answers=WaitlistAnswers(
                repositories=repositories,
                clinic=clinic,
                booking=scheduling.booking,
                tokens=base.tokens,
                offers=base.waitlist_signal,
                clock=clock,
            ),
        )


@dataclass(frozen=True)
class Outreach:
    """Writing first, and everything that leaves."""

    proactive: ProactivePath
    recruiter: Recruiter
    sweeps: SweepService
    forecast: SweepForecast
    sender: OutboxSender
    alerts: StaffAlerts
    deliveries: Deliveries
    mail_health: MailboxHealth

    @classmethod
    def build(cls, base: Foundation) -> Self:
        """On top of the foundation."""
        repositories, clinic = base.repositories, base.clinic
        settings, clock = base.settings, base.clock
        transport = build_transport(settings, base.gmail)
        transports = build_transports(transport, base.relay, settings)
        proactive = ProactivePath(
            repositories=repositories,
            lifecycle=base.lifecycle,
            outbox=base.outbox,
            composer=base.composer,
            clinic=clinic,
            settings=settings,
            clock=clock,
            routes=base.routes,
        )
        recruiter = Recruiter(
            repositories=repositories,
            clinic=clinic,
            settings=settings,
            clock=clock,
            routes=base.routes,
        )
        return cls(
            proactive=proactive,
            recruiter=recruiter,
            sweeps=SweepService(
                repositories=repositories,
                recruiter=recruiter,
                proactive=proactive,
                leases=base.leases,
                clinic=clinic,
                settings=settings,
                clock=clock,
                observe=base.metrics.sweep,
            ),
            forecast=SweepForecast(
                repositories=repositories,
                recruiter=recruiter,
                proactive=proactive,
                clinic=clinic,
                settings=settings,
                clock=clock,
            ),
            sender=OutboxSender(
                repositories=repositories,
                gate=SendGate(
                    repositories=repositories,
                    clinic=clinic,
                    settings=settings,
                    routes=base.routes,
                ),
                postmark=Postmark(
                    repositories=repositories,
                    clinic=clinic,
                    links=base.links,
                    tags=base.reply_tags,
                    settings=settings,
                    clock=clock,
                ),
                transports=transports,
                pacing=Pacing(repositories, clinic, settings.attempt_interval_days),
                lifecycle=base.lifecycle,
                consent=base.consent,
                clinic=clinic,
                clock=clock,
                observe=base.metrics.sent,
                announce=base.event_log.letter_given_up,
            ),
            alerts=StaffAlerts(
                repositories=repositories,
                transport=transport,
                clinic=clinic,
                leases=base.leases,
                settings=settings,
                clock=clock,
            ),
            deliveries=Deliveries(repositories, base.outbox_signal, clock),
            mail_health=MailboxHealth(repositories, settings.mail_transport, base.gmail, clock),
        )


@dataclass(frozen=True)
class Agent:
    """Understanding replies and acting on them."""

    engine: Engine
    model: LanguageModel | None
    knowledge: KnowledgeService
    unanswered: UnansweredQuestions
    intake: PushIntake
    messages: MessageIntake
    inbound: InboundProcessor
    agent: AiAgent

    @classmethod
    def build(
        cls,
        base: Foundation,
        outreach: Outreach,
        post: Post | None,
        availability: AvailabilityService,
        trail: AuditTrail,
    ) -> Self:
        """On top of the foundation, the outreach, and with Gmail the mailbox."""
        repositories, clock = base.repositories, base.clock
        local = LocalEngine(partial(load_models, base.settings.model_dir))
        budget = TokenBudget(repositories.engine_days, clock, base.settings.llm_tokens_per_day)
        model = LanguageModel.build(
            base.settings, local=local, budget=budget, metrics=base.metrics, clock=clock
        )
        engine: Engine = model.engine if model else local
        knowledge = KnowledgeService(repositories, engine)
        mail = ReplyMail(repositories, base.outbox)
        reactive = ReactivePath(
            repositories=repositories,
            settings=base.settings,
            clinic=base.clinic,
            reader=ReplyReader(engine, parts=local, aside=local.run),
            knowledge=knowledge,
            in_campaign=CampaignActions(
                repositories=repositories,
                lifecycle=base.lifecycle,
                mail=mail,
                composer=base.composer,
                links=base.links,
                consent=base.consent,
                alerts=outreach.alerts,
                metrics=base.metrics,
                free_times=FreeTimes(availability),
                clock=clock,
            ),
            outside=OutsideActions(
                repositories=repositories,
                mail=mail,
                composer=base.composer,
                consent=base.consent,
                alerts=outreach.alerts,
            ),
            metrics=base.metrics,
            clock=clock,
        )
        agent = AiAgent(
            engine=engine, knowledge=knowledge, proactive=outreach.proactive, reactive=reactive
        )
        return cls(
            engine=engine,
            model=model,
            knowledge=knowledge,
            unanswered=UnansweredQuestions(repositories, clock),
            intake=PushIntake(
                events=repositories.inbound_events,
                verifier=push_verifier(base.settings, clock),
                settings=base.settings,
                clock=clock,
                worker=base.inbound_signal,
            ),
            messages=MessageIntake(
                events=repositories.inbound_events,
                signatures=SignatureVerifier(base.settings, clock),
                clinic=base.clinic,
                clock=clock,
                worker=base.inbound_signal,
            ),
            inbound=InboundProcessor(
                repositories=repositories,
                matcher=MessageMatcher(repositories),
                agent=agent,
                lifecycle=base.lifecycle,
                alerts=outreach.alerts,
                clock=clock,
                own_address=base.settings.mail_from,
                worker=base.inbound_signal,
                watched=partial(trail.watched, "inbound"),
                mailbox=post.mail if post else None,
                announce=base.event_log.replied,
                assigned=AssignedMail(
                    repositories=repositories,
                    agent=agent,
                    lifecycle=base.lifecycle,
                    alerts=outreach.alerts,
                ),
                written_here=StaffMail(
                    repositories, MessageMatcher(repositories), base.lifecycle, clock
                ),
            ),
            agent=agent,
        )


@dataclass(frozen=True)
class Desk:
    """What the front desk works with."""

    conversations: Conversations
    campaign_views: CampaignViews
    recovery: RecoveryStarter
    patient_records: PatientRecords
    dashboard: Dashboard
    analytics: Analytics
    figure_rows: FigureRows
    unmatched: UnmatchedMessages
    corrections: IntentCorrections
    explainer: ContactExplainer
    merging: PatientMerging
    export: PatientExport
    preview: LetterPreview

    @classmethod
    def build(
        cls, base: Foundation, scheduling: Scheduling, outreach: Outreach, agent: AiAgent
    ) -> Self:
        """On top of the others."""
        repositories, clock = base.repositories, base.clock
        conversations = Conversations(
            repositories=repositories,
            lifecycle=base.lifecycle,
            outbox=base.outbox,
            composer=base.composer,
            clinic=base.clinic,
            once=OnceOnly(repositories.idempotency, clock),
            clock=clock,
            routes=base.routes,
        )
        records = PatientRecords(repositories, scheduling.directory, base.clinic, clock)
        return cls(
            conversations=conversations,
            campaign_views=CampaignViews(repositories, conversations, base.clinic, clock),
            recovery=RecoveryStarter(
                repositories=repositories,
                patients=scheduling.directory,
                agent=agent,
                max_attempts=base.settings.max_attempts,
                clock=clock,
            ),
            patient_records=records,
            dashboard=Dashboard(repositories, base.clinic, clock),
            analytics=Analytics(repositories, base.clinic, clock),
            figure_rows=FigureRows(repositories, base.clinic, clock),
            unmatched=UnmatchedMessages(repositories, clock, base.inbound_signal),
            corrections=IntentCorrections(repositories, clock),
            preview=LetterPreview(
                composer=base.composer,
                clinic=base.clinic,
                records=records,
                settings=base.settings,
            ),
            explainer=ContactExplainer(
                repositories=repositories,
                records=records,
                recruiter=outreach.recruiter,
                proactive=outreach.proactive,
                settings=base.settings,
                clock=clock,
            ),
            merging=PatientMerging(
                repositories, CampaignHandover(repositories, base.lifecycle), clock
            ),
            export=PatientExport(repositories, base.clinic),
        )
