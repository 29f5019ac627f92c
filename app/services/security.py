"""Who somebody is: passwords against access, access tokens, the first administrator."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import UnauthenticatedError
from app.db.errors import DuplicateValueError
from app.db.repositories.staff import StaffRepository
from app.models.base import OBJECT_ID_PATTERN, PyObjectId
from app.models.patient import normalise_email
from app.models.role import LiveSession, StaffMember, StaffRole
from app.services.passwords import (
    MAX_LENGTH,
    MIN_LENGTH,
    MIN_LENGTH_IN_DEVELOPMENT,
    PasswordHasher,
    check_length,
    get_password_hash,
    is_too_short,
    verify_password,
)
from app.services.signing_key import ForgedTokenError, SigningKeys
from app.services.tokens import ISSUER

__all__ = ["SecurityService", "get_password_hash", "verify_password"]

AUDIENCE = "staff-api"
CLOCK_LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 2048
MAX_EMAIL_LENGTH = 254
"""The longest address SMTP can carry (RFC 5321, 4.5.3.1.3, less the angle brackets)."""


class _AccessClaims(BaseModel):
    """What an access token says, and nothing beside it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sub: Annotated[str, Field(pattern=OBJECT_ID_PATTERN)]
    typ: Literal["access"]
    sid: Annotated[str, Field(pattern=OBJECT_ID_PATTERN)]
    jti: str
    iss: str
    aud: str
    iat: int
    nbf: int
    exp: int

    def holds_at(self, now: datetime) -> bool:
        """Whether the token is in its time. The end is exact; a start may be a little ahead,
        because two machines' clocks are.
        """
        seconds = now.timestamp()
        latest_start = max(self.iat, self.nbf) - CLOCK_LEEWAY_SECONDS
        return latest_start <= seconds < self.exp


@dataclass(frozen=True)
class Identity:
    """Who sends a request, and in which of their sessions."""

    member: StaffMember
    session: LiveSession


async def require_session(staff: StaffRepository, user: Identity, now: datetime) -> None:
    """Raises `UnauthenticatedError` where `user`'s session ended since the request came."""
    member = await staff.get(user.member.id)
    if member is None or member.disabled or member.session(user.session.id, now) is None:
        raise UnauthenticatedError(_SIGN_IN)


class RefusedLoginError(UnauthenticatedError):
    """No sign-in with this address and password. Whose account it was is for our own records."""

    def __init__(self, member_id: PyObjectId | None) -> None:
        super().__init__(_WRONG)
        self.member_id = member_id


class SecurityService:
    """Compares passwords, makes access tokens and recognises them."""

    def __init__(
        self,
        staff: StaffRepository,
        settings: Settings,
        keys: SigningKeys,
        clock: Clock,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._staff = staff
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._hasher = hasher or PasswordHasher()

    @property
    def access_lifetime(self) -> timedelta:
        """How long an access token lasts where its session does."""
        return timedelta(minutes=self._settings.access_token_expire_minutes)

    def seconds_left(self, session: LiveSession, now: datetime) -> int:
        """How long an access token of this session, made `now`, will last."""
        lifetime = min(self.access_lifetime, session.ends_at - now)
        return max(0, int(lifetime.total_seconds()))

    async def account_of(self, email: str) -> PyObjectId | None:
        """Whose account has this (normalised) address."""
        member = await self._staff.with_email(email)
        return member.id if member else None

    async def login(self, email: str, password: str) -> StaffMember:
        """The member of staff with this address and password.

        Raises `RefusedLoginError`, the same and after the same time whether the address, the
        password or the account's state is at fault. A hash of an old kind is renewed.
        """
        if len(email) > MAX_EMAIL_LENGTH or len(password) > MAX_LENGTH:
            raise RefusedLoginError(None)
        member = await self._staff.with_email(normalise_email(email))
        hashed = member.hashed_password if member else None
        matches, renewed = await self._hasher.verify(password, hashed)
        if member is None or not matches or member.disabled:
            raise RefusedLoginError(member.id if member else None)
        if renewed and await self._staff.renew_hash(member, renewed):
            member.hashed_password = renewed
        member.must_change_password = is_too_short(password, self._min_length)
        return member

    def create_access_token(self, member: StaffMember, session: LiveSession, now: datetime) -> str:
        """A token that lets `member` in from `now` until its time or the session is over."""
        issued = int(now.timestamp())
        claims = _AccessClaims(
            sub=str(member.id),
            typ="access",
            sid=str(session.id),
            jti=secrets.token_urlsafe(16),
            iss=ISSUER,
            aud=AUDIENCE,
            iat=issued,
            nbf=issued,
            exp=issued + self.seconds_left(session, now),
        )
        return self._keys.sign(claims.model_dump())

    async def authenticate(self, token: str) -> Identity:
        """Whose token this is, as they are stored now.

        Raises `UnauthenticatedError` for one that is not ours, not an access token, out of its
        time, or whose holder is gone, disabled or has ended the session since.
        """
        now = self._clock.now()
        claims = self._read(token)
        if not claims.holds_at(now):
            raise UnauthenticatedError(_SIGN_IN)
        member = await self._staff.get(PyObjectId(claims.sub))
        session = member.session(PyObjectId(claims.sid), now) if member else None
        if member is None or member.disabled or session is None:
            raise UnauthenticatedError(_SIGN_IN)
        return Identity(member, session)

    async def create_first_admin(self, email: str, password: str | None) -> str | None:
        """Make an administrator where nobody could sign in yet.

        Returns the generated password where none was given, to be shown once, and `None` where
        nothing was made or the caller knows it. Of several processes at once one makes the
        account: the address is unique. Raises `WeakPasswordError`.
        """
        if not await self._staff.is_empty():
            return None
        return await self.create_admin(email, password)

    async def create_admin(self, email: str, password: str | None) -> str | None:
        """Make an administrator unless the address is taken; otherwise as `create_first_admin`."""
        if password is not None:
            await self._check_given(email, password)
        chosen = password or secrets.token_urlsafe(18)
        hashed = await self._hasher.hash(chosen)
        admin = StaffMember(
            name="Administrator",
            email=normalise_email(email),
            role=StaffRole.ADMIN,
            hashed_password=hashed,
        )
        try:
            await self._staff.insert(admin)
        except DuplicateValueError:
            return None
        return None if password is not None else chosen

    async def _check_given(self, email: str, password: str) -> None:
        """An operator who tries the service out may choose an easy one, though not a very short."""
        if self._settings.is_production:
            await self._hasher.hash_new(password, [email, self._settings.clinic_name])
        else:
            check_length(password, min_length=self._min_length)

    def close(self) -> None:
        """End the threads that hash."""
        self._hasher.close()

    @property
    def _min_length(self) -> int:
        return MIN_LENGTH if self._settings.is_production else MIN_LENGTH_IN_DEVELOPMENT

    def _read(self, token: str) -> _AccessClaims:
        if len(token) > MAX_TOKEN_LENGTH:
            raise UnauthenticatedError(_SIGN_IN)
        try:
            claims = self._keys.read(token, issuer=ISSUER, audience=AUDIENCE)
            return _AccessClaims.model_validate(claims)
        except (ForgedTokenError, ValidationError) as error:
            raise UnauthenticatedError(_SIGN_IN) from error


_WRONG = "The e-mail address or the password is wrong."
_SIGN_IN = "Please sign in."
