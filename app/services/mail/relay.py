"""Text messages and WhatsApp through a relay of the practice's choice, by a signed POST.

One message a request: `{"channel", "to", "text", "message_id", "thread_id", "in_reply_to"}`, `to` a
number in E.164, under the headers `Idempotency-Key` (our key of the message) and `X-Signature`, as
what the relay sends to `POST /webhooks/incoming-message` is signed. It answers 2xx with, where it
has them, `{"message_id", "thread_id"}` of its own. A key that it took before it must take again
without sending: so whatever stays unanswered is simply repeated.
"""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from app.core.clock import Clock
from app.services.mail.transport import (
    OutgoingMail,
    PermanentMailError,
    SentMail,
    TransientMailError,
)
from app.services.webhook_signature import sign

OPERATORS_PAUSE = timedelta(minutes=5)
"""Nothing but the operator helps where the relay does not know us."""
LONGEST_PAUSE = timedelta(hours=1)
MAX_ID_CHARACTERS = 256
_GONE, _TOO_MANY, _SERVER_ERRORS_FROM = 410, 429, 500
_MESSAGES_FAULT = frozenset({400, 413, 415, 422})


class RelayTransport:
    """Hands messages to one relay."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        url: str,
        secret: str,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._http = http
        self._url = url
        self._secret = secret.encode()
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    @property
    def deadline_seconds(self) -> float:
        """One question: httpx gives every part of it so long."""
        return 4 * self._timeout_seconds

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def send(self, mail: OutgoingMail) -> SentMail:
        """See `Transport.send`. Repeating it does no harm, so nothing ends in doubt."""
        body = httpx.Request("POST", self._url, json=_message(mail)).content
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": mail.key,
            "X-Signature": sign(body, self._secret, self._clock.now()),
        }
        try:
            answer = await self._http.post(
                self._url, content=body, headers=headers, timeout=self._timeout_seconds
            )
        except httpx.HTTPError as error:
            message = f"The relay cannot be reached ({type(error).__name__})."
            raise TransientMailError(message) from error
        if not answer.is_success:
            raise self._refusal(answer)
        return _sent(answer, mail)

    async def look_up(self, key: str, since: object) -> SentMail | None:  # noqa: ARG002 - the port's
        """See `Transport.look_up`. As if it never left: the relay knows the key of what did."""
        return None

    def _refusal(self, answer: httpx.Response) -> TransientMailError | PermanentMailError:
        """The relay's own words are left out: they may repeat a number."""
        status = answer.status_code
        sentence = f"The relay answered {status}."
        if status == _GONE:
            return PermanentMailError(sentence, recipient_refused=True)
        if status in _MESSAGES_FAULT:
            return PermanentMailError(sentence)
        if status == _TOO_MANY or status >= _SERVER_ERRORS_FROM:
            return TransientMailError(sentence, retry_after=self._retry_after(answer))
        return TransientMailError(sentence, retry_after=OPERATORS_PAUSE)

    def _retry_after(self, answer: httpx.Response) -> timedelta | None:
        """Seconds or a date (RFC 9110, section 10.2.3)."""
        header = answer.headers.get("Retry-After", "")
        if header.isdecimal():
            return min(timedelta(seconds=int(header[:6])), LONGEST_PAUSE)
        try:
            wait = parsedate_to_datetime(header) - self._clock.now()
        except (ValueError, TypeError):
            return None
        return min(max(wait, timedelta(0)), LONGEST_PAUSE)


def _message(mail: OutgoingMail) -> dict[str, str | None]:
    return {
        "channel": mail.channel.value,
        "to": mail.to,
        "text": mail.text.replace("\n-- \n", "\n").strip(),
        "message_id": mail.key,
        "thread_id": mail.thread_id,
        "in_reply_to": mail.in_reply_to,
    }


def _sent(answer: httpx.Response, mail: OutgoingMail) -> SentMail:
    """It left, whatever the body holds."""
    try:
        body: Any = answer.json()
    except ValueError:
        body = None
    given = body if isinstance(body, dict) else {}
    return SentMail(
        provider_message_id=_identifier(given.get("message_id")) or mail.key,
        thread_id=_identifier(given.get("thread_id")) or mail.thread_id,
    )


def _identifier(value: object) -> str | None:
    is_one = isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_ID_CHARACTERS
    return str(value) if is_one else None
