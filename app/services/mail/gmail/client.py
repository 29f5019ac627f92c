"""The Gmail API (v1, REST) as far as we use it. What comes back is read strictly into our types."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from app.core.clock import Clock
from app.services.mail.gmail.auth import AccessTokens
from app.services.mail.gmail.errors import (
    GmailError,
    GmailRefusedError,
    GmailUnavailableError,
    HistoryGoneError,
    NotInMailboxError,
    RateLimitedError,
)

T = TypeVar("T")
Json = dict[str, Any]

PAGE_SIZE = 500
"""The most that `history.list` and `messages.list` hand out at once."""
NO_MAIL = frozenset({"DRAFT", "TRASH", "CHAT"})
"""Labels of what is no letter, or not yet, or no more. What a filter archived has no INBOX and is
still mail.
"""
SENT = "SENT"

_RATE_REASONS = frozenset(
    {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "quotaExceeded",
        "dailyLimitExceeded",
        "RATE_LIMIT_EXCEEDED",
        "RESOURCE_EXHAUSTED",
    }
)
_RETRY_AFTER = re.compile(r"\bRetry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)", re.ASCII)
"""Gmail writes the instant into the sentence of its error."""
_UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 401, 403, 404, 429, 500
_MAX_HISTORY_ID = 2**63 - 1
"""What a database can hold as a number; Gmail's are far below."""


@dataclass(frozen=True)
class MessageRef:
    """A message by Gmail's ids."""

    id: str
    thread_id: str
    labels: frozenset[str] = field(default=frozenset())

    @property
    def is_spam(self) -> bool:
        """Whether Gmail takes it for spam."""
        return "SPAM" in self.labels

    @property
    def is_to_us(self) -> bool:
        """Whether it can be a reply, as far as its labels tell."""
        return not self.labels & {SENT, *NO_MAIL}

    @property
    def is_from_us(self) -> bool:
        """Whether it left from the mailbox, by whose hand ever."""
        return SENT in self.labels and not self.labels & NO_MAIL


@dataclass(frozen=True)
class StoredMessage:
    """A message as Gmail keeps it. `raw` only where the whole was asked for."""

    ref: MessageRef
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass(frozen=True)
class MessagePage:
    """Some of the messages of a mailbox, newest first."""

    messages: Sequence[MessageRef]
    next_page: str | None


@dataclass(frozen=True)
class HistoryPage:
    """What was added to a mailbox since a cursor.

    `reaches` is the newest record of the page, `current` the mailbox's own cursor.
    """

    added: Sequence[MessageRef]
    reaches: int
    current: int
    next_page: str | None


@dataclass(frozen=True)
class Watch:
    """Gmail's promise to notify until `expires_at`."""

    history_id: int
    expires_at: datetime


@dataclass(frozen=True)
class Profile:
    """Whose mailbox it is, and where its history stands."""

    address: str
    history_id: int


@dataclass(frozen=True)
class Failure:
    """How a call failed, and when."""

    error: GmailError
    at: datetime


class GmailClient:
    """One mailbox over HTTP.

    Every method raises `GmailUnavailableError`, `RateLimitedError`, `GmailRefusedError`,
    `GmailSignInError`, and where named `NotInMailboxError` or `HistoryGoneError`.
    """

    def __init__(
        self, http: httpx.AsyncClient, tokens: AccessTokens, *, base_url: str, clock: Clock
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._base = f"{base_url.rstrip('/')}/gmail/v1/users/me"
        self._clock = clock
        self.last_failure: Failure | None = None

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def profile(self) -> Profile:
        """Whose mailbox this is."""
        answer = await self._call("GET", "/profile")
        return _read(answer, lambda a: Profile(str(a["emailAddress"]), _history_id(a)))

    async def watch(self, topic: str) -> Watch:
        """Ask Gmail to tell `topic` about changes for the next seven days."""
        answer = await self._call("POST", "/watch", json={"topicName": topic})
        return _read(answer, lambda a: Watch(_history_id(a), _instant(a["expiration"])))

    async def send(self, raw: bytes, thread_id: str | None) -> MessageRef:
        """Send a whole message. Raises `NotInMailboxError` where there is no such thread."""
        body: Json = {"raw": base64.urlsafe_b64encode(raw).decode()}
        if thread_id is not None:
            body["threadId"] = thread_id
        return _read(await self._call("POST", "/messages/send", json=body), _ref)

    async def message(self, message_id: str, headers: Sequence[str] = ()) -> StoredMessage:
        """A message, with these headers only. Raises `NotInMailboxError`."""
        params = {"format": "metadata", "metadataHeaders": list(headers)}
        return _read(await self._call("GET", f"/messages/{message_id}", params=params), _stored)

    async def raw_message(self, message_id: str) -> StoredMessage:
        """A message as it came over the wire. Raises `NotInMailboxError`."""
        answer = await self._call("GET", f"/messages/{message_id}", params={"format": "raw"})
        return _read(answer, _stored)

    async def messages(
        self,
        *,
        query: str | None = None,
        label: str | None = None,
        page: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> MessagePage:
        """Messages, newest first; without a `label` those in spam too."""
        params: Json = {"maxResults": page_size}
        given = {"q": query, "labelIds": label, "pageToken": page}
        params |= {name: value for name, value in given.items() if value}
        if label is None:
            params["includeSpamTrash"] = "true"
        return _read(await self._call("GET", "/messages", params=params), _message_page)

    async def history(self, since: int, page: str | None = None) -> HistoryPage:
        """What came since a cursor. Raises `HistoryGoneError` where that is too long ago."""
        params: Json = {
            "startHistoryId": str(since),
            "historyTypes": ["messageAdded", "labelAdded"],
            "maxResults": PAGE_SIZE,
        }
        if page:
            params["pageToken"] = page
        try:
            answer = await self._call("GET", "/history", params=params)
        except NotInMailboxError as error:
            message = "Gmail's history no longer reaches back to the cursor."
            raise HistoryGoneError(message) from error
        return _read(answer, _history_page)

    async def _call(self, method: str, path: str, **request: Any) -> Json:  # noqa: ANN401 - httpx's own
        """Ask, and remember how that failed. A message that is not there is no failure."""
        try:
            return await self._answer(method, path, request)
        except NotInMailboxError:
            raise
        except GmailError as error:
            self.last_failure = Failure(error, self._clock.now())
            raise

    async def _answer(self, method: str, path: str, request: Json) -> Json:
        """Ask once; once more where the access token alone was the trouble."""
        token = await self._tokens.get()
        answer = await self._ask(method, path, token, request)
        if answer.status_code == _UNAUTHENTICATED:
            self._tokens.forget(token)
            answer = await self._ask(method, path, await self._tokens.get(), request)
        if not answer.is_success:
            self._raise_for(answer)
        return _json(answer)

    async def _ask(self, method: str, path: str, token: str, request: Json) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            return await self._http.request(method, self._base + path, headers=headers, **request)
        except httpx.HTTPError as error:
            message = f"Gmail cannot be reached ({type(error).__name__})."
            raise GmailUnavailableError(message) from error

    def _raise_for(self, answer: httpx.Response) -> None:
        """Google's words are left out of the message: they may repeat an address."""
        status = answer.status_code
        reason, words = _reason(answer)
        sentence = f"Gmail answered {status} ({reason})."
        if status == _TOO_MANY or (status == _FORBIDDEN and reason in _RATE_REASONS):
            raise RateLimitedError(sentence, self._retry_after(answer, words))
        if status == _NOT_FOUND:
            raise NotInMailboxError(sentence)
        if status >= _SERVER_ERROR:
            raise GmailUnavailableError(sentence)
        raise GmailRefusedError(sentence, status=status, reason=reason)

    def _retry_after(self, answer: httpx.Response, words: str) -> timedelta | None:
        """From the header (seconds or a date, RFC 9110, section 10.2.3), else from the sentence."""
        header = answer.headers.get("Retry-After", "")
        if header.isdecimal():
            return timedelta(seconds=min(int(header), 86_400))
        until = _date(header) or _named_instant(words)
        return max(until - self._clock.now(), timedelta(0)) if until else None


def _date(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC) if header else None
    except ValueError:
        return None


def _named_instant(words: str) -> datetime | None:
    found = _RETRY_AFTER.search(words)
    return datetime.fromisoformat(found[1]) if found else None


def _reason(answer: httpx.Response) -> tuple[str, str]:
    """Gmail's word for what is wrong, and its sentence."""
    try:
        error = answer.json()["error"]
        details = error.get("errors") or [{}]
        reason = details[0].get("reason") or error.get("status") or "unknown"
        return re.sub(r"\W", "", str(reason))[:60], str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "unknown", ""


def _json(answer: httpx.Response) -> Json:
    try:
        body = answer.json()
    except ValueError as error:
        message = "Gmail's answer is not JSON."
        raise GmailUnavailableError(message) from error
    return body if isinstance(body, dict) else {}


def _read(answer: Json, reader: Callable[[Json], T]) -> T:
    try:
        return reader(answer)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"Gmail's answer cannot be read ({type(error).__name__})."
        raise GmailUnavailableError(message) from error


def _ref(answer: Json) -> MessageRef:
    labels = frozenset(map(str, answer.get("labelIds", ())))
    return MessageRef(_identifier(answer["id"]), _identifier(answer["threadId"]), labels)


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w-]{1,64}", value, re.ASCII):
        message = "not an id"
        raise ValueError(message)
    return value


def _stored(answer: Json) -> StoredMessage:
    headers = answer.get("payload", {}).get("headers", ())
    raw = answer.get("raw")
    return StoredMessage(
        ref=_ref(answer),
        received_at=_instant(answer["internalDate"]),
        headers={str(one["name"]).casefold(): str(one["value"]) for one in headers},
        raw=None if raw is None else _decoded(raw),
    )


def _decoded(raw: str) -> bytes:
    unpadded = raw.rstrip("=")
    padded = unpadded + "=" * (-len(unpadded) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        message = "not base64url"
        raise ValueError(message) from error


def _message_page(answer: Json) -> MessagePage:
    return MessagePage([_ref(one) for one in answer.get("messages", ())], _next_page(answer))


def _history_page(answer: Json) -> HistoryPage:
    records = answer.get("history", ())
    added = [_ref(one["message"]) for record in records for one in _added(record)]
    current = _history_id(answer)
    reaches = max((_number(record["id"]) for record in records), default=0)
    return HistoryPage(added, reaches, current, _next_page(answer))


def _added(record: Json) -> list[Json]:
    """What came, and what was a draft until it was sent: that may keep its id and change labels."""
    sent = [one for one in record.get("labelsAdded", ()) if SENT in one.get("labelIds", ())]
    return [*record.get("messagesAdded", ()), *sent]


def _next_page(answer: Json) -> str | None:
    token = answer.get("nextPageToken")
    return str(token) if token else None


def _history_id(answer: Json) -> int:
    return _number(answer["historyId"])


def _number(value: object) -> int:
    number = int(str(value))
    if not 0 <= number <= _MAX_HISTORY_ID:
        message = "out of range"
        raise ValueError(message)
    return number


def _instant(milliseconds: object) -> datetime:
    return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC)
