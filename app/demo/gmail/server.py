"""The fake Gmail as one ASGI application: Google's endpoints, and `/_fake/…` to play with it."""

import base64
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core.clock import Clock, SystemClock
from app.demo.gmail.api import GmailApi
from app.demo.gmail.faults import Faults
from app.demo.gmail.google import SignIn
from app.demo.gmail.mailbox import (
    FakeMailbox,
    FakeMessage,
    HandWritten,
    IncomingReply,
    NoSuchThreadError,
)
from app.demo.gmail.push import ACCOUNT, AUDIENCE, Pusher, PushTarget, Signer

Json = dict[str, Any]
KEYS_MAX_AGE_SECONDS = 3600


class FakeGmail:
    """Everything behind the application; a test in the same process may look inside."""

    def __init__(
        self,
        address: str,
        *,
        target: PushTarget | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        time = clock or SystemClock()
        randomness = random.Random(seed)  # noqa: S311 - decides which faults happen
        self.mailbox = FakeMailbox(address, time, randomness)
        self.sign_in = SignIn(address, time)
        self.signer = Signer(time)
        self.pusher = Pusher(target, self.signer, time) if target else None
        self.api = GmailApi(self.mailbox, self.sign_in, time, randomness, self.pusher)

    def set_faults(self, faults: Faults) -> None:
        """From now on this goes wrong, and nothing else."""
        self.api.faults = self.sign_in.faults = faults

    def application(self) -> Starlette:
        """All of it over HTTP."""
        routes = [
            Route("/o/oauth2/v2/auth", self.sign_in.consent),
            Route("/token", self.sign_in.token, methods=["POST"]),
            Route("/oauth2/v3/certs", self._keys),
            *self.api.routes(),
            Route("/_fake/health", self._health),
            Route("/_fake/reply", self._reply, methods=["POST"]),
            Route("/_fake/write", self._write, methods=["POST"]),
            Route("/_fake/deliver", self._deliver, methods=["POST"]),
            Route("/_fake/faults", self._faults, methods=["PUT"]),
            Route("/_fake/push-token", self._push_token, methods=["POST"]),
            Route("/_fake/expire-history", self._expire_history, methods=["POST"]),
            Route("/_fake/end-access-tokens", self._end_access_tokens, methods=["POST"]),
            Route("/_fake/ledger", self._ledger),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self.pusher is not None:
                await self.pusher.close()

    async def _keys(self, _request: Request) -> Response:
        headers = {"Cache-Control": f"public, max-age={KEYS_MAX_AGE_SECONDS}, must-revalidate"}
        return JSONResponse(self.signer.key_set(), headers=headers)

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _reply(self, request: Request) -> Response:
        """Somebody writes: the fields of `IncomingReply`."""
        try:
            message = self.mailbox.reply(IncomingReply(**await request.json()))
        except TypeError as error:
            return _problem(str(error))
        except NoSuchThreadError:
            return _problem("We sent nothing in this thread.")
        return self._arrived(message)

    async def _write(self, request: Request) -> Response:
        """Somebody of the practice writes by hand: the fields of `HandWritten`."""
        try:
            message = self.mailbox.write(HandWritten(**await request.json()))
        except TypeError as error:
            return _problem(str(error))
        except NoSuchThreadError:
            return _problem("There is no such thread.")
        return self._arrived(message)

    async def _deliver(self, request: Request) -> Response:
        """A whole message arrives: `raw` in base64url, `is_spam`."""
        body = await request.json()
        raw = base64.urlsafe_b64decode(str(body["raw"]))
        message = self.mailbox.deliver(raw, is_spam=bool(body.get("is_spam")))
        return self._arrived(message)

    def _arrived(self, message: FakeMessage) -> Response:
        """Notify; what came, and where the mailbox's history stands with it."""
        self.api.tell()
        history_id = self.mailbox.history_id
        ids = {"id": message.id, "thread_id": message.thread_id}
        return JSONResponse({**ids, "history_id": history_id})

    async def _push_token(self, request: Request) -> Response:
        """A token as a push carries it, its claims changed by the body's (`null` takes one out)."""
        changed = await request.json()
        return JSONResponse({"token": self.signer.token(AUDIENCE, ACCOUNT, **changed)})

    async def _faults(self, request: Request) -> Response:
        try:
            self.set_faults(Faults(**await request.json()))
        except ValidationError as error:
            return _problem(str(error))
        return JSONResponse(self.api.faults.model_dump())

    async def _expire_history(self, _request: Request) -> Response:
        self.mailbox.expire_history()
        return JSONResponse({"history_id": str(self.mailbox.history_id)})

    async def _end_access_tokens(self, _request: Request) -> Response:
        self.sign_in.end_all()
        return JSONResponse({})

    async def _ledger(self, _request: Request) -> Response:
        return JSONResponse({"sent": self.mailbox.ledger})


def _problem(detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=422)
