"""How deeply a JSON body may be nested: parsers recurse, and what nobody sends can hurt them.

The bytes are looked at as they pass; nothing is parsed, kept or copied.
"""

import re
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.headers import first_header

MAX_DEPTH = 20
"""Objects and lists inside each other; our own deepest body has five."""

_NOT_JSON = ("text/csv", "multipart/", "application/x-www-form-urlencoded")
_MARKS = re.compile(rb'\\.|[\\"\[\]{}]', re.DOTALL)
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")


class NestingLimitMiddleware:
    """Refuses a JSON body that is nested too deeply (400), before anything parses it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and _may_be_json(scope):
            receive = _Watched(receive)
        await self._app(scope, receive, send)


def _may_be_json(scope: Scope) -> bool:
    kind = first_header(scope, b"content-type").strip().lower()
    return not kind.startswith(_NOT_JSON)


class _Watched:
    """A body whose depth is counted while it is read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._depth: Depth | None = None
        """Made when something is read: most requests have no body."""

    async def __call__(self) -> Message:
        message = await self._receive()
        self._depth = self._depth or Depth()
        if self._depth.after(message.get("body", b"")) > MAX_DEPTH:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        return message


class Depth:
    """Counts how deeply JSON that comes in pieces is nested; brackets inside texts do not count."""

    def __init__(self) -> None:
        self._now = 0
        self._in_text = False
        self._escaped = False

    def after(self, piece: bytes) -> int:
        """The greatest depth within `piece`, which follows what was given before."""
        deepest = self._now
        start = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        for found in _MARKS.finditer(piece, start):
            mark = found[0]
            if mark == b'"':
                self._in_text = not self._in_text
            elif mark == b"\\":  # the piece ends with it: what it escapes is yet to come
                self._escaped = True
            elif not self._in_text:
                self._now += (mark in _OPENING) - (mark in _CLOSING)
                deepest = max(deepest, self._now)
        return deepest
