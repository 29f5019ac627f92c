"""Signing in, and how often somebody may be wrong about it.

Failures count by account and by client before the password is compared, so that a thousand guesses
at once are no more than the limit. An account that strangers guess at stays open from where its
owner has signed in before (OWASP's "device cookie", with the client's address for the cookie): each
such place counts by itself. Known and unknown accounts cost the same work.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from app.core.clock import Clock
from app.models.patient import normalise_email
from app.models.role import StaffMember
from app.services.audit.trail import TrailFullError
from app.services.passwords import BusyError
from app.services.rate_limits import Counted, RateLimiter, Rule, TooManyRequestsError
from app.services.second_factor import (
    SecondFactorRequiredError,
    SecondFactors,
    WrongSecondFactorError,
)
from app.services.security import MAX_EMAIL_LENGTH, RefusedLoginError, SecurityService
from app.services.sessions import Sessions, TokenPair
from app.services.sign_in_notes import Refusal, SignInNotes

FAMILIAR_FOR = timedelta(days=90)
_FAMILIAR = "login-familiar"
_LIMITED_NOTED = Rule("login-limited-noted", 1, timedelta(minutes=5))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one try was counted under."""

    by_client: Counted
    by_account: tuple[Counted, ...]
    place: str


class SignIn:
    """From an address and a password to a session."""

    def __init__(
        self,
        *,
        security: SecurityService,
        second_factors: SecondFactors,
        sessions: Sessions,
        limiter: RateLimiter,
        notes: SignInNotes,
        clock: Clock,
    ) -> None:
        self._security = security
        self._second_factors = second_factors
        self._sessions = sessions
        self._limiter = limiter
        self._notes = notes
        self._clock = clock

    async def login(
        self, email: str, password: str, client: str, code: str | None = None
    ) -> TokenPair:
        """Sign in from `client`, an address or another name of where the request came from.

        That a code is wanted or wrong is said after the right password alone, and counts as a
        failure of the account. Raises `UnauthenticatedError` and its children,
        `TooManyRequestsError`, `BusyError`, `TrailFullError`.
        """
        attempt = await self._count(email, client)
        try:
            member = await self._security.login(email, password)
            self._notes.require_room()
        except RefusedLoginError as refused:
            self._notes.refused(refused.member_id, Refusal.WRONG)
            raise
        except (BusyError, TrailFullError):
            await self._limiter.give_back((attempt.by_client, *attempt.by_account))
            raise
        await self._require_code(member, code, attempt)
        pair = await self._sessions.open(member)
        self._notes.opened(member.id, pair.session_id)
        await self._succeeded(attempt)
        return pair

    async def _require_code(self, member: StaffMember, code: str | None, attempt: _Attempt) -> None:
        try:
            await self._second_factors.require(member, code)
        except SecondFactorRequiredError:
            self._notes.refused(member.id, Refusal.CODE_MISSING)
            # Programs that ask for the code in a second step: no guess from where they are.
            await self._limiter.give_back([attempt.by_client])
            raise
        except WrongSecondFactorError:
            self._notes.refused(member.id, Refusal.CODE)
            raise

    async def forgive(self, email: str) -> None:
        """Forget what strangers got wrong about an account: its password is another now."""
        await self._limiter.forget(self._limiter.rules.of_account(normalise_email(email)))

    async def _count(self, email: str, client: str) -> _Attempt:
        account = normalise_email(email[:MAX_EMAIL_LENGTH])
        place = f"{account} from {client}"
        by_client = (self._limiter.rules.login_by_client, client)
        await self._limiter.take(*by_client)
        is_familiar = await self._limiter.remembers(_FAMILIAR, place)
        by_account = self._limiter.rules.of_account(place if is_familiar else account)
        try:
            await self._limiter.take_each(by_account)
        except TooManyRequestsError:
            # Nothing is compared: it is no reason to keep others behind the same address out.
            await self._limiter.give_back([by_client])
            await self._note_limited(account)
            raise
        return _Attempt(by_client, by_account, place)

    async def _note_limited(self, account: str) -> None:
        """Once in a while for each: nothing limits how often somebody asks."""
        try:
            await self._limiter.take(_LIMITED_NOTED, account)
        except TooManyRequestsError:
            return
        self._notes.refused(await self._security.account_of(account), Refusal.LIMITED)

    async def _succeeded(self, attempt: _Attempt) -> None:
        until = self._clock.now() + FAMILIAR_FOR
        await asyncio.gather(
            self._limiter.give_back([attempt.by_client]),
            self._limiter.forget(attempt.by_account),
            self._limiter.remember(_FAMILIAR, attempt.place, until),
        )
