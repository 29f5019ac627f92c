"""Turning one's second factor on and off, and an administrator's way out for who lost it."""

from dataclasses import dataclass
from datetime import timedelta

from pyotp import TOTP

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import ConflictError, UnprocessableError
from app.db.repositories import Repositories
from app.models.base import PyObjectId, new_id
from app.models.role import PendingFactor, SecondFactor, StaffMember, StaffRole
from app.services.clinic import ClinicService
from app.services.password_change import PasswordChanges
from app.services.rate_limits import Counted, RateLimiter
from app.services.second_factor import (
    WRONG_CODE,
    SecondFactors,
    new_recovery_codes,
    recovery_hash,
    step_of,
)
from app.services.security import Identity, require_session
from app.services.staff import OwnAccountError, StaffNotFoundError

CONFIRM_WITHIN = timedelta(minutes=15)


class WrongCodeError(UnprocessableError):
    """The code is not that of now, or it was used."""

    slug = "wrong-code"
    title = "The code is wrong"


class SecondFactorStateError(ConflictError):
    """There is a second factor already, or none to confirm or remove."""

    slug = "second-factor-state"
    title = "Not in this state"


@dataclass(frozen=True)
class OfferedFactor:
    """A secret as it is handed over, which is the only time it can be read."""

    secret: str
    uri: str


class FactorEnrolment:
    """Whose second factor is on."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        factors: SecondFactors,
        passwords: PasswordChanges,
        limiter: RateLimiter,
        clinic: ClinicService,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._staff = repositories.staff
        self._factors = factors
        self._passwords = passwords
        self._limiter = limiter
        self._clinic = clinic
        self._settings = settings
        self._clock = clock

    def is_wanted_of(self, member: StaffMember) -> bool:
        """Whether the practice asks this person for one."""
        return self._settings.second_factor_for_admins and member.role == StaffRole.ADMIN

    def is_missing_of(self, member: StaffMember) -> bool:
        """Whether they have to turn it on before anything else."""
        return member.second_factor is None and self.is_wanted_of(member)

    async def offer(self, user: Identity, password: str) -> OfferedFactor:
        """A secret for the authenticator app, in place of one that was not confirmed.

        Raises `WrongPasswordError`, `SecondFactorStateError`, `UnauthenticatedError` where the
        session ended meanwhile, `TooManyRequestsError`, `BusyError`.
        """
        member = user.member
        await self._passwords.confirm_own(user, password)
        secret = self._factors.new_secret()
        until = self._clock.now() + CONFIRM_WITHIN
        pending = PendingFactor(sealed_secret=self._factors.seal(secret), expires_at=until)
        if not await self._staff.offer_factor(member.id, pending, user.session):
            await require_session(self._staff, user, self._clock.now())
            raise SecondFactorStateError(_IS_ON)
        clinic = await self._clinic.current()
        uri = TOTP(secret, name=member.email, issuer=clinic.name).provisioning_uri()
        return OfferedFactor(secret, uri)

    async def confirm(self, user: Identity, code: str) -> list[str]:
        """Turn it on with its first code, which is used up; every other session ends.

        Returns the recovery codes, which are shown once. Raises `SecondFactorStateError`,
        `WrongCodeError`, `UnauthenticatedError` where this session ended meanwhile, and
        `TooManyRequestsError`.
        """
        member, now = user.member, self._clock.now()
        pending = member.pending_factor
        if pending is None or now >= pending.expires_at:
            raise SecondFactorStateError(_NOTHING_OFFERED)
        tries = await self._count(user)
        if not self._factors.is_code_of(pending.sealed_secret, code, now):
            raise WrongCodeError(WRONG_CODE)
        await self._limiter.forget(tries)
        codes = new_recovery_codes()
        factor = SecondFactor(
            id=new_id(),
            sealed_secret=pending.sealed_secret,
            enabled_at=now,
            last_step=step_of(now),
            recovery_hashes=[recovery_hash(one) for one in codes],
        )
        if not await self._staff.enable_factor(member.id, factor, user.session):
            await require_session(self._staff, user, now)
            raise SecondFactorStateError(_NOTHING_OFFERED)
        await self._factors.note("second_factor.enabled", member, by=member)
        return codes

    async def remove(self, user: Identity, password: str, code: str) -> None:
        """Turn it off with the password and a code; every other session ends.

        Raises `SecondFactorStateError`, `WrongPasswordError`, `WrongCodeError`,
        `UnauthenticatedError` where this session ended meanwhile, `TooManyRequestsError` and
        `BusyError`.
        """
        member = user.member
        if member.second_factor is None:
            raise SecondFactorStateError(_IS_OFF)
        await self._passwords.confirm_own(user, password)
        tries = await self._count(user)
        if not await self._factors.accepts(member, code):
            raise WrongCodeError(WRONG_CODE)
        await self._limiter.forget(tries)
        if await self._staff.remove_factor(member.id, member.second_factor.id, user.session):
            await self._factors.note("second_factor.removed", member, by=member)
        else:
            await require_session(self._staff, user, self._clock.now())

    async def reset(self, member_id: PyObjectId, *, by: StaffMember) -> None:
        """Turn somebody's off who lost it, and end their sessions; without one nothing happens.

        Raises `OwnAccountError` and `StaffNotFoundError`.
        """
        if member_id == by.id:
            message = "Your own second factor is yours to remove, or another administrator's."
            raise OwnAccountError(message)
        member = await self._staff.get(member_id)
        if member is None:
            message = "There is no member of staff with this id."
            raise StaffNotFoundError(message)
        factor = member.second_factor
        if factor is not None and await self._staff.remove_factor(member_id, factor.id, None):
            await self._factors.note("second_factor.reset", member, by=by)

    async def _count(self, user: Identity) -> tuple[Counted, ...]:
        """Whoever found an open session must not find the code by trying here."""
        tries = self._limiter.rules.of_account(f"own code in {user.session.id}")
        await self._limiter.take_each(tries)
        return tries


_IS_ON = "A second factor is on already. Remove it first."
_IS_OFF = "There is no second factor to remove."
_NOTHING_OFFERED = "There is nothing to confirm, or no longer. Please begin again."
