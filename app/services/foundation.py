"""What every other part of the service stands on, put together."""

from dataclasses import dataclass
from typing import Self

from app.core.clock import Clock
from app.core.config import Settings
from app.db.database import Database
from app.db.repositories import Repositories
from app.models.patient import Channel
from app.services.audit.trail import AuditTrail
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.events import EventHub, EventLog
from app.services.leases import Leases
from app.services.mail import build_gmail, build_relay, relayed_channels
from app.services.mail.gmail import Gmail
from app.services.mail.relay import RelayTransport
from app.services.mail.reply_tags import ReplyTags
from app.services.metrics import Metrics
from app.services.outreach.composer import Composer
from app.services.outreach.consent import ConsentService
from app.services.outreach.links import Links
from app.services.outreach.outbox import Outbox
from app.services.outreach.routes import Routes
from app.services.passwords import PasswordHasher
from app.services.rate_limits import RateLimiter
from app.services.second_factor import SecondFactors
from app.services.security import SecurityService
from app.services.sessions import Sessions
from app.services.sign_in import SignIn
from app.services.sign_in_notes import SignInNotes
from app.services.signing_key import erasure_key, load_signing_keys
from app.services.tokens import LinkTokens
from app.services.work import WakeSignal


@dataclass(frozen=True)
class Foundation:
    """What every other part stands on."""

    settings: Settings
    clock: Clock
    database: Database
    repositories: Repositories
    metrics: Metrics
    hasher: PasswordHasher
    security: SecurityService
    sessions: Sessions
    limiter: RateLimiter
    second_factors: SecondFactors
    trail: AuditTrail
    sign_in: SignIn
    tokens: LinkTokens
    links: Links
    reply_tags: ReplyTags
    composer: Composer
    clinic: ClinicService
    lifecycle: CampaignLifecycle
    event_log: EventLog
    event_hub: EventHub
    leases: Leases
    consent: ConsentService
    gmail: Gmail | None
    relay: RelayTransport | None
    routes: Routes
    outbox_signal: WakeSignal
    inbound_signal: WakeSignal
    waitlist_signal: WakeSignal
    outbox: Outbox

    @classmethod
    def build(cls, settings: Settings, clock: Clock, metrics: Metrics, uri: str) -> Self:
        """Connect; nothing is read or written yet. Raises `MailConfigurationError`."""
        database = Database(uri, settings.database_name)
        repositories = Repositories.over(database, clock)
        keys = load_signing_keys(settings)
        repositories.suppressions.seal_with(erasure_key(settings, keys.newest))
        tokens = LinkTokens(keys, clock)
        links = Links(settings, tokens)
        event_log = EventLog(repositories, clock)
        lifecycle = CampaignLifecycle(repositories.campaigns, clock, event_log.attention_changed)
        outbox_signal = WakeSignal()
        hasher = PasswordHasher()
        security = SecurityService(repositories.staff, settings, keys, clock, hasher)
        sessions = Sessions(repositories, security, settings, keys, clock)
        second_factors = SecondFactors(repositories, keys, clock)
        limiter = RateLimiter(repositories.rate_limits, settings, keys.newest, clock)
        trail = AuditTrail(repositories.audit, clock)
        return cls(
            settings=settings,
            clock=clock,
            database=database,
            repositories=repositories,
            metrics=metrics,
            hasher=hasher,
            security=security,
            sessions=sessions,
            limiter=limiter,
            second_factors=second_factors,
            trail=trail,
            sign_in=SignIn(
                security=security,
                second_factors=second_factors,
                sessions=sessions,
                limiter=limiter,
                notes=SignInNotes(trail, clock),
                clock=clock,
            ),
            tokens=tokens,
            links=links,
            reply_tags=ReplyTags(keys, settings.mail_from, are_used=settings.reply_tags_are_used),
            composer=Composer(links),
            clinic=ClinicService(repositories, settings),
            lifecycle=lifecycle,
            event_log=event_log,
            event_hub=EventHub(repositories.events, event_log.signal),
            leases=Leases(repositories.leases),
            consent=ConsentService(
                repositories=repositories, lifecycle=lifecycle, tokens=tokens, clock=clock
            ),
            gmail=build_gmail(settings, clock),
            relay=build_relay(settings, clock),
            routes=Routes({Channel.EMAIL, *relayed_channels(settings)}),
            outbox_signal=outbox_signal,
            inbound_signal=WakeSignal(),
            waitlist_signal=WakeSignal(),
            outbox=Outbox(repositories.outbox, clock, outbox_signal),
        )
