"""Sign-ins: opened with a password, kept up with refresh tokens, ended.

A refresh token is the session's id and a secret. The first secret is random and each later one is
derived from the one before it under the newest of the service's keys, so that two refreshes with
the same token lead to the same next one, while the database holds hashes alone. A token used a
second time later than a retry would be ends the session (RFC 9700, 4.14.2). Limits after ASVS 7.3:
a session ends when nobody refreshes it for a while, and after its longest time whatever happens.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import UnauthenticatedError
from app.db.repositories import Repositories
from app.models.base import PyObjectId, as_object_id, new_id
from app.models.records import AuditEntry
from app.models.role import LiveSession, StaffMember
from app.models.session import Session
from app.services.security import SecurityService
from app.services.signing_key import SigningKeys

logger = logging.getLogger(__name__)

SECRET_BYTES = 32
_SIGN_IN_AGAIN = "This sign-in is over. Please sign in again."


@dataclass(frozen=True)
class TokenPair:
    """What a client is handed: a token to show for so many seconds, and one for the next pair."""

    session_id: PyObjectId
    access_token: str
    expires_in: int
    refresh_token: str


class Sessions:
    """Opens, keeps up and ends sign-ins."""

    def __init__(
        self,
        repositories: Repositories,
        security: SecurityService,
        settings: Settings,
        keys: SigningKeys,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._security = security
        self._idle = timedelta(minutes=settings.session_idle_minutes)
        self._longest = timedelta(hours=settings.session_hours)
        self._keys = keys.derived("refresh-token")
        self._clock = clock

    async def open(self, member: StaffMember) -> TokenPair:
        """Sign `member` in, as they were when their password was compared.

        Raises `UnauthenticatedError` where the account was closed or its password changed since.
        """
        now = self._clock.now()
        live = LiveSession(id=new_id(), ends_at=now + self._longest)
        token = f"{live.id}.{secrets.token_urlsafe(SECRET_BYTES)}"
        session = Session(
            id=live.id,
            staff_id=member.id,
            token_hash=_hash(token),
            refreshed_at=now,
            idle_until=self._idle_until(now),
            ends_at=live.ends_at,
        )
        await self._repositories.sessions.insert(session)
        if not await self._repositories.staff.open_session(member, live):
            raise UnauthenticatedError(_SIGN_IN_AGAIN)
        await self._repositories.staff.drop_ended_sessions(member.id)
        return self._pair(member, live, token, now)

    async def refresh(self, token: str) -> TokenPair:
        """The next pair; of all who send the same token within moments everyone gets the same
        refresh token. Raises `UnauthenticatedError`.
        """
        now = self._clock.now()
        session = await self._find(token)
        if session is None or now >= session.idle_until:
            raise UnauthenticatedError(_SIGN_IN_AGAIN)
        fresh = await self._use(session, token, now)
        member = await self._repositories.staff.get(session.staff_id)
        live = member.session(session.id, now) if member else None
        if member is None or member.disabled or live is None:
            raise UnauthenticatedError(_SIGN_IN_AGAIN)
        return self._pair(member, live, fresh, now)

    async def end(self, member_id: PyObjectId, session_id: PyObjectId) -> None:
        """Sign out: every token of the session is refused from now on."""
        if await self._repositories.staff.end_session(member_id, session_id):
            await self._note("session.closed", member_id, session_id)

    async def _find(self, token: str) -> Session | None:
        session_id = as_object_id(token.partition(".")[0])
        return await self._repositories.sessions.get(session_id) if session_id else None

    async def _use(self, session: Session, token: str, now: datetime) -> str:
        """Use the token up, or find that it was used just now; else refuse it. Returns the next
        one, which a process that signs with another key may have made.
        """
        hashed = _hash(token)
        successors = [_successor(token, key) for key in self._keys]
        is_good = hmac.compare_digest(session.token_hash, hashed)
        if is_good and await self._repositories.sessions.rotate(
            session, _hash(successors[0]), self._idle_until(now)
        ):
            return successors[0]
        stands = await self._repositories.sessions.get(session.id)
        if stands is not None and stands.is_retry(hashed, now):
            for fresh in successors:
                if hmac.compare_digest(stands.token_hash, _hash(fresh)):
                    return fresh
        elif stands is not None and hashed in stands.used_hashes:
            await self._end_stolen(stands)
        raise UnauthenticatedError(_SIGN_IN_AGAIN)

    async def _end_stolen(self, session: Session) -> None:
        """Two hold the token of one: nobody can tell who is who, so both sign in again."""
        if not await self._repositories.staff.end_session(session.staff_id, session.id):
            return
        logger.warning("refresh token used twice", extra={"session_id": str(session.id)})
        await self._note("session.token_reused", session.staff_id, session.id)

    async def _note(self, action: str, member_id: PyObjectId, session_id: PyObjectId) -> None:
        entry = AuditEntry(
            actor=f"staff:{member_id}",
            action=action,
            subject="session",
            subject_id=str(session_id),
            at=self._clock.now(),
        )
        await self._repositories.audit.insert(entry)

    def _pair(
        self, member: StaffMember, live: LiveSession, refresh_token: str, now: datetime
    ) -> TokenPair:
        return TokenPair(
            session_id=live.id,
            access_token=self._security.create_access_token(member, live, now),
            expires_in=self._security.seconds_left(live, now),
            refresh_token=refresh_token,
        )

    def _idle_until(self, now: datetime) -> datetime:
        """While an access token lasts its holder is at work."""
        return now + max(self._idle, self._security.access_lifetime)


def _successor(token: str, key: bytes) -> str:
    derived = hmac.digest(key, token.encode(), "sha256")
    secret = base64.urlsafe_b64encode(derived).rstrip(b"=").decode()
    return f"{token.partition('.')[0]}.{secret}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
