"""Every query of the service: one repository a collection."""

from dataclasses import dataclass
from typing import Self

from app.core.clock import Clock
from app.db.database import Database
from app.db.repositories.analytics import AnalyticsRepository
from app.db.repositories.appointments import AppointmentRepository
from app.db.repositories.audit import AuditRepository
from app.db.repositories.campaigns import CampaignRepository
from app.db.repositories.engine_days import EngineDayRepository
from app.db.repositories.events import EventRepository
from app.db.repositories.imports import (
    ImportBatchRepository,
    ImportRepository,
    ImportRowRepository,
    ScheduleConflictRepository,
)
from app.db.repositories.interactions import InteractionRepository
from app.db.repositories.mailboxes import MailboxRepository
from app.db.repositories.merges import PatientMergeRepository
from app.db.repositories.outbox import OutboxRepository
from app.db.repositories.patients import PatientRepository
from app.db.repositories.rate_limits import RateLimitRepository
from app.db.repositories.records import (
    IdempotencyRepository,
    InboundEventRepository,
    KnowledgeRepository,
    LeaseRepository,
    SweepRepository,
    UnansweredQuestionRepository,
)
from app.db.repositories.retention import RetentionRepository
from app.db.repositories.schedule import (
    ChairRepository,
    ClinicRepository,
    ProviderRepository,
    ServiceRepository,
    TimeOffRepository,
)
from app.db.repositories.sessions import SessionRepository
from app.db.repositories.staff import StaffRepository
from app.db.repositories.suppressions import BounceRepository, SuppressionRepository
from app.db.repositories.waitlist import WaitlistRepository


@dataclass(frozen=True)
class Repositories:
    """All repositories over one database."""

    patients: PatientRepository
    campaigns: CampaignRepository
    interactions: InteractionRepository
    outbox: OutboxRepository
    appointments: AppointmentRepository
    staff: StaffRepository
    sessions: SessionRepository
    rate_limits: RateLimitRepository
    providers: ProviderRepository
    chairs: ChairRepository
    services: ServiceRepository
    time_off: TimeOffRepository
    clinic: ClinicRepository
    suppressions: SuppressionRepository
    bounces: BounceRepository
    inbound_events: InboundEventRepository
    mailboxes: MailboxRepository
    leases: LeaseRepository
    sweeps: SweepRepository
    idempotency: IdempotencyRepository
    audit: AuditRepository
    knowledge: KnowledgeRepository
    unanswered: UnansweredQuestionRepository
    waitlist: WaitlistRepository
    imports: ImportRepository
    import_batches: ImportBatchRepository
    import_rows: ImportRowRepository
    schedule_conflicts: ScheduleConflictRepository
    engine_days: EngineDayRepository
    retention: RetentionRepository
    patient_merges: PatientMergeRepository
    analytics: AnalyticsRepository
    events: EventRepository

    @classmethod
    def over(cls, database: Database, clock: Clock) -> Self:
        """Repositories that share a database and a clock."""
        return cls(
            patients=PatientRepository(database, clock),
            campaigns=CampaignRepository(database, clock),
            interactions=InteractionRepository(database, clock),
            outbox=OutboxRepository(database, clock),
            appointments=AppointmentRepository(database, clock),
            staff=StaffRepository(database, clock),
            sessions=SessionRepository(database, clock),
            rate_limits=RateLimitRepository(database, clock),
            providers=ProviderRepository(database, clock),
            chairs=ChairRepository(database, clock),
            services=ServiceRepository(database, clock),
            time_off=TimeOffRepository(database, clock),
            clinic=ClinicRepository(database, clock),
            suppressions=SuppressionRepository(database, clock),
            bounces=BounceRepository(database, clock),
            inbound_events=InboundEventRepository(database, clock),
            mailboxes=MailboxRepository(database, clock),
            leases=LeaseRepository(database, clock),
            sweeps=SweepRepository(database, clock),
            idempotency=IdempotencyRepository(database, clock),
            audit=AuditRepository(database, clock),
            knowledge=KnowledgeRepository(database, clock),
            unanswered=UnansweredQuestionRepository(database, clock),
            waitlist=WaitlistRepository(database, clock),
            imports=ImportRepository(database, clock),
            import_batches=ImportBatchRepository(database, clock),
            import_rows=ImportRowRepository(database, clock),
            schedule_conflicts=ScheduleConflictRepository(database, clock),
            engine_days=EngineDayRepository(database, clock),
            retention=RetentionRepository(database, clock),
            patient_merges=PatientMergeRepository(database, clock),
            analytics=AnalyticsRepository(database, clock),
            events=EventRepository(database, clock),
        )
