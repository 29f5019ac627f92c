"""Gmail's REST API over the mailbox in memory, with Google's shapes of answers and errors."""

import asyncio
import base64
import binascii
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core.clock import Clock
from app.demo.gmail.faults import Chance, Faults
from app.demo.gmail.google import SignIn
from app.demo.gmail.mailbox import (
    FakeMailbox,
    FakeMessage,
    HistoryExpiredError,
    NoSuchThreadError,
)
from app.demo.gmail.push import Pusher

Json = dict[str, Any]
Handler = Callable[[Request], Awaitable[Json]]

WATCH_DAYS = 7
DEFAULT_PAGE = 100
_STATUS_NAMES = {
    400: ("invalidArgument", "INVALID_ARGUMENT"),
    401: ("authError", "UNAUTHENTICATED"),
    404: ("notFound", "NOT_FOUND"),
    429: ("rateLimitExceeded", "RESOURCE_EXHAUSTED"),
    500: ("backendError", "INTERNAL"),
    503: ("backendError", "UNAVAILABLE"),
}


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    def answer(self) -> JSONResponse:
        """As Google writes it."""
        reason, name = _STATUS_NAMES[self.status]
        detail = {"message": str(self), "domain": "global", "reason": reason}
        body = {"code": self.status, "message": str(self), "errors": [detail], "status": name}
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return JSONResponse({"error": body}, status_code=self.status, headers=headers)


class GmailApi:
    """The endpoints."""

    def __init__(
        self,
        mailbox: FakeMailbox,
        sign_in: SignIn,
        clock: Clock,
        randomness: random.Random,
        pusher: Pusher | None = None,
    ) -> None:
        self.faults = Faults()
        self.watched_until: int | None = None
        self.calls: list[str] = []
        self._mailbox = mailbox
        self._sign_in = sign_in
        self._clock = clock
        self._chance = Chance(randomness)
        self._pusher = pusher

    def routes(self) -> list[Route]:
        """Under `/gmail/v1/users/{user}`."""
        base = "/gmail/v1/users/{user}"
        return [
            Route(f"{base}{path}", self._endpoint(name, handler), methods=[method])
            for name, method, path, handler in (
                ("getProfile", "GET", "/profile", self._profile),
                ("watch", "POST", "/watch", self._watch),
                ("stop", "POST", "/stop", self._stop),
                ("history.list", "GET", "/history", self._history),
                ("messages.list", "GET", "/messages", self._list),
                ("messages.send", "POST", "/messages/send", self._send),
                ("messages.get", "GET", "/messages/{id}", self._get),
                ("threads.get", "GET", "/threads/{id}", self._thread),
            )
        ]

    def tell(self) -> None:
        """The mailbox changed: notify, unless that gets lost."""
        is_dropped = self._chance.hits(self.faults.drop_push_rate)
        if self._pusher is None or self.watched_until is None or is_dropped:
            return
        self._pusher.notify(
            self._mailbox.address, self._mailbox.history_id, self.faults.push_delay_seconds
        )

    def _endpoint(self, name: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self.calls.append(name)
            try:
                await self._before(request)
                answer = await handler(request)
                await self._after(name)
            except ApiError as error:
                return error.answer()
            return JSONResponse(answer)

        return endpoint

    async def _before(self, request: Request) -> None:
        faults = self.faults
        await asyncio.sleep(faults.delay_seconds)
        if not self._sign_in.is_good(request.headers.get("Authorization", "")):
            raise ApiError(401, "Request had invalid authentication credentials.")
        if self._chance.hits(faults.rate_limit_rate):
            raise ApiError(429, "User-rate limit exceeded.", faults.retry_after_seconds)
        if self._chance.hits(faults.fail_rate):
            raise ApiError(503, "The service is currently unavailable.")

    async def _after(self, name: str) -> None:
        if name == "messages.send":
            await asyncio.sleep(self.faults.answer_delay_seconds)
        if self._chance.hits(self.faults.fail_after_rate):
            raise ApiError(500, "Backend Error")

    async def _profile(self, _request: Request) -> Json:
        mailbox = self._mailbox
        return {
            "emailAddress": mailbox.address,
            "messagesTotal": len(mailbox.messages),
            "threadsTotal": len({one.thread_id for one in mailbox.messages.values()}),
            "historyId": str(mailbox.history_id),
        }

    async def _watch(self, request: Request) -> Json:
        if not str((await request.json()).get("topicName", "")).startswith("projects/"):
            raise ApiError(400, "Invalid topicName does not match projects/*/topics/*")
        ends = self._clock.now() + timedelta(days=WATCH_DAYS)
        self.watched_until = int(ends.timestamp() * 1000)
        history_id = str(self._mailbox.history_id)
        return {"historyId": history_id, "expiration": str(self.watched_until)}

    async def _stop(self, _request: Request) -> Json:
        self.watched_until = None
        return {}

    async def _history(self, request: Request) -> Json:
        try:
            added = self._mailbox.since(int(request.query_params["startHistoryId"]))
        except HistoryExpiredError as error:
            raise ApiError(404, "Requested entity was not found.") from error
        page, token = self._page(request, added)
        records = [self._record(number, one) for number, one in page]
        answer: Json = {"historyId": str(self._mailbox.history_id)}
        if records:
            answer["history"] = records
        return answer | token

    def _record(self, number: int, message: FakeMessage) -> Json:
        labels = sorted(self._mailbox.labels_then[number])
        record = {"id": str(number), "messages": [_ids(message)]}
        shown = {**_ids(message), "labelIds": labels}
        if number in self._mailbox.labelled:
            return {**record, "labelsAdded": [{"message": shown, "labelIds": labels}]}
        return {**record, "messagesAdded": [{"message": shown}]}

    async def _list(self, request: Request) -> Json:
        found = [one for one in self._mailbox.newest_first() if _is_asked_for(one, request)]
        page, token = self._page(request, found)
        answer: Json = {"resultSizeEstimate": len(found)}
        if page:
            answer["messages"] = [_ids(one) for one in page]
        return answer | token

    async def _send(self, request: Request) -> Json:
        body = await request.json()
        self._mailbox.replaces_message_ids = self.faults.replace_message_id
        try:
            raw = base64.urlsafe_b64decode(str(body["raw"]))
            sent = self._mailbox.send(raw, body.get("threadId"))
        except NoSuchThreadError as error:
            raise ApiError(404, "Requested entity was not found.") from error
        except (KeyError, ValueError, binascii.Error) as error:
            raise ApiError(400, str(error)) from error
        self.tell()
        return _ref(sent)

    async def _get(self, request: Request) -> Json:
        message = self._mailbox.messages.get(request.path_params["id"])
        if message is None:
            raise ApiError(404, "Requested entity was not found.")
        return _shown(message, request, self._mailbox.history_id)

    async def _thread(self, request: Request) -> Json:
        messages = self._mailbox.thread(request.path_params["id"])
        if not messages:
            raise ApiError(404, "Requested entity was not found.")
        history_id = self._mailbox.history_id
        return {
            "id": messages[0].thread_id,
            "historyId": str(history_id),
            "messages": [_shown(one, request, history_id) for one in messages],
        }

    def _page(self, request: Request, found: Sequence[Any]) -> tuple[Sequence[Any], Json]:
        asked = int(request.query_params.get("maxResults", DEFAULT_PAGE))
        size = min(asked, self.faults.page_size)
        token = request.query_params.get("pageToken", "0")
        if not token.isdecimal():
            raise ApiError(400, "Invalid pageToken")
        start = int(token)
        is_last = start + size >= len(found)
        following = {} if is_last else {"nextPageToken": str(start + size)}
        return found[start : start + size], following


def _is_asked_for(message: FakeMessage, request: Request) -> bool:
    """The labels, and of Gmail's search language `after:`, `-in:` and `rfc822msgid:`."""
    labels = set(request.query_params.getlist("labelIds"))
    if not labels <= message.labels:
        return False
    with_spam = request.query_params.get("includeSpamTrash") == "true"
    if message.labels & {"SPAM", "TRASH"} and not with_spam:
        return False
    words = request.query_params.get("q", "").split()
    return all(_fits(message, *word.partition(":")[::2]) for word in words)


def _fits(message: FakeMessage, operator: str, value: str) -> bool:
    if operator == "after":
        return message.milliseconds >= int(value) * 1000
    if operator == "-in":
        return value.upper() not in message.labels
    if operator == "rfc822msgid":
        return message.header("Message-ID").strip("<>") == value
    sentence = f"This Gmail does not understand {operator}: in a search."
    raise ApiError(400, sentence)


def _ids(message: FakeMessage) -> Json:
    return {"id": message.id, "threadId": message.thread_id}


def _ref(message: FakeMessage) -> Json:
    return {**_ids(message), "labelIds": sorted(message.labels)}


def _shown(message: FakeMessage, request: Request, history_id: int) -> Json:
    shown = {
        **_ref(message),
        "snippet": message.text[:100],
        "sizeEstimate": len(message.raw),
        "historyId": str(history_id),
        "internalDate": str(message.milliseconds),
    }
    if request.query_params.get("format") == "raw":
        return {**shown, "raw": base64.urlsafe_b64encode(message.raw).decode()}
    wanted = {name.casefold() for name in request.query_params.getlist("metadataHeaders")}
    headers = [
        {"name": name, "value": str(value)}
        for name, value in message.parsed.items()
        if not wanted or name.casefold() in wanted
    ]
    return {**shown, "payload": {"mimeType": message.parsed.get_content_type(), "headers": headers}}
