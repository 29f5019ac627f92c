"""The second factor of a sign-in: codes of six digits that change every 30 seconds (RFC 6238).

A code counts in its own 30 seconds and once: the database keeps the step that was used last. The
secret is encrypted under the service's keys, newest first, and encrypted anew when a code is used;
recovery codes are random enough for a plain hash (ASVS 6.5.2: 112 bits or more) and need no key.
"""

import base64
import hashlib
import hmac
import logging
import re
import secrets
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pyotp import TOTP, random_base32

from app.core.clock import Clock
from app.core.errors import UnauthenticatedError
from app.db.repositories import Repositories
from app.models.records import AuditEntry
from app.models.role import SecondFactor, StaffMember
from app.services.signing_key import SigningKeys

logger = logging.getLogger(__name__)

STEP_SECONDS = 30
RECOVERY_CODES = 10
RECOVERY_BYTES = 15
_GROUP = 4
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_BETWEEN = re.compile(r"[\s-]+")


class SecondFactorRequiredError(UnauthenticatedError):
    """The password is right, and a code is wanted beside it."""

    slug = "second-factor-required"
    title = "A code is needed"


class WrongSecondFactorError(UnauthenticatedError):
    """The password is right, and the code beside it is not."""

    slug = "wrong-code"
    title = "The code is wrong"


class SecondFactors:
    """Makes secrets and recovery codes, and takes each code once."""

    def __init__(self, repositories: Repositories, keys: SigningKeys, clock: Clock) -> None:
        self._staff = repositories.staff
        self._audit = repositories.audit
        derived = keys.derived("second-factor")
        seals = [Fernet(base64.urlsafe_b64encode(key)) for key in derived]
        self._newest_seal, self._seals = seals[0], MultiFernet(seals)
        self._clock = clock

    async def require(self, member: StaffMember, code: str | None) -> None:
        """Where `member` has a second factor, use `code` up.

        Raises `SecondFactorRequiredError` without one and `WrongSecondFactorError` for a wrong one.
        """
        if member.second_factor is None:
            return
        if not code:
            message = "Send the code that your authenticator app shows, as `code`."
            raise SecondFactorRequiredError(message)
        if not await self.accepts(member, code):
            raise WrongSecondFactorError(WRONG_CODE)

    async def accepts(self, member: StaffMember, code: str) -> bool:
        """Whether this is the code of now, or a recovery code, that nobody used; it is used up."""
        if _CODE.fullmatch(_plain(code)):
            return await self._use_code(member, code)
        return await self._use_recovery_code(member, code)

    def new_secret(self) -> str:
        """A random secret of 160 bits (RFC 4226, section 4), in base32."""
        return random_base32()

    def seal(self, secret: str) -> str:
        """The secret as it is stored."""
        seconds = int(self._clock.now().timestamp())
        return self._seals.encrypt_at_time(secret.encode(), seconds).decode()

    def is_code_of(self, sealed: str, code: str, now: datetime) -> bool:
        """Whether the secret makes this code `now`; `False` where no key there is opens it."""
        try:
            secret = self._seals.decrypt(sealed.encode()).decode()
        except InvalidToken:
            logger.warning("a second factor is encrypted under a key that is gone")
            return False
        return hmac.compare_digest(code_at(secret, now).encode(), _plain(code).encode())

    async def _use_code(self, member: StaffMember, code: str) -> bool:
        factor, now = member.second_factor, self._clock.now()
        if factor is None or not self.is_code_of(factor.sealed_secret, code, now):
            return False
        if not await self._staff.use_step(member.id, factor.id, step_of(now)):
            return False
        await self._reseal(member, factor)
        return True

    async def _reseal(self, member: StaffMember, factor: SecondFactor) -> None:
        """Before the key that the secret is encrypted under goes."""
        sealed = factor.sealed_secret.encode()
        try:
            self._newest_seal.decrypt(sealed)
        except InvalidToken:
            await self._staff.reseal_factor(member.id, factor, self._seals.rotate(sealed).decode())

    async def _use_recovery_code(self, member: StaffMember, code: str) -> bool:
        factor, hashed = member.second_factor, recovery_hash(code)
        if factor is None or not await self._staff.use_recovery_code(member.id, factor.id, hashed):
            return False
        await self.note("second_factor.recovery_code_used", member, by=member)
        return True

    async def note(self, action: str, member: StaffMember, *, by: StaffMember) -> None:
        """Keep in the audit log what became of somebody's second factor."""
        entry = AuditEntry(
            actor=f"staff:{by.id}",
            action=action,
            subject="staff",
            subject_id=str(member.id),
            at=self._clock.now(),
        )
        await self._audit.insert(entry)


def step_of(now: datetime) -> int:
    """How many times thirty seconds since 1970 (RFC 6238, section 4.2)."""
    return int(now.timestamp()) // STEP_SECONDS


def code_at(secret: str, now: datetime) -> str:
    """The code that an authenticator app shows `now`."""
    return TOTP(secret, interval=STEP_SECONDS).at(now)


def new_recovery_codes() -> list[str]:
    """Codes of 120 random bits, in groups that can be read out and typed."""
    return [_grouped(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]


def recovery_hash(code: str) -> str:
    """What of a recovery code is stored."""
    return hashlib.sha256(_plain(code).encode()).hexdigest()


def _plain(code: str) -> str:
    """However its groups were typed."""
    return _BETWEEN.sub("", code).casefold()


def _grouped(random: bytes) -> str:
    text = base64.b32encode(random).decode().casefold()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


WRONG_CODE = (
    "The code is wrong, was used before, or is not of these 30 seconds. Wait for the next one, and "
    "look whether the phone's clock is right."
)
