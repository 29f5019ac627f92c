"""Guessing passwords: how many guesses are compared, and whom that keeps out."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pymongo import monitoring

from app.core.config import Settings
from app.core.errors import UnauthenticatedError
from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.role import LiveSession, PendingFactor, SecondFactor
from app.services.audit.trail import AuditTrail, TrailFullError
from app.services.clinic import ClinicService
from app.services.factor_enrolment import FactorEnrolment, WrongCodeError
from app.services.password_change import PasswordChanges, WrongPasswordError
from app.services.passwords import BusyError, PasswordHasher, get_password_hash
from app.services.rate_limits import RateLimiter, TooManyRequestsError
from app.services.second_factor import SecondFactors, WrongSecondFactorError, code_at
from app.services.security import Identity, SecurityService
from app.services.sessions import Sessions
from app.services.sign_in import SignIn
from app.services.sign_in_notes import Refusal, SignInNotes
from tests.factories import KEYS, SECRET, make_settings, make_staff
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

ROBIN = "robin@example.com"
PASSWORD = "the quick brown fox"
HOME, OFFICE, ATTACKER = "203.0.113.7", "198.51.100.4", "192.0.2.66"


class Commands(monitoring.CommandListener):
    """What the database is asked, by database: command, collection and the fields of the filter."""

    def __init__(self) -> None:
        self.asked: dict[str, list[str]] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """See `CommandListener`."""
        command = event.command
        parts = command.get("updates") or command.get("deletes") or [{"q": command.get("filter")}]
        fields = [sorted(part.get("q") or {}) for part in parts]
        text = f"{event.command_name} {command.get(event.command_name)} {fields}"
        self.asked.setdefault(event.database_name, []).append(text)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to see."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to see."""


COMMANDS = Commands()
monitoring.register(COMMANDS)


class CountingHasher(PasswordHasher):
    """Compares as ever, counts how often, and can be full."""

    def __init__(self) -> None:
        super().__init__()
        self.compared = 0
        self.is_full = False

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """See `PasswordHasher`."""
        if self.is_full:
            message = "full"
            raise BusyError(message)
        answer = await super().verify(password, hashed)
        self.compared += 1
        return answer


@pytest.fixture
async def hasher() -> AsyncIterator[CountingHasher]:
    hasher = CountingHasher()
    yield hasher
    hasher.close()


@pytest.fixture
def limiter(repositories: Repositories, clock: FrozenClock) -> RateLimiter:
    """The limits as they come."""
    return RateLimiter(repositories.rate_limits, make_settings(rate_limits="on"), SECRET, clock)


@pytest.fixture
def trail(repositories: Repositories, clock: FrozenClock) -> AuditTrail:
    """Takes entries, and stores them once a test starts it."""
    return AuditTrail(repositories.audit, clock)


@pytest.fixture
async def sign_in(
    *,
    repositories: Repositories,
    clock: FrozenClock,
    hasher: CountingHasher,
    limiter: RateLimiter,
    trail: AuditTrail,
) -> SignIn:
    """With Robin, who has never signed in."""
    hashed = get_password_hash(PASSWORD)
    await repositories.staff.insert(make_staff(email=ROBIN, hashed_password=hashed))
    settings = make_settings()
    security = SecurityService(repositories.staff, settings, KEYS, clock, hasher)
    sessions = Sessions(repositories, security, settings, KEYS, clock)
    return SignIn(
        security=security,
        second_factors=SecondFactors(repositories, KEYS, clock),
        sessions=sessions,
        limiter=limiter,
        notes=SignInNotes(trail, clock),
        clock=clock,
    )


async def outcome(sign_in: SignIn, password: str, client: str, email: str = ROBIN) -> str:
    """`in`, `wrong`, `limited` or `busy`."""
    try:
        await sign_in.login(email, password, client)
    except UnauthenticatedError:
        return "wrong"
    except TooManyRequestsError:
        return "limited"
    except BusyError:
        return "busy"
    return "in"


async def guess(
    sign_in: SignIn, times: int, clients: list[str], *, at_once: int = 25
) -> Counter[str]:
    """So many wrong guesses from these clients in turn."""
    outcomes: Counter[str] = Counter()
    for start in range(0, times, at_once):
        tries = (
            outcome(sign_in, f"guess {number}", clients[number % len(clients)])
            for number in range(start, min(times, start + at_once))
        )
        outcomes.update(await asyncio.gather(*tries))
    return outcomes


class TestAThousandGuesses:
    @pytest.mark.parametrize("clients", [1, 200], ids=["one client", "two hundred clients"])
    async def test_at_most_a_hundred_are_compared(
        self, sign_in: SignIn, hasher: CountingHasher, clients: int
    ) -> None:
        """Counted, not timed: how often a password was compared with a hash."""
        outcomes = await guess(sign_in, 1000, [f"192.0.2.{n}" for n in range(clients)])

        assert hasher.compared <= 100
        assert hasher.compared == outcomes["wrong"] == 10
        assert outcomes["limited"] == 1000 - 10 - outcomes["busy"]

    async def test_spread_over_a_day_at_most_a_hundred_are_compared(
        self, sign_in: SignIn, hasher: CountingHasher, clock: FrozenClock
    ) -> None:
        for _ in range(20):
            await guess(sign_in, 50, [ATTACKER])
            clock.advance(hours=1)

        assert hasher.compared == 100

    async def test_the_real_user_gets_in_later(self, sign_in: SignIn, clock: FrozenClock) -> None:
        await guess(sign_in, 30, [ATTACKER])
        assert await outcome(sign_in, PASSWORD, HOME) == "limited"

        clock.advance(minutes=5)
        assert await outcome(sign_in, PASSWORD, HOME) == "in"

    async def test_and_at_once_from_where_they_signed_in_before(self, sign_in: SignIn) -> None:
        assert await outcome(sign_in, PASSWORD, OFFICE) == "in"
        outcomes = await guess(sign_in, 200, [f"192.0.2.{n}" for n in range(50)])
        assert outcomes["limited"] >= 100

        assert await outcome(sign_in, PASSWORD, OFFICE) == "in"
        assert await outcome(sign_in, PASSWORD, HOME) == "limited"

    async def test_a_familiar_place_is_limited_too(
        self, sign_in: SignIn, hasher: CountingHasher
    ) -> None:
        assert await outcome(sign_in, PASSWORD, OFFICE) == "in"

        await guess(sign_in, 300, [OFFICE])

        assert hasher.compared == 1 + 10
        assert await outcome(sign_in, PASSWORD, HOME) == "in"

    async def test_signing_in_elsewhere_gives_strangers_no_new_guesses(
        self, sign_in: SignIn, hasher: CountingHasher
    ) -> None:
        assert await outcome(sign_in, PASSWORD, OFFICE) == "in"
        for _ in range(4):
            await guess(sign_in, 30, [ATTACKER])
            assert await outcome(sign_in, PASSWORD, OFFICE) == "in"

        assert hasher.compared == 1 + 4 + 10

    async def test_a_new_password_forgets_what_strangers_got_wrong(self, sign_in: SignIn) -> None:
        await guess(sign_in, 30, [ATTACKER])

        await sign_in.forgive(ROBIN)

        assert await outcome(sign_in, PASSWORD, HOME) == "in"

    async def test_nor_do_they_keep_others_behind_the_same_address_out(
        self, sign_in: SignIn, repositories: Repositories
    ) -> None:
        sam = make_staff(email="sam@example.com", hashed_password=get_password_hash(PASSWORD))
        await repositories.staff.insert(sam)

        await guess(sign_in, 200, [OFFICE])

        assert await outcome(sign_in, PASSWORD, OFFICE, email=sam.email) == "in"


class TestCodes:
    async def test_are_guessed_no_oftener_than_passwords(
        self, sign_in: SignIn, repositories: Repositories, clock: FrozenClock
    ) -> None:
        """With the password known: ten codes in five minutes, and the real user gets in later."""
        factors = SecondFactors(repositories, KEYS, clock)
        robin = await repositories.staff.with_email(ROBIN)
        assert robin is not None
        secret = factors.new_secret()
        factor = SecondFactor(
            id=new_id(),
            sealed_secret=factors.seal(secret),
            enabled_at=clock.now(),
            last_step=0,
            recovery_hashes=[],
        )
        await repositories.staff.update_fields(robin.id, {"second_factor": factor.to_stored()})
        outcomes: Counter[type] = Counter()
        for number in range(30):
            with pytest.raises((WrongSecondFactorError, TooManyRequestsError)) as refused:
                await sign_in.login(ROBIN, PASSWORD, f"192.0.2.{number}", "recovery?")
            outcomes[refused.type] += 1
        assert outcomes == {WrongSecondFactorError: 10, TooManyRequestsError: 20}

        clock.advance(minutes=5)

        code = code_at(secret, clock.now())
        pair = await sign_in.login(ROBIN, PASSWORD, HOME, code)
        assert pair.access_token


class TestWhatIsNoted:
    async def test_all_of_a_known_account_and_nothing_that_names_another(
        self,
        *,
        sign_in: SignIn,
        trail: AuditTrail,
        repositories: Repositories,
        clock: FrozenClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        nobody = "nobody@example.com"
        await outcome(sign_in, "wrong", HOME)
        session_id = (await sign_in.login(ROBIN, PASSWORD, HOME)).session_id
        await guess(sign_in, 13, [ATTACKER], at_once=1)
        assert [await outcome(sign_in, "wrong", HOME, nobody) for _ in range(12)].count(
            "limited"
        ) == 2
        robin = await repositories.staff.with_email(ROBIN)
        assert robin is not None
        factor = SecondFactor(
            id=new_id(), sealed_secret="s", enabled_at=clock.now(), last_step=0, recovery_hashes=[]
        )
        await repositories.staff.update_fields(robin.id, {"second_factor": factor.to_stored()})
        for code in (None, "none"):
            with pytest.raises(UnauthenticatedError):
                await sign_in.login(ROBIN, PASSWORD, HOME, code)

        trail.start()
        await trail.close()
        entries = await repositories.audit._find({}, sort=[("seq", 1)])
        assert [one.action for one in entries] == [
            "login.wrong_password",
            "session.opened",
            *["login.wrong_password"] * 10,
            "login.limited",  # once, however often it was
            "login.code_missing",
            "login.wrong_code",
        ]
        assert {one.actor for one in entries} == {f"staff:{robin.id}"}
        assert [one.subject_id for one in entries if one.subject_id] == [str(session_id)]
        lines = [one for one in caplog.records if one.message == "sign-in refused"]
        assert len(lines) == 14 + 11
        told = f"{caplog.text} {[vars(one) for one in lines]}"
        assert not any(said in told for said in ("example.com", HOME, ATTACKER, "guess 1"))

    def test_who_comes_in_unseen_does_not_come_in(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        notes = SignInNotes(AuditTrail(repositories.audit, clock, capacity=1), clock)
        for _ in range(2):
            notes.refused(new_id(), Refusal.WRONG)

        with pytest.raises(TrailFullError):
            notes.opened(new_id(), new_id())

    async def test_nothing_is_left_of_a_sign_in_that_the_log_had_no_room_for(
        self, sign_in: SignIn, repositories: Repositories
    ) -> None:
        trail = AuditTrail(repositories.audit, FrozenClock(), capacity=1)
        sign_in._notes = SignInNotes(trail, FrozenClock())
        for _ in range(2):
            sign_in._notes.refused(new_id(), Refusal.WRONG)

        for _ in range(12):
            with pytest.raises(TrailFullError):
                await sign_in.login(ROBIN, PASSWORD, HOME)

        robin = await repositories.staff.with_email(ROBIN)
        assert robin is not None
        assert robin.sessions == []


OPEN = LiveSession(id=new_id(), ends_at=NOON + timedelta(hours=12))


class TestOnceMoreInASession:
    """Whoever found an open session guesses no oftener than at the door, by the day too."""

    @pytest.fixture
    def settings(self, mongo_uri: str, database_name: str) -> Settings:
        """Limits that are soon met."""
        return make_settings(
            mongo_uri=mongo_uri,
            database_name=database_name,
            rate_limits="on",
            login_failures_per_account=3,
            login_failures_per_day=7,
        )

    @pytest.fixture
    def passwords(
        self,
        *,
        repositories: Repositories,
        hasher: CountingHasher,
        sign_in: SignIn,
        settings: Settings,
        clock: FrozenClock,
    ) -> PasswordChanges:
        return PasswordChanges(
            repositories=repositories,
            hasher=hasher,
            sign_in=sign_in,
            limiter=RateLimiter(repositories.rate_limits, settings, SECRET, clock),
            clinic=ClinicService(repositories, settings),
            settings=settings,
            clock=clock,
        )

    async def outcome(
        self, passwords: PasswordChanges, password: str, session: LiveSession = OPEN
    ) -> str:
        robin = await passwords._staff.with_email(ROBIN)
        assert robin is not None
        try:
            await passwords.confirm_own(Identity(robin, session), password)
        except (WrongPasswordError, TooManyRequestsError, BusyError) as refused:
            return type(refused).__name__
        return "right"

    async def test_passwords_are_limited_by_the_day(
        self, passwords: PasswordChanges, hasher: CountingHasher, clock: FrozenClock
    ) -> None:
        outcomes: Counter[str] = Counter()
        for _ in range(4):
            outcomes.update([await self.outcome(passwords, "wrong") for _ in range(5)])
            clock.advance(minutes=10)

        assert outcomes == {"WrongPasswordError": 7, "TooManyRequestsError": 13}
        assert hasher.compared == 7
        assert await self.outcome(passwords, PASSWORD) == "TooManyRequestsError"

        owners = LiveSession(id=new_id(), ends_at=OPEN.ends_at)
        assert await self.outcome(passwords, PASSWORD, owners) == "right"

    async def test_the_right_one_and_what_was_not_compared_give_back(
        self, passwords: PasswordChanges, hasher: CountingHasher
    ) -> None:
        hasher.is_full = True
        assert {await self.outcome(passwords, "wrong") for _ in range(9)} == {"BusyError"}
        hasher.is_full = False
        for _ in range(4):
            tries = ("wrong", "wrong", PASSWORD)
            outcomes = [await self.outcome(passwords, one) for one in tries]
            assert outcomes == ["WrongPasswordError", "WrongPasswordError", "right"]

    async def test_codes_are_limited_by_the_day(
        self,
        passwords: PasswordChanges,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
    ) -> None:
        factors = SecondFactors(repositories, KEYS, clock)
        enrolment = FactorEnrolment(
            repositories=repositories,
            factors=factors,
            passwords=passwords,
            limiter=passwords._limiter,
            clinic=passwords._clinic,
            settings=settings,
            clock=clock,
        )
        sealed = factors.seal(factors.new_secret())
        until = clock.now() + timedelta(days=1)
        robin = make_staff(pending_factor=PendingFactor(sealed_secret=sealed, expires_at=until))
        user = Identity(robin, LiveSession(id=new_id(), ends_at=until))
        outcomes: Counter[type] = Counter()
        for _ in range(4):
            for _ in range(5):
                with pytest.raises((WrongCodeError, TooManyRequestsError)) as refused:
                    await enrolment.confirm(user, "none")
                outcomes[refused.type] += 1
            clock.advance(minutes=10)

        assert outcomes == {WrongCodeError: 7, TooManyRequestsError: 13}


class TestManyAccounts:
    async def test_one_client_cannot_try_one_password_on_all_of_them(
        self, sign_in: SignIn, hasher: CountingHasher
    ) -> None:
        outcomes: Counter[str] = Counter()
        for start in range(0, 160, 16):
            tries = (
                outcome(sign_in, PASSWORD, ATTACKER, email=f"staff{number}@example.com")
                for number in range(start, start + 16)
            )
            outcomes.update(await asyncio.gather(*tries))

        assert hasher.compared == 100
        assert outcomes == {"wrong": 100, "limited": 60}

    async def test_a_practice_behind_one_address_signs_in_as_often_as_it_likes(
        self, sign_in: SignIn
    ) -> None:
        outcomes = [await outcome(sign_in, PASSWORD, OFFICE) for _ in range(105)]

        assert outcomes == ["in"] * 105


class TestKnownAndUnknownAccounts:
    """Told apart by nothing: the statistic is the work that is done, which no load changes.

    The same commands go to the database in the same order, and as many passwords are compared with
    a hash of the same cost; the clock on the wall has nothing else to show.
    """

    async def test_cost_the_same_work(
        self, sign_in: SignIn, hasher: CountingHasher, settings: Settings
    ) -> None:
        known = await self._work(sign_in, hasher, settings, ROBIN)
        unknown = await self._work(sign_in, hasher, settings, "nobody@example.com")

        assert known == unknown
        commands, compared, answered = known
        assert (len(commands) > 30, compared) == (True, 10)
        assert answered == ["wrong"] * 10 + ["limited"] * 15

    async def _work(
        self, sign_in: SignIn, hasher: CountingHasher, settings: Settings, email: str
    ) -> tuple[list[str], int, list[str]]:
        before, compared = len(COMMANDS.asked.get(settings.database_name, ())), hasher.compared
        answered = [
            await outcome(sign_in, f"guess {number}", ATTACKER, email) for number in range(25)
        ]
        commands = COMMANDS.asked[settings.database_name][before:]
        return commands, hasher.compared - compared, answered


class TestTooManyAtOnce:
    async def test_what_was_not_compared_is_not_counted(
        self, sign_in: SignIn, hasher: CountingHasher
    ) -> None:
        hasher.is_full = True
        assert [await outcome(sign_in, "wrong", ATTACKER) for _ in range(30)] == ["busy"] * 30
        hasher.is_full = False

        later = [await outcome(sign_in, "wrong", ATTACKER) for _ in range(12)]

        assert later == ["wrong"] * 10 + ["limited"] * 2
