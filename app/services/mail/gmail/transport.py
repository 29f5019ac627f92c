"""Mail over the Gmail API.

Gmail can be asked what it sent, so nothing is sent again before the mailbox was searched for our
own `X-Outbox-Key` (Gmail often puts a Message-ID of its own in place of ours). When it wants to be
left alone, everything waits, and no message loses a try by that.
"""

import asyncio
import logging
import random
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import stamina

from app.core.clock import Clock
from app.services.mail.gmail.client import GmailClient, MessageRef, StoredMessage
from app.services.mail.gmail.errors import (
    GmailError,
    GmailRefusedError,
    GmailSignInError,
    GmailUnavailableError,
    NotInMailboxError,
    RateLimitedError,
)
from app.services.mail.mime import build_message, message_id
from app.services.mail.transport import (
    OutgoingMail,
    PermanentMailError,
    SentMail,
    TransientMailError,
)

logger = logging.getLogger(__name__)

KEY_HEADER = "X-Outbox-Key"
ID_HEADER = "Message-ID"
CLOCKS_DIFFER_BY = timedelta(minutes=10)
LOOK_UP_PAGE = 50
LOOK_UP_AT_ONCE = 5
TRIES = 5
"""Of one question in a row of many: a look through the sent mail would else rarely come to its end
while one answer in three fails.
"""
REMEMBERED_KEYS = 20_000

NO_ANSWER = "Gmail did not answer in time."

SIGN_IN_PAUSE = timedelta(minutes=5)
"""How long nothing is tried after Google refused us: only the operator can mend that."""
FIRST_PAUSE = timedelta(seconds=30)
FIRST_OUTAGE_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
OUTAGE_AFTER = 3
"""So many failures in a row are Gmail's trouble, and no single message's."""

_THREAD_ID = re.compile(r"[0-9a-f]{1,20}", re.ASCII)
"""Gmail's ids are hexadecimal; ours ("t-…", "p-…") hold a dash and must not be sent as a thread."""
_TOO_LARGE = 413
_BAD_REQUEST = 400
_OPERATORS_FAULTS = frozenset({"failedPrecondition", "FAILED_PRECONDITION"})
"""A bad request that no message is to blame for: Gmail is not switched on for the account."""


class GmailTransport:
    """Sends from one mailbox."""

    def __init__(
        self,
        client: GmailClient,
        *,
        sender: str,
        clock: Clock,
        sends_per_second: float,
        timeout_seconds: float,
    ) -> None:
        self._client = client
        self._sender = sender
        self._clock = clock
        self._pace = Pace(sends_per_second)
        self._pause = Pause(clock)
        patient = stamina.AsyncRetryingCaller(attempts=TRIES, timeout=timeout_seconds)
        self._ask = patient.on(GmailUnavailableError)
        self._sent = SentKeys(client, self._ask)
        self._timeout_seconds = timeout_seconds

    @property
    def deadline_seconds(self) -> float:
        """A search, the sending and the question for the real Message-ID, together."""
        return 3 * self._timeout_seconds

    @property
    def paused_until(self) -> datetime | None:
        """Until when nothing is sent; may lie in the past."""
        return self._pause.until

    async def send(self, mail: OutgoingMail) -> SentMail:
        """See `Transport.send`. A mail that an earlier try got through is found, not sent again."""
        self._pause.check()
        message = bytes(build_message(mail, self._sender))
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await self._once(mail, message)
        except TimeoutError as error:
            raise self._pause.after(GmailUnavailableError(NO_ANSWER)) from error
        except GmailError as error:
            raise self._put_off(error) from error

    async def look_up(self, key: str, since: datetime) -> SentMail | None:
        """Whether a message with this key was sent. Raises `TransientMailError`."""
        self._pause.check()
        try:
            async with asyncio.timeout(self.deadline_seconds):
                found = await self._found(key, since)
                return await self._named(found, key) if found else None
        except TimeoutError as error:
            raise self._pause.after(GmailUnavailableError(NO_ANSWER)) from error
        except GmailError as error:
            raise self._put_off(error) from error

    async def _once(self, mail: OutgoingMail, message: bytes) -> SentMail:
        since = mail.tried_since
        ref = await self._found(mail.key, since) if since is not None else None
        if ref is None:
            ref = await self._handed_over(mail, message)
        self._pause.end()
        return await self._named(ref, mail.key)

    async def _handed_over(self, mail: OutgoingMail, message: bytes) -> MessageRef:
        """The only question whose refusal a letter can be to blame for."""
        await self._pace.wait()
        self._pause.check()
        thread_id = mail.thread_id if _THREAD_ID.fullmatch(mail.thread_id) else None
        try:
            try:
                return await self._client.send(message, thread_id)
            except NotInMailboxError:
                if thread_id is None:
                    raise
                return await self._client.send(message, None)  # the thread was deleted meanwhile
        except GmailRefusedError as error:
            if error.status == _TOO_LARGE or _is_bad_request(error):
                raise PermanentMailError(str(error)) from error
            raise

    async def _found(self, key: str, since: datetime) -> MessageRef | None:
        """Our own header first; `rfc822msgid:` only finds what Gmail left its Message-ID."""
        ref = await self._sent.find(key, since - CLOCKS_DIFFER_BY)
        if ref is not None:
            return ref
        query = f"rfc822msgid:{message_id(key, self._sender)[1:-1]}"
        by_id = await self._ask(self._client.messages, query=query, label="SENT")
        return by_id.messages[0] if by_id.messages else None

    async def _named(self, ref: MessageRef, key: str) -> SentMail:
        """A message that left, as the recipient's answer will refer to it. What Gmail does not tell
        just now keeps our name: it left all the same.
        """
        own = message_id(key, self._sender)
        try:
            stored = await self._ask(self._client.message, ref.id, [ID_HEADER])
        except NotInMailboxError:
            return SentMail(own, ref.thread_id)  # deleted by now
        except GmailError as error:
            self._put_off(error)
            logger.warning("sent under our own id", extra={"error_type": type(error).__name__})
            return SentMail(own, ref.thread_id)
        return SentMail(stored.headers.get(ID_HEADER.casefold(), own), ref.thread_id)

    def _put_off(self, error: GmailError) -> TransientMailError:
        """A bad request is that question's trouble, and no reason to leave Gmail alone."""
        if isinstance(error, GmailRefusedError) and _is_bad_request(error):
            return TransientMailError(str(error))
        return self._pause.after(error)


def _is_bad_request(error: GmailRefusedError) -> bool:
    return error.status == _BAD_REQUEST and error.reason not in _OPERATORS_FAULTS


class Pause:
    """When Gmail wants to be left alone. Waiting for its end is no message's try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.until: datetime | None = None
        self._in_a_row = 0

    def check(self) -> None:
        """Raise `TransientMailError` while it lasts."""
        if left := self._left():
            sentence = "Gmail is left alone for a while."
            raise TransientMailError(sentence, retry_after=left)

    def end(self) -> None:
        """Something was sent."""
        self.until, self._in_a_row = None, 0

    def after(self, error: GmailError) -> TransientMailError:
        """Begin one where this error asks for it; what the sender is told.

        What was under way when one began fails for the same trouble: it makes the pause no longer,
        unless Gmail says for how long.
        """
        left = self._left()
        length = _length_stated(error)
        if not left:
            self._in_a_row += 1
            length = length or self._length_guessed(error)
        if length is not None:
            left = max(left, length)
            self.until = self._clock.now() + left
        return TransientMailError(str(error), retry_after=left or None)

    def _left(self) -> timedelta:
        if self.until is None:
            return timedelta(0)
        return max(self.until - self._clock.now(), timedelta(0))

    def _length_guessed(self, error: GmailError) -> timedelta | None:
        if isinstance(error, RateLimitedError):
            return self._growing(FIRST_PAUSE, self._in_a_row)
        if self._in_a_row >= OUTAGE_AFTER:
            return self._growing(FIRST_OUTAGE_PAUSE, self._in_a_row - OUTAGE_AFTER + 1)
        return None

    def _growing(self, first: timedelta, times: int) -> timedelta:
        longest = min(first * 2.0 ** min(times - 1, 10), LONGEST_PAUSE)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


def _length_stated(error: GmailError) -> timedelta | None:
    if isinstance(error, GmailSignInError | GmailRefusedError):
        return SIGN_IN_PAUSE
    return error.retry_after if isinstance(error, RateLimitedError) else None


class Pace:
    """At most so many a second, evenly."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Return when it is one's turn."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._interval
        if turn > now:
            await asyncio.sleep(turn - now)


class SentKeys:
    """Which sent message carries which key. Headers never change, so each is asked for once."""

    def __init__(self, client: GmailClient, ask: stamina.BoundAsyncRetryingCaller) -> None:
        """`ask` calls the client, again where Gmail does not answer."""
        self._client = client
        self._ask = ask
        self._known: dict[str, tuple[str | None, datetime]] = {}

    async def find(self, key: str, since: datetime) -> MessageRef | None:
        """The message sent at or after `since` with this key."""
        async for ref, found, sent_at in self._newest_first():
            if found == key:
                return ref
            if sent_at < since:
                return None
        return None

    async def _newest_first(self) -> AsyncIterator[tuple[MessageRef, str | None, datetime]]:
        page: str | None = None
        while True:
            listed = await self._ask(
                self._client.messages, label="SENT", page=page, page_size=LOOK_UP_PAGE
            )
            for start in range(0, len(listed.messages), LOOK_UP_AT_ONCE):
                some = listed.messages[start : start + LOOK_UP_AT_ONCE]
                for ref, known in zip(some, await self._read(some), strict=True):
                    if known is not None:
                        yield ref, *known
            page = listed.next_page
            if page is None:
                return

    async def _read(self, refs: Sequence[MessageRef]) -> list[tuple[str | None, datetime] | None]:
        return list(await asyncio.gather(*map(self._key_of, refs)))

    async def _key_of(self, ref: MessageRef) -> tuple[str | None, datetime] | None:
        """The key and the time of a message; `None` where it is gone."""
        if ref.id not in self._known:
            try:
                self._remember(await self._ask(self._client.message, ref.id, [KEY_HEADER]))
            except NotInMailboxError:
                return None
        return self._known[ref.id]

    def _remember(self, message: StoredMessage) -> None:
        while len(self._known) >= REMEMBERED_KEYS:
            del self._known[next(iter(self._known))]
        key = message.headers.get(KEY_HEADER.casefold())
        self._known[message.ref.id] = (key, message.received_at)
