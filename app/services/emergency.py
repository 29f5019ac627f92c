"""Break-glass: somebody does more than their role for a while, says why, and everybody learns of it
(45 CFR 164.312(a)(2)(ii)).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import ConflictError, ForbiddenError
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.records import AuditEntry
from app.models.role import EMERGENCY_ROLE, StaffRole
from app.services.outreach.alerts import StaffAlerts
from app.services.password_change import PasswordChanges
from app.services.security import Identity, require_session


class EmergencyOffError(ForbiddenError):
    """The practice lends nobody more than their role."""

    slug = "emergency-access-off"
    title = "There is no emergency access here"


class EmergencyNeedlessError(ConflictError):
    """The role there is may do all of it already."""

    slug = "emergency-access-needless"
    title = "Your role may do this already"


class EmergencyAccess:
    """Lends `EMERGENCY_ROLE` for a while."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        passwords: PasswordChanges,
        alerts: StaffAlerts,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._staff = repositories.staff
        self._audit = repositories.audit
        self._passwords = passwords
        self._alerts = alerts
        self._lasts = timedelta(minutes=settings.emergency_access_minutes)
        self._tells = settings.staff_alert_email is not None
        self._clock = clock

    def role_of(self, user: Identity) -> StaffRole:
        """The role whose rights `user` has now, in the session they ask in."""
        if not self._lasts:
            return user.member.role
        return user.member.acts_as(user.session.id, self._clock.now())

    async def begin(self, user: Identity, password: str, reason: str) -> datetime:
        """Until when `user` may do more in this session. What they do is recorded under their name
        as ever. A sign-out, another role or password, and the end of their second factor end it.

        Raises `EmergencyOffError`, `EmergencyNeedlessError`, `WrongPasswordError`,
        `UnauthenticatedError` where the session ended meanwhile, `ConflictError` where the account
        changed, `TooManyRequestsError` and `BusyError`.
        """
        member = user.member
        if not self._lasts:
            message = "The practice has not turned emergency access on. Ask an administrator."
            raise EmergencyOffError(message)
        if member.role.includes(EMERGENCY_ROLE):
            message = f"Your role, {member.role}, may do all of it already."
            raise EmergencyNeedlessError(message)
        await self._passwords.confirm_own(user, password)
        now = self._clock.now()
        until = now + self._lasts
        # The record comes first: rights that nobody could see having been taken are the worse half.
        details = {"reason": reason, "until": until.isoformat()}
        await self._note("emergency_access.begun", member.id, details)
        owed = now if self._tells else None
        if not await self._staff.begin_emergency(member, user.session, until, owed_since=owed):
            await require_session(self._staff, user, self._clock.now())
            message = "Your account was changed just now. Please try again."
            raise ConflictError(message)
        await self._alerts.emergency_access_begun(member.id)
        return until

    async def end(self, user: Identity) -> None:
        """Give it back before its time; nothing happens where there is none."""
        if await self._staff.end_emergency(user.member.id):
            await self._note("emergency_access.ended", user.member.id, {})

    async def _note(self, action: str, member_id: PyObjectId, details: Mapping[str, Any]) -> None:
        entry = AuditEntry(
            actor=f"staff:{member_id}",
            action=action,
            subject="staff",
            subject_id=str(member_id),
            at=self._clock.now(),
            details=dict(details),
        )
        await self._audit.insert(entry)
