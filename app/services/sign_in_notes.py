"""What sign-ins leave behind (ASVS 16.3.1): entries of the audit log, and lines of the service's
own log for accounts that nobody has.

Nothing waits for them: an entry is stored with whatever else came up, so that a guess at a known
account takes no longer than one at any other.
"""

import logging
from enum import StrEnum

from app.core.clock import Clock
from app.core.logging import request_id
from app.models.base import PyObjectId
from app.models.records import AuditEntry
from app.services.audit.trail import AuditTrail, TrailFullError

logger = logging.getLogger(__name__)


class Refusal(StrEnum):
    """Why a sign-in was refused, as the audit log names it."""

    WRONG = "login.wrong_password"
    """Or the right one of a closed account."""
    CODE_MISSING = "login.code_missing"
    CODE = "login.wrong_code"
    LIMITED = "login.limited"
    """Too many wrong ones before it: nothing was compared. Noted once in a while."""


class SignInNotes:
    """Takes down who came in and who was refused."""

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock

    def require_room(self) -> None:
        """Raises `TrailFullError`: who comes in unseen does not come in."""
        self._trail.require_room()

    def opened(self, member_id: PyObjectId, session_id: PyObjectId) -> None:
        """Somebody signed in. Raises `TrailFullError`."""
        self._trail.add(self._entry(member_id, "session.opened", session_id))

    def refused(self, member_id: PyObjectId | None, why: Refusal) -> None:
        """Somebody did not. `None` is an account that nobody has: it is not named."""
        logger.info("sign-in refused", extra={"why": why.value})
        if member_id is None:
            return
        try:
            self._trail.add(self._entry(member_id, why.value, None))
        except TrailFullError:
            logger.warning("a refused sign-in is not in the audit log")

    def _entry(
        self, member_id: PyObjectId, action: str, session_id: PyObjectId | None
    ) -> AuditEntry:
        return AuditEntry(
            actor=f"staff:{member_id}",
            action=action,
            subject="session",
            subject_id=str(session_id) if session_id else None,
            at=self._clock.now(),
            request_id=request_id.get(),
        )
