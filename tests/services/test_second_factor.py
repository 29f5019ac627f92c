"""The codes of a second factor: those of the RFC, each for its own time and once."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.role import SecondFactor, StaffMember
from app.services.second_factor import (
    SecondFactors,
    code_at,
    new_recovery_codes,
    recovery_hash,
)
from app.services.signing_key import SigningKeys
from tests.factories import KEYS, SECRET, make_staff
from tests.fakes import FrozenClock

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


class TestCode:
    @pytest.mark.parametrize(
        ("seconds", "code"),
        [
            (59, "287082"),
            (1111111109, "081804"),
            (1111111111, "050471"),
            (1234567890, "005924"),
            (2000000000, "279037"),
            (20000000000, "353130"),
        ],
    )
    def test_is_that_of_rfc_6238(self, seconds: int, code: str) -> None:
        """Appendix B, SHA-1, the last six of its eight digits."""
        assert code_at(RFC_SECRET, datetime.fromtimestamp(seconds, UTC)) == code


class TestRecoveryCodes:
    def test_are_too_many_to_guess_and_read_as_they_are_typed(self) -> None:
        codes = new_recovery_codes()

        assert len(set(codes)) == 10
        assert {len(code.replace("-", "")) * 5 for code in codes} == {120}
        spelt = [codes[0], codes[0].upper(), codes[0].replace("-", " "), codes[0].replace("-", "")]
        assert len({recovery_hash(code) for code in spelt}) == 1


@pytest.fixture
def factors(repositories: Repositories, clock: FrozenClock) -> SecondFactors:
    """Under the test's key."""
    return SecondFactors(repositories, KEYS, clock)


async def enrolled(repositories: Repositories, factors: SecondFactors) -> StaffMember:
    """Somebody with the RFC's secret and one recovery code, `spare`."""
    factor = SecondFactor(
        id=new_id(),
        sealed_secret=factors.seal(RFC_SECRET),
        enabled_at=make_staff().created_at,
        last_step=0,
        recovery_hashes=[recovery_hash("spare")],
    )
    return await repositories.staff.insert(make_staff(second_factor=factor))


async def stored_factor(repositories: Repositories, member: StaffMember) -> SecondFactor:
    """As it is in the database."""
    found = await repositories.staff.get(member.id)
    assert found is not None
    assert found.second_factor is not None
    return found.second_factor


@pytest.mark.mongo
class TestAccepts:
    async def test_a_code_counts_in_its_own_thirty_seconds(
        self, repositories: Repositories, factors: SecondFactors, clock: FrozenClock
    ) -> None:
        member = await enrolled(repositories, factors)
        now = clock.now()
        for seconds in (-1, 30):
            away = code_at(RFC_SECRET, now + timedelta(seconds=seconds))
            assert not await factors.accepts(member, away)
        for nonsense in ("", " ", "12345", "1234567", "abcdef", "٢٨٧٠٨٢", "\0", "$ne"):
            assert not await factors.accepts(member, nonsense)

        clock.advance(seconds=29)

        code = code_at(RFC_SECRET, now)
        assert await factors.accepts(member, f" {code[:3]} {code[3:]}")

    @pytest.mark.parametrize("kind", ["code", "recovery code"])
    async def test_of_many_at_once_one_uses_it(
        self, repositories: Repositories, factors: SecondFactors, clock: FrozenClock, kind: str
    ) -> None:
        member = await enrolled(repositories, factors)
        code = code_at(RFC_SECRET, clock.now()) if kind == "code" else "SPARE"

        taken = await asyncio.gather(*(factors.accepts(member, code) for _ in range(5)))

        assert sorted(taken) == [False] * 4 + [True]
        assert not await factors.accepts(member, code)

    async def test_a_clock_that_goes_back_makes_no_code_good_again(
        self, repositories: Repositories, factors: SecondFactors, clock: FrozenClock
    ) -> None:
        member = await enrolled(repositories, factors)
        assert await factors.accepts(member, code_at(RFC_SECRET, clock.now()))

        clock.advance(seconds=-30)

        assert not await factors.accepts(member, code_at(RFC_SECRET, clock.now()))

    async def test_the_secret_is_encrypted_and_moves_to_the_newest_key(
        self, repositories: Repositories, factors: SecondFactors, clock: FrozenClock
    ) -> None:
        member = await enrolled(repositories, factors)
        assert RFC_SECRET not in (await stored_factor(repositories, member)).sealed_secret
        rotated = SecondFactors(repositories, SigningKeys("n" * 40, others=[SECRET]), clock)
        gone = SecondFactors(repositories, SigningKeys("n" * 40), clock)
        assert not await gone.accepts(member, code_at(RFC_SECRET, clock.now()))

        assert await rotated.accepts(member, code_at(RFC_SECRET, clock.now()))

        clock.advance(seconds=30)
        member = member.model_copy(
            update={"second_factor": await stored_factor(repositories, member)}
        )
        assert not await factors.accepts(member, code_at(RFC_SECRET, clock.now()))
        assert await gone.accepts(member, code_at(RFC_SECRET, clock.now()))

    async def test_recovery_codes_need_no_key(
        self, repositories: Repositories, factors: SecondFactors, clock: FrozenClock
    ) -> None:
        member = await enrolled(repositories, factors)

        assert await SecondFactors(repositories, SigningKeys("n" * 40), clock).accepts(
            member, "spare"
        )
