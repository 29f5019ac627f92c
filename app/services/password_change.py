"""Setting passwords: one's own, with the current one, or with a one-time link.

A link is random, kept as a hash, good once and for a while. Whatever sets a password ends the
account's sessions (ASVS 7.4.3), and forgets what strangers guessed at the old one.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.records import AuditEntry
from app.models.role import StaffMember
from app.services.clinic import ClinicService
from app.services.passwords import BusyError, PasswordHasher
from app.services.rate_limits import RateLimiter
from app.services.security import Identity, require_session
from app.services.sign_in import SignIn

LINK_BYTES = 32


class WrongPasswordError(UnprocessableError):
    """The current password is not this one."""

    slug = "wrong-password"
    title = "The current password is wrong"


class PasswordLinkError(NotFoundError):
    """A one-time link that was used, replaced or has run out, or never was one."""

    slug = "invalid-link"
    title = "This link does not work"


@dataclass(frozen=True)
class PasswordLink:
    """A one-time link as it is handed over, which is the only time it can be read."""

    url: str
    expires_at: datetime


class PasswordChanges:
    """Sets passwords."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        hasher: PasswordHasher,
        sign_in: SignIn,
        limiter: RateLimiter,
        clinic: ClinicService,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._staff = repositories.staff
        self._audit = repositories.audit
        self._hasher = hasher
        self._sign_in = sign_in
        self._limiter = limiter
        self._clinic = clinic
        self._settings = settings
        self._clock = clock

    async def change_own(self, user: Identity, current: str, new: str) -> None:
        """Set another password; every session but this one ends.

        Raises `WrongPasswordError`, `WeakPasswordError`, `UnauthenticatedError` where this session
        ended meanwhile, `ConflictError` where the password was set twice at the same moment,
        `TooManyRequestsError` and `BusyError`.
        """
        member = user.member
        await self.confirm_own(user, current)
        hashed = await self._hasher.hash_new(new, await self._context(member))
        if not await self._staff.set_password(member, hashed, keep=user.session):
            await require_session(self._staff, user, self._clock.now())
            message = "The password was set elsewhere just now. Please sign in again."
            raise ConflictError(message)
        await self._sign_in.forgive(member.email)
        await self._note("password.changed", member.id, by=member.id)

    async def confirm_own(self, user: Identity, password: str) -> None:
        """Compare the password once more. Raises `WrongPasswordError`, `TooManyRequestsError` and
        `BusyError`.

        Whoever found an open session must not find the password by trying here, nor keep its owner
        in another session from changing it: a session's guesses count against itself.
        """
        member = user.member
        tries = self._limiter.rules.of_account(f"own password in {user.session.id}")
        await self._limiter.take_each(tries)
        try:
            matches, _ = await self._hasher.verify(password, member.hashed_password)
        except BusyError:
            await self._limiter.give_back(tries)
            raise
        if not matches:
            message = "The current password is wrong."
            raise WrongPasswordError(message)
        await self._limiter.forget(tries)

    async def issue_link(self, member_id: PyObjectId, *, by: PyObjectId) -> PasswordLink:
        """A link with which this person sets their password, in place of any before it.

        The password there is works until then: whoever should not come in any more is closed out
        instead. Raises `NotFoundError`, and `ConflictError` for a closed account.
        """
        token = secrets.token_urlsafe(LINK_BYTES)
        expires_at = self._clock.now() + timedelta(hours=self._settings.password_link_hours)
        if not await self._staff.issue_link(member_id, _hash(token), expires_at):
            await self._refuse_link(member_id)
        await self._note("password.link_issued", member_id, by=by)
        return PasswordLink(f"{self._settings.base_url}/password/{token}", expires_at)

    async def is_good(self, token: str) -> bool:
        """Whether the link still sets a password."""
        return await self._staff.with_link(_hash(token)) is not None

    async def set_by_link(self, token: str, new: str) -> None:
        """Set the password of the link's owner and end all their sessions.

        Raises `PasswordLinkError`, `WeakPasswordError` (the link stays good) and `BusyError`.
        """
        member = await self._staff.with_link(_hash(token))
        if member is None:
            raise PasswordLinkError(_BAD_LINK)
        hashed = await self._hasher.hash_new(new, await self._context(member))
        if not await self._staff.use_link(_hash(token), hashed):
            raise PasswordLinkError(_BAD_LINK)
        await self._sign_in.forgive(member.email)
        await self._note("password.set_by_link", member.id, by=member.id)

    async def _refuse_link(self, member_id: PyObjectId) -> None:
        if await self._staff.get(member_id) is None:
            message = "There is no member of staff with this id."
            raise NotFoundError(message)
        message = "This account is closed. Open it again first (`active: true`)."
        raise ConflictError(message)

    async def _context(self, member: StaffMember) -> list[str]:
        clinic = await self._clinic.current()
        return [member.name, member.email, clinic.name]

    async def _note(self, action: str, member_id: PyObjectId, *, by: PyObjectId) -> None:
        entry = AuditEntry(
            actor=f"staff:{by}",
            action=action,
            subject="staff",
            subject_id=str(member_id),
            at=self._clock.now(),
        )
        await self._audit.insert(entry)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_BAD_LINK = "This link is not valid, or no longer. Please ask an administrator for a new one."
