"""Takes a Pub/Sub push in: verify, read, store, and only then let it be acknowledged."""

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import ForbiddenError
from app.db.repositories.records import InboundEventRepository
from app.models.records import InboundEvent
from app.services.email_processor import PushEnvelope, parse_push
from app.services.push_auth import PushVerifier
from app.services.work import Wakeable

SOURCE = "pubsub"


class PushesRefusedError(ForbiddenError):
    """Pushes cannot be told from forgeries here, and forgeries would be acted on."""

    slug = "push-authentication-missing"
    title = "Pushes are not accepted"

    def __init__(self) -> None:
        super().__init__(
            "Push authentication is not configured: PUBSUB_AUDIENCE and PUBSUB_SERVICE_ACCOUNT "
            "are both needed."
        )


class ForeignSubscriptionError(ForbiddenError):
    """A push of another subscription of the same project: not meant for this service."""

    slug = "foreign-subscription"
    title = "Not our subscription"

    def __init__(self) -> None:
        super().__init__("The push does not come from the subscription in PUBSUB_SUBSCRIPTION.")


def push_verifier(settings: Settings, clock: Clock) -> PushVerifier | None:
    """The verifier of the configured subscription; `None` where it is not (wholly) configured."""
    if settings.pubsub_audience is None or settings.pubsub_service_account is None:
        return None
    return PushVerifier(
        audience=settings.pubsub_audience,
        service_account=settings.pubsub_service_account,
        clock=clock,
        keys_url=settings.google_jwks_url,
    )


class PushIntake:
    """Stores pushes, each once. What is not ours is refused before it is read.

    Without push authentication every push is refused in production, and everywhere where it is
    configured by half: a relay's message is believed about its sender.
    """

    def __init__(
        self,
        *,
        events: InboundEventRepository,
        verifier: PushVerifier | None,
        settings: Settings,
        clock: Clock,
        worker: Wakeable,
    ) -> None:
        self._events = events
        self._verifier = verifier
        self._accepts_unsigned = not (
            settings.is_production or settings.pubsub_audience or settings.pubsub_service_account
        )
        self._subscription = settings.pubsub_subscription
        self._clock = clock
        self._worker = worker

    async def accept(self, body: bytes, authorization: str | None) -> None:
        """Store the push in `body`; a second delivery of it changes nothing.

        Raises `PushesRefusedError`, `PushNotAuthenticError`, `InvalidEnvelopeError`,
        `ForeignSubscriptionError`, and one of `UNAVAILABLE_ERRORS` where it cannot be stored: then
        it must not be acknowledged.
        """
        if self._verifier is not None:
            await self._verifier.verify(authorization)
        elif not self._accepts_unsigned:
            raise PushesRefusedError
        envelope = parse_push(body)
        if self._subscription not in (None, envelope.subscription):
            raise ForeignSubscriptionError
        await self._events.store(self._event(envelope))

    def wake_worker(self) -> None:
        """There may be something to work off."""
        self._worker.wake()

    def _event(self, envelope: PushEnvelope) -> InboundEvent:
        now = self._clock.now()
        return InboundEvent(
            id=envelope.event_id,
            source=SOURCE,
            payload=envelope.message.to_payload(),
            not_before=now,
            created_at=now,
            updated_at=now,
        )
