"""Takes in what a relay of messages sends: WhatsApp, SMS, or e-mail without headers.

The signature vouches for the relay, and the relay for the sender. The promise is that of the Gmail
webhook: stored, then acknowledged, then processed, and a second delivery does nothing.
"""

from app.core.clock import Clock
from app.db.repositories.records import InboundEventRepository
from app.models.patient import Channel
from app.models.records import InboundEvent
from app.services.clinic import ClinicService
from app.services.email_processor import (
    MAX_ADDRESS_CHARACTERS,
    MAX_CONTENT_CHARACTERS,
    MAX_ID_CHARACTERS,
    RelayMessage,
    channel_of,
)
from app.services.envelopes import identifier, json_object, refuse, text
from app.services.phones import sender_number
from app.services.webhook_signature import SignatureVerifier
from app.services.work import Wakeable


def parse_message(body: bytes) -> RelayMessage:
    """The message in `body`; members beyond these are ignored. Raises `InvalidEnvelopeError`."""
    given = json_object(body, "The body")
    if "channel" not in given:
        refuse("`channel` is missing or not a string.")
    return RelayMessage(
        channel=channel_of(given),
        thread_id=identifier(given, "thread_id", MAX_ID_CHARACTERS),
        message_id=identifier(given, "message_id", MAX_ID_CHARACTERS),
        sender=identifier(given, "sender", MAX_ADDRESS_CHARACTERS),
        content=text(given, "message_content", MAX_CONTENT_CHARACTERS),
    )


class MessageIntake:
    """Stores signed messages, each once. What is not signed is refused before it is read."""

    def __init__(
        self,
        *,
        events: InboundEventRepository,
        signatures: SignatureVerifier,
        clinic: ClinicService,
        clock: Clock,
        worker: Wakeable,
    ) -> None:
        self._events = events
        self._signatures = signatures
        self._clinic = clinic
        self._clock = clock
        self._worker = worker

    async def accept(self, body: bytes, signature: str | None) -> None:
        """Store the message in `body`; a second delivery of it changes nothing.

        Raises `SignatureNotAuthenticError`, `InvalidEnvelopeError`, and one of
        `UNAVAILABLE_ERRORS` where it cannot be stored: then it must not be acknowledged.
        """
        self._signatures.verify(body, signature)
        await self._events.store(await self._event(parse_message(body)))

    def wake_worker(self) -> None:
        """There may be something to work off."""
        self._worker.wake()

    async def _event(self, message: RelayMessage) -> InboundEvent:
        now = self._clock.now()
        payload = message.to_payload()
        if message.channel is not Channel.EMAIL:
            payload["from"] = await self._as_on_file(message)
        return InboundEvent(
            id=f"{message.channel}:{message.message_id}",
            source=message.channel,
            payload=payload,
            not_before=now,
            created_at=now,
            updated_at=now,
        )

    async def _as_on_file(self, message: RelayMessage) -> str:
        """The sender's number in E.164; what is no number stays as it came, and matches nobody."""
        country = (await self._clinic.current()).country
        is_international = message.channel is Channel.WHATSAPP
        number = sender_number(message.sender, country, is_international=is_international)
        return number or message.sender
