"""Outgoing messages as staff see them."""

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.db.repositories.delivery_filter import DeliveryFilter
from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus, Interaction
from app.services.work import Wakeable

RETRYABLE = frozenset({DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN})


class NotRetryableError(ConflictError):
    """Only a message that failed, or whose fate is unknown, can be sent again."""

    slug = "delivery-not-retryable"
    title = "This message cannot be sent again"


class FateKnownError(ConflictError):
    """It is known what became of this message."""

    slug = "delivery-fate-known"
    title = "This message cannot be marked as sent"


class Deliveries:
    """Lists the outbox and puts failed messages back into it."""

    def __init__(self, repositories: Repositories, sender: Wakeable, clock: Clock) -> None:
        self._interactions = repositories.interactions
        self._outbox = repositories.outbox
        self._sender = sender
        self._clock = clock

    async def page(self, wanted: DeliveryFilter, *, page: int, limit: int) -> Page[Interaction]:
        """Outgoing messages, newest first."""
        return await self._outbox.deliveries_page(wanted, page=page, limit=limit)

    async def unmatched(self, *, page: int, limit: int) -> Page[Interaction]:
        """Incoming messages that matched no campaign, newest first."""
        return await self._interactions.unmatched_page(page=page, limit=limit)

    async def retry(self, interaction_id: PyObjectId) -> Interaction:
        """Queue a message again. Raises `NotFoundError`, `NotRetryableError`."""
        interaction = await self._outgoing(interaction_id)
        if not await self._outbox.requeue(interaction_id, sorted(RETRYABLE)):
            message = "Only a message that failed or whose fate is unknown can be sent again."
            raise NotRetryableError(message)
        self._sender.wake()
        return await self._interactions.get(interaction_id) or interaction

    async def mark_sent(self, interaction_id: PyObjectId) -> Interaction:
        """Note that a message of unknown fate did leave, so that nobody sends it again.

        Raises `NotFoundError`, `FateKnownError`.
        """
        interaction = await self._outgoing(interaction_id)
        if not await self._outbox.mark_sent(interaction_id, self._clock.now()):
            message = "Only a message whose fate is unknown can be marked as sent."
            raise FateKnownError(message)
        return await self._interactions.get(interaction_id) or interaction

    async def _outgoing(self, interaction_id: PyObjectId) -> Interaction:
        interaction = await self._interactions.get(interaction_id)
        if interaction is None or interaction.delivery is None:
            message = "There is no outgoing message with this id."
            raise NotFoundError(message)
        return interaction
