"""Every request that touches patients' data leaves an entry in the audit log.

No operation says so itself: whose data it touched is noted by what it read and wrote. Beside that,
every operation of the admin API counts as one about patients, whether or not it found any, unless
it stands among those that are about something else.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import ProblemRenderer
from app.api.routes import RouteTable
from app.core.access import NOBODY_KNOWN, Access, watch_access
from app.services.audit.trail import PATIENTS_AN_ENTRY, AuditTrail, Deed, TrailFullError

if TYPE_CHECKING:
    from app.services.container import Services

ADMIN_PREFIX = "/api/v1/admin/"
ABOUT_SOMETHING_ELSE = frozenset(
    {"chairs", "clinic", "dashboard-stats", "knowledge", "mailbox"}
    | {"providers", "services", "staff", "time-off"}
)
"""Parts of the admin API that hold no patient's data: the first word behind the prefix. An
operation of theirs that touches some all the same is recorded like any other.
"""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def is_about_patients(template: str) -> bool:
    """Whether an operation, by the template of its path, is recorded whatever it found."""
    if not template.startswith(ADMIN_PREFIX):
        return False
    return template.removeprefix(ADMIN_PREFIX).split("/")[0] not in ABOUT_SOMETHING_ELSE


class AuditMiddleware:
    """Records who did what to whose data, before the answer leaves."""

    def __init__(self, app: ASGIApp, routes: RouteTable, renderer: ProblemRenderer) -> None:
        self._app = app
        self._routes = routes
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with watch_access() as access:
            recorder = _Recorder(scope, access, self._routes, send)
            try:
                await self._app(scope, receive, recorder.send)
                await recorder.finish()
            except TrailFullError:
                if recorder.has_started:
                    raise
                await self._renderer.unavailable(scope)(scope, receive, send)
            except BaseException:  # cut off or failed: what was touched is recorded all the same
                await recorder.finish(failed=True)
                raise


class _Recorder:
    """Follows one answer on its way out."""

    def __init__(self, scope: Scope, access: Access, routes: RouteTable, send: Send) -> None:
        self._scope = scope
        self._access = access
        self._routes = routes
        self._send = send
        self._status: int | None = None
        self.has_started = False

    async def send(self, message: Message) -> None:
        """What is touched before the answer begins is recorded before; a long answer that goes on
        reading is recorded as it goes.
        """
        if message["type"] == "http.response.start":
            self._status = message["status"]
            counts = self._counts_anyway()
            if counts or self._access.patients:
                await self._leave(is_always_kept=counts)
            self.has_started = True
        elif len(self._access.patients) >= PATIENTS_AN_ENTRY:
            await self._leave()
        await self._send(message)

    async def finish(self, *, failed: bool = False) -> None:
        """What is left: read after the answer began, or by a request that failed before it."""
        if self._access.patients:
            self._status = 500 if failed and not self.has_started else self._status
            await self._leave()

    async def _leave(self, *, is_always_kept: bool = False) -> None:
        deed = Deed(
            operation=self._routes.operation(self._scope),
            is_write=self._scope["method"] not in _READING,
            status=self._status,
            is_always_kept=is_always_kept,
        )
        await _trail(self._scope).leave(self._access, deed)

    def _counts_anyway(self) -> bool:
        """Somebody who is signed in asked for patients, whether or not there were any."""
        is_known = self._access.actor != NOBODY_KNOWN
        return is_known and is_about_patients(self._routes.template(self._scope))


def _trail(scope: Mapping[str, Any]) -> AuditTrail:
    services: Services = scope["state"]["services"]
    return services.audit.trail
