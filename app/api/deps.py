"""Named dependencies: what a handler can ask for by annotating a parameter.

Each is `async`, however little it does: FastAPI hands any other to a thread, and every request
would wait for it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, cast

from fastapi import Depends, Header, Query, Request
from fastapi.security import OAuth2PasswordBearer

from app.core.access import note_actor
from app.core.errors import ForbiddenError, UnauthenticatedError
from app.models.role import StaffMember, StaffRole
from app.schemas.paging import MAX_LIMIT, MAX_PAGE, PageQuery
from app.services.agent.corrections import IntentCorrections
from app.services.agent.knowledge import KnowledgeService
from app.services.agent.unanswered import UnansweredQuestions
from app.services.ai_agent import AiAgent
from app.services.analytics.dashboard import Dashboard
from app.services.analytics.report import Analytics
from app.services.analytics.rows import FigureRows
from app.services.audit.office import AuditLog
from app.services.campaign_views import CampaignViews
from app.services.clinic import ClinicService
from app.services.container import Services
from app.services.conversations import Conversations, staff_actor
from app.services.emergency import EmergencyAccess
from app.services.events import EventHub
from app.services.factor_enrolment import FactorEnrolment
from app.services.imports.conflicts import ScheduleConflicts
from app.services.imports.desk import ImportDesk
from app.services.imports.intake import ImportIntake
from app.services.mailbox_health import MailboxHealth
from app.services.merging import PatientMerging
from app.services.message_intake import MessageIntake
from app.services.outreach.consent import ConsentService
from app.services.outreach.deliveries import Deliveries
from app.services.outreach.explaining import ContactExplainer
from app.services.outreach.forecast import SweepForecast
from app.services.outreach.preview import LetterPreview
from app.services.outreach.sweep import SweepService
from app.services.password_change import PasswordChanges
from app.services.patient_export import PatientExport
from app.services.patient_records import PatientRecords
from app.services.push_intake import PushIntake
from app.services.recovery import RecoveryStarter
from app.services.retention.disclosure import PatientDisclosure
from app.services.retention.erasure import PatientErasure
from app.services.scheduling.appointments import AppointmentService
from app.services.scheduling.availability import AvailabilityService
from app.services.scheduling.booking import BookingService
from app.services.scheduling.day_view import DayViews
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.scheduling.schedule_settings import ScheduleSettings
from app.services.scheduling.self_service import VisitSelfService
from app.services.scheduling.waitlist import Waitlist
from app.services.scheduling.waitlist_answers import WaitlistAnswers
from app.services.security import Identity
from app.services.sessions import Sessions
from app.services.sign_in import SignIn
from app.services.staff import StaffAdministration
from app.services.unmatched import UnmatchedMessages

_bearer = OAuth2PasswordBearer(
    tokenUrl="/api/v1/auth/login",
    scheme_name="staff",
    description="Sign in with the e-mail address and password of a member of staff.",
    auto_error=False,
)


def services_of(request: Request) -> Services:
    """What lives as long as the process, from the lifespan's state."""
    return cast("Services", request.state.services)


async def services(request: Request) -> Services:
    """See `services_of`."""
    return services_of(request)


ServicesDep = Annotated[Services, Depends(services)]


async def sign_in(parts: ServicesDep) -> SignIn:
    """Signing in."""
    return parts.base.sign_in


SignInDep = Annotated[SignIn, Depends(sign_in)]


async def sessions(parts: ServicesDep) -> Sessions:
    """Staying signed in."""
    return parts.sessions


SessionsDep = Annotated[Sessions, Depends(sessions)]


class PasswordChangeRequiredError(ForbiddenError):
    """The password was set under an older rule; only changing it is allowed."""

    slug = "password-change-required"
    title = "Change your password first"


class SecondFactorMissingError(ForbiddenError):
    """Administrators need a second factor here, and this one has none yet."""

    slug = "second-factor-missing"
    title = "Turn on your second factor first"


async def identity(parts: ServicesDep, token: Annotated[str | None, Depends(_bearer)]) -> Identity:
    """Whose token came along, and in which session. Raises `UnauthenticatedError`."""
    if not token:
        message = "Please sign in."
        raise UnauthenticatedError(message)
    found = await parts.security.authenticate(token)
    note_actor(staff_actor(found.member))
    return found


IdentityDep = Annotated[Identity, Depends(identity)]
"""Anybody who is signed in, even with a password that must be changed first."""


async def current_user(parts: ServicesDep, found: IdentityDep) -> StaffMember:
    """The member of staff whose token came along.

    Raises `UnauthenticatedError`, `PasswordChangeRequiredError` and `SecondFactorMissingError`.
    """
    if found.member.must_change_password:
        message = (
            "Your password is shorter than the practice's rules now ask for. Change it "
            "(PATCH /api/v1/users/me/password), then go on."
        )
        raise PasswordChangeRequiredError(message)
    if parts.staff.factors.is_missing_of(found.member):
        message = (
            "The practice asks administrators for a second factor. Turn it on "
            "(POST /api/v1/users/me/second-factor), then go on."
        )
        raise SecondFactorMissingError(message)
    return found.member


CurrentUser = Annotated[StaffMember, Depends(current_user)]
"""Anybody who is signed in."""


class AtLeast:
    """A dependency that lets in whoever has `role` or a higher one. Raises `ForbiddenError`."""

    def __init__(self, role: StaffRole) -> None:
        self.role = role

    async def __call__(
        self, user: CurrentUser, found: IdentityDep, parts: ServicesDep
    ) -> StaffMember:
        """The member of staff who asks."""
        if not parts.staff.emergency.role_of(found).includes(self.role):
            message = f"This needs the role {self.role} or a higher one."
            raise ForbiddenError(message)
        return user


ReadAccess = Annotated[StaffMember, Depends(AtLeast(StaffRole.READ_ONLY))]
WriteAccess = Annotated[StaffMember, Depends(AtLeast(StaffRole.FRONT_DESK))]
SettingsAccess = Annotated[StaffMember, Depends(AtLeast(StaffRole.OFFICE_MANAGER))]
AdminAccess = Annotated[StaffMember, Depends(AtLeast(StaffRole.ADMIN))]


async def page_query(
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Counted from 1.")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows on a page.")] = 20,
) -> PageQuery:
    """Which page of a list, from `page` and `limit`."""
    return PageQuery(page=page, limit=limit)


PageDep = Annotated[PageQuery, Depends(page_query)]

DryRun = Annotated[bool, Query(description="Answer the same and change nothing.", examples=[True])]

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a retry safe: the same key and body get the same answer.",
        examples=["5f0c1d8e-7a52-4a3e-9d1c-0c8d3a6b2f41"],
    ),
]

AcceptLanguage = Annotated[str, Header(max_length=1000, examples=["es"])]


async def conversations(parts: ServicesDep) -> Conversations:
    """Staff's side of conversations."""
    return parts.desk.conversations


async def campaign_views(parts: ServicesDep) -> CampaignViews:
    """Campaigns as screens show them."""
    return parts.desk.campaign_views


async def recovery(parts: ServicesDep) -> RecoveryStarter:
    """Campaigns that staff start."""
    return parts.desk.recovery


async def patient_records(parts: ServicesDep) -> PatientRecords:
    """Patients as staff keep them."""
    return parts.desk.patient_records


async def dashboard(parts: ServicesDep) -> Dashboard:
    """Figures."""
    return parts.desk.dashboard


async def analytics(parts: ServicesDep) -> Analytics:
    """Figures over time."""
    return parts.desk.analytics


async def figure_rows(parts: ServicesDep) -> FigureRows:
    """What figures count."""
    return parts.desk.figure_rows


AnalyticsDep = Annotated[Analytics, Depends(analytics)]
FigureRowsDep = Annotated[FigureRows, Depends(figure_rows)]


async def consent(parts: ServicesDep) -> ConsentService:
    """Opt-outs and opt-ins."""
    return parts.base.consent


async def deliveries(parts: ServicesDep) -> Deliveries:
    """The outbox as staff see it."""
    return parts.outreach.deliveries


async def mail_health(parts: ServicesDep) -> MailboxHealth:
    """How the mail stands."""
    return parts.outreach.mail_health


async def unmatched(parts: ServicesDep) -> UnmatchedMessages:
    """Messages that a person must place."""
    return parts.desk.unmatched


async def corrections(parts: ServicesDep) -> IntentCorrections:
    """What staff say that messages wanted."""
    return parts.desk.corrections


async def sweeps(parts: ServicesDep) -> SweepService:
    """Sweeps."""
    return parts.outreach.sweeps


async def contact_explainer(parts: ServicesDep) -> ContactExplainer:
    """Why somebody was, or was not, contacted."""
    return parts.desk.explainer


async def letter_preview(parts: ServicesDep) -> LetterPreview:
    """Letters to look at."""
    return parts.desk.preview


LetterPreviewDep = Annotated[LetterPreview, Depends(letter_preview)]
ContactExplainerDep = Annotated[ContactExplainer, Depends(contact_explainer)]


async def patient_merging(parts: ServicesDep) -> PatientMerging:
    """Duplicates."""
    return parts.desk.merging


async def patient_export(parts: ServicesDep) -> PatientExport:
    """All patients as a file."""
    return parts.desk.export


PatientMergingDep = Annotated[PatientMerging, Depends(patient_merging)]
PatientExportDep = Annotated[PatientExport, Depends(patient_export)]


async def sweep_forecast(parts: ServicesDep) -> SweepForecast:
    """The sweeps of the next days."""
    return parts.outreach.forecast


SweepForecastDep = Annotated[SweepForecast, Depends(sweep_forecast)]


async def event_hub(parts: ServicesDep) -> EventHub:
    """What happens, as it happens."""
    return parts.base.event_hub


async def session_check(
    parts: ServicesDep, token: Annotated[str | None, Depends(_bearer)]
) -> Callable[[], Awaitable[object]]:
    """Raises `UnauthenticatedError` once the token that came along lets nobody in any more."""
    return partial(parts.security.authenticate, token or "")


EventHubDep = Annotated[EventHub, Depends(event_hub)]
SessionCheck = Annotated[Callable[[], Awaitable[object]], Depends(session_check)]
ConversationsDep = Annotated[Conversations, Depends(conversations)]
CampaignViewsDep = Annotated[CampaignViews, Depends(campaign_views)]
RecoveryDep = Annotated[RecoveryStarter, Depends(recovery)]
PatientRecordsDep = Annotated[PatientRecords, Depends(patient_records)]
DashboardDep = Annotated[Dashboard, Depends(dashboard)]
ConsentDep = Annotated[ConsentService, Depends(consent)]
DeliveriesDep = Annotated[Deliveries, Depends(deliveries)]
MailboxHealthDep = Annotated[MailboxHealth, Depends(mail_health)]
UnmatchedDep = Annotated[UnmatchedMessages, Depends(unmatched)]
SweepsDep = Annotated[SweepService, Depends(sweeps)]
CorrectionsDep = Annotated[IntentCorrections, Depends(corrections)]


async def clinic(parts: ServicesDep) -> ClinicService:
    """The practice and its rules."""
    return parts.base.clinic


async def schedule_reader(parts: ServicesDep) -> ScheduleReader:
    """What the practice offers."""
    return parts.scheduling.reader


async def availability(parts: ServicesDep) -> AvailabilityService:
    """Free times."""
    return parts.scheduling.availability


async def booking(parts: ServicesDep) -> BookingService:
    """Booking."""
    return parts.scheduling.booking


async def appointments(parts: ServicesDep) -> AppointmentService:
    """Visits in the book."""
    return parts.scheduling.appointments


async def visit_self_service(parts: ServicesDep) -> VisitSelfService:
    """A patient's one visit, behind a link."""
    return parts.scheduling.self_service


async def schedule_settings(parts: ServicesDep) -> ScheduleSettings:
    """What availability is computed from."""
    return parts.scheduling.settings


async def day_views(parts: ServicesDep) -> DayViews:
    """The book by the day."""
    return parts.scheduling.days


ClinicDep = Annotated[ClinicService, Depends(clinic)]
ScheduleReaderDep = Annotated[ScheduleReader, Depends(schedule_reader)]
AvailabilityDep = Annotated[AvailabilityService, Depends(availability)]
BookingDep = Annotated[BookingService, Depends(booking)]
AppointmentsDep = Annotated[AppointmentService, Depends(appointments)]
VisitSelfServiceDep = Annotated[VisitSelfService, Depends(visit_self_service)]
DayViewsDep = Annotated[DayViews, Depends(day_views)]
ScheduleSettingsDep = Annotated[ScheduleSettings, Depends(schedule_settings)]


async def knowledge(parts: ServicesDep) -> KnowledgeService:
    """What the agent may answer from."""
    return parts.agent.knowledge


async def ai_agent(parts: ServicesDep) -> AiAgent:
    """The agent as one thing."""
    return parts.agent.agent


async def push_intake(parts: ServicesDep) -> PushIntake:
    """Where pushes are stored."""
    return parts.agent.intake


async def message_intake(parts: ServicesDep) -> MessageIntake:
    """Where signed messages are stored."""
    return parts.agent.messages


async def unanswered(parts: ServicesDep) -> UnansweredQuestions:
    """What the agent could not answer."""
    return parts.agent.unanswered


UnansweredDep = Annotated[UnansweredQuestions, Depends(unanswered)]
AiAgentDep = Annotated[AiAgent, Depends(ai_agent)]
KnowledgeDep = Annotated[KnowledgeService, Depends(knowledge)]
PushIntakeDep = Annotated[PushIntake, Depends(push_intake)]
MessageIntakeDep = Annotated[MessageIntake, Depends(message_intake)]


async def waitlist(parts: ServicesDep) -> Waitlist:
    """Who waits for a time to free up."""
    return parts.waiting.entries


async def waitlist_answers(parts: ServicesDep) -> WaitlistAnswers:
    """One offer of freed time, behind a link."""
    return parts.waiting.answers


WaitlistDep = Annotated[Waitlist, Depends(waitlist)]
WaitlistAnswersDep = Annotated[WaitlistAnswers, Depends(waitlist_answers)]


async def import_intake(parts: ServicesDep) -> ImportIntake:
    """Where files are taken in."""
    return parts.imports.intake


async def import_desk(parts: ServicesDep) -> ImportDesk:
    """Imports and what became of their rows."""
    return parts.imports.desk


async def schedule_conflicts(parts: ServicesDep) -> ScheduleConflicts:
    """Imported visits without a place in the book."""
    return parts.imports.conflicts


ImportIntakeDep = Annotated[ImportIntake, Depends(import_intake)]
ImportDeskDep = Annotated[ImportDesk, Depends(import_desk)]
ScheduleConflictsDep = Annotated[ScheduleConflicts, Depends(schedule_conflicts)]


async def staff_administration(parts: ServicesDep) -> StaffAdministration:
    """Staff accounts."""
    return parts.staff.administration


async def password_changes(parts: ServicesDep) -> PasswordChanges:
    """Setting passwords."""
    return parts.staff.passwords


StaffAdministrationDep = Annotated[StaffAdministration, Depends(staff_administration)]
PasswordChangesDep = Annotated[PasswordChanges, Depends(password_changes)]


async def factor_enrolment(parts: ServicesDep) -> FactorEnrolment:
    """Second factors."""
    return parts.staff.factors


FactorEnrolmentDep = Annotated[FactorEnrolment, Depends(factor_enrolment)]


async def emergency_access(parts: ServicesDep) -> EmergencyAccess:
    """Rights for a while."""
    return parts.staff.emergency


EmergencyAccessDep = Annotated[EmergencyAccess, Depends(emergency_access)]


async def audit_log(parts: ServicesDep) -> AuditLog:
    """Who saw or changed what."""
    return parts.audit.log


AuditLogDep = Annotated[AuditLog, Depends(audit_log)]


async def patient_disclosure(parts: ServicesDep) -> PatientDisclosure:
    """Everything about one patient."""
    return parts.retention.disclosure


async def patient_erasure(parts: ServicesDep) -> PatientErasure:
    """Erasing one patient."""
    return parts.retention.erasure


PatientDisclosureDep = Annotated[PatientDisclosure, Depends(patient_disclosure)]
PatientErasureDep = Annotated[PatientErasure, Depends(patient_erasure)]
