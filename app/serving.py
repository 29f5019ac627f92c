"""Uvicorn as a command should behave: a failed start is a sentence, a signal is a clean end."""

import contextlib
import signal
import socket
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE_SECONDS = 8
"""How long open requests may take to end; with the rest of the way down it stays under ten."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than the minute that load balancers and client
pools keep theirs, so that it is never closed under a request that is on its way."""


class SpokenStart:
    """Keeps an expected failure of the start for whoever started the process to say.

    Left to the server it would be a traceback in the log.
    """

    def __init__(self, app: ASGIApp, expected: tuple[type[Exception], ...]) -> None:
        self._app = app
        self._expected = expected
        self.failure: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failed: Message | None = None

        async def send_unless_failed(message: Message) -> None:
            nonlocal failed
            if message["type"] == "lifespan.startup.failed":
                failed = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, send_unless_failed)
        except Exception as error:
            if failed is not None:
                await send(self._spoken(error, failed))
            raise

    def _spoken(self, error: Exception, failed: Message) -> Message:
        """The message to the server, without its traceback where the failure is an expected one."""
        if not isinstance(error, self._expected):
            return failed
        self.failure = error
        return {**failed, "message": ""}


def server_config(app: ASGIApp, trusted_proxies: Sequence[str]) -> uvicorn.Config:
    """How the server runs. Whom a request comes from is read from `X-Forwarded-For` where one of
    `trusted_proxies` hands it on, else anybody could name any address.
    """
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class Server(uvicorn.Server):
    """Ends open event streams before it waits for requests to end: they would never."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        services = self.lifespan.state.get("services")
        if services is not None:
            services.base.event_hub.close()
        await super().shutdown(sockets)


def run_server(
    app: ASGIApp,
    listener: socket.socket,
    expected: tuple[type[Exception], ...],
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Serve on `listener` until SIGINT or SIGTERM.

    A start that fails in an `expected` way raises that error; in any other way the log has the
    traceback, and the exit code is uvicorn's own.
    """
    start = SpokenStart(app, expected)
    config = server_config(start, trusted_proxies)
    # Once down, uvicorn raises the signal that ended it again, which would look like a failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            Server(config).run(sockets=[listener])
    except SystemExit:
        if start.failure is None:
            raise
        raise start.failure from None
