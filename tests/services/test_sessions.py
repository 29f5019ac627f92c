"""Sign-ins: how they are kept up, what ends them, and what is stored of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.core.errors import UnauthenticatedError
from app.db.repositories import Repositories
from app.db.repositories.staff import SESSIONS_KEPT
from app.models.base import PyObjectId
from app.models.role import StaffMember, StaffRole
from app.services.security import SecurityService
from app.services.sessions import Sessions, TokenPair
from app.services.signing_key import SigningKeys
from tests.factories import KEYS, SECRET, make_settings, make_staff
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo


@pytest.fixture
async def security(
    repositories: Repositories, clock: FrozenClock
) -> AsyncIterator[SecurityService]:
    service = SecurityService(repositories.staff, make_settings(), KEYS, clock)
    yield service
    service.close()


@pytest.fixture
def sessions(repositories: Repositories, security: SecurityService, clock: FrozenClock) -> Sessions:
    """30 minutes idle, 12 hours at most, 15 minutes a token."""
    return Sessions(repositories, security, make_settings(), KEYS, clock)


@pytest.fixture
async def member(repositories: Repositories) -> StaffMember:
    return await repositories.staff.insert(make_staff())


async def is_in(security: SecurityService, pair: TokenPair) -> bool:
    """Whether the access token opens anything."""
    try:
        await security.authenticate(pair.access_token)
    except UnauthenticatedError:
        return False
    return True


async def refreshes(sessions: Sessions, token: str) -> bool:
    """Whether the refresh token is good."""
    try:
        await sessions.refresh(token)
    except UnauthenticatedError:
        return False
    return True


class TestRefresh:
    async def test_lasts_as_long_as_it_is_kept_up(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        clock: FrozenClock,
    ) -> None:
        pair = await sessions.open(member)
        for _ in range(20):
            clock.advance(minutes=29)
            pair = await sessions.refresh(pair.refresh_token)
            assert await is_in(security, pair)

    async def test_ends_when_it_is_idle(
        self, sessions: Sessions, member: StaffMember, clock: FrozenClock
    ) -> None:
        pair = await sessions.open(member)
        clock.advance(minutes=20)
        pair = await sessions.refresh(pair.refresh_token)
        clock.advance(minutes=29, seconds=59)
        pair = await sessions.refresh(pair.refresh_token)

        clock.advance(minutes=30)
        assert not await refreshes(sessions, pair.refresh_token)

    async def test_ends_after_its_longest_time_however_busy(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        clock: FrozenClock,
    ) -> None:
        opened = clock.now()
        pair = await sessions.open(member)
        while clock.now() < opened + timedelta(hours=11, minutes=50):
            clock.advance(minutes=10)
            pair = await sessions.refresh(pair.refresh_token)
        assert pair.expires_in == 600

        clock.set(opened + timedelta(hours=12))
        assert not await is_in(security, pair)
        assert not await refreshes(sessions, pair.refresh_token)

    async def test_an_access_token_that_lasts_longer_counts_as_activity(
        self, repositories: Repositories, member: StaffMember, clock: FrozenClock
    ) -> None:
        settings = make_settings(access_token_expire_minutes=60, session_idle_minutes=5)
        security = SecurityService(repositories.staff, settings, KEYS, clock)
        sessions = Sessions(repositories, security, settings, KEYS, clock)
        pair = await sessions.open(member)

        clock.advance(minutes=59)

        assert await refreshes(sessions, pair.refresh_token)
        security.close()

    async def test_of_many_at_once_all_get_the_same_next_token(
        self, sessions: Sessions, security: SecurityService, member: StaffMember
    ) -> None:
        first = await sessions.open(member)

        pairs = await asyncio.gather(*(sessions.refresh(first.refresh_token) for _ in range(12)))

        assert len({pair.refresh_token for pair in pairs}) == 1
        assert all([await is_in(security, pair) for pair in pairs])
        assert await refreshes(sessions, pairs[0].refresh_token)

    async def test_a_lost_answer_can_be_asked_for_again_for_a_moment(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        clock: FrozenClock,
    ) -> None:
        first = await sessions.open(member)
        lost = await sessions.refresh(first.refresh_token)

        clock.advance(seconds=10)
        again = await sessions.refresh(first.refresh_token)

        assert again.refresh_token == lost.refresh_token
        assert await is_in(security, again)
        assert await refreshes(sessions, again.refresh_token)

    @pytest.mark.parametrize("later_uses", [0, 1, 3])
    async def test_an_old_token_ends_the_session_and_says_so_in_the_audit_log(
        self,
        *,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
        clock: FrozenClock,
        later_uses: int,
    ) -> None:
        other = await sessions.open(member)
        stolen = await sessions.open(member)
        newest = await sessions.refresh(stolen.refresh_token)
        for _ in range(later_uses):
            newest = await sessions.refresh(newest.refresh_token)
        clock.advance(seconds=0 if later_uses else 11)

        assert not await refreshes(sessions, stolen.refresh_token)

        assert not await refreshes(sessions, newest.refresh_token)
        assert not await is_in(security, newest)
        assert await is_in(security, other)
        session_id = stolen.refresh_token.partition(".")[0]
        entries = await repositories.audit.about(session_id)
        assert [(one.action, one.actor) for one in entries] == [
            ("session.token_reused", f"staff:{member.id}")
        ]
        assert not await refreshes(sessions, stolen.refresh_token)
        assert len(await repositories.audit.about(session_id)) == 1

    async def test_one_that_comes_late_to_the_database_puts_nothing_back(
        self, sessions: Sessions, member: StaffMember, repositories: Repositories
    ) -> None:
        first = await sessions.open(member)
        session_id = PyObjectId(first.refresh_token.partition(".")[0])
        as_it_was = await repositories.sessions.get(session_id)
        assert as_it_was is not None
        second = await sessions.refresh(first.refresh_token)
        third = await sessions.refresh(second.refresh_token)

        assert not await repositories.sessions.rotate(as_it_was, "late", as_it_was.idle_until)

        assert await refreshes(sessions, third.refresh_token)

    async def test_a_guessed_secret_ends_nothing(
        self, sessions: Sessions, security: SecurityService, member: StaffMember
    ) -> None:
        pair = await sessions.open(member)
        session_id = pair.refresh_token.partition(".")[0]

        assert not await refreshes(sessions, f"{session_id}.guessed")

        assert await is_in(security, pair)
        assert await refreshes(sessions, pair.refresh_token)

    async def test_under_another_key_the_next_token_is_another(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        elsewhere = Sessions(repositories, security, make_settings(), SigningKeys("k" * 40), clock)
        first, second = await sessions.open(member), await sessions.open(member)

        here = await sessions.refresh(first.refresh_token)
        assert await refreshes(elsewhere, second.refresh_token)

        # Nobody could use what it would answer: better to say so than to hand it out.
        assert not await refreshes(elsewhere, first.refresh_token)
        assert await refreshes(sessions, here.refresh_token)

    async def test_a_change_of_keys_signs_nobody_out(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        changed = SigningKeys("n" * 40, others=[SECRET])
        security_there = SecurityService(repositories.staff, make_settings(), changed, clock)
        there = Sessions(repositories, security_there, make_settings(), changed, clock)
        first, second = await sessions.open(member), await sessions.open(member)
        assert await is_in(security_there, first)

        here = await sessions.refresh(first.refresh_token)
        retried = await there.refresh(first.refresh_token)
        new = await there.refresh(second.refresh_token)
        security_there.close()

        assert retried.refresh_token == here.refresh_token
        assert await is_in(security_there, new)
        assert not await is_in(security, new)  # a process that does not know the new key
        assert await refreshes(there, here.refresh_token)


class TestWhatIsStored:
    async def test_is_no_token_that_could_be_used(
        self, sessions: Sessions, member: StaffMember, repositories: Repositories
    ) -> None:
        first = await sessions.open(member)
        second = await sessions.refresh(first.refresh_token)

        session_id = PyObjectId(first.refresh_token.partition(".")[0])
        session = await repositories.sessions.get(session_id)
        stored = await repositories.staff.get(member.id)
        assert session is not None
        assert stored is not None
        text = json.dumps([session.model_dump(mode="json"), stored.model_dump(mode="json")])
        for pair in (first, second):
            assert pair.refresh_token.partition(".")[2] not in text
            assert pair.access_token not in text
        assert len(session.used_hashes) == 1


class TestEnd:
    async def test_ends_every_token_of_that_session_alone_and_says_so_in_the_audit_log(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
    ) -> None:
        here, elsewhere = await sessions.open(member), await sessions.open(member)
        session = (await security.authenticate(here.access_token)).session

        await sessions.end(member.id, session.id)
        await sessions.end(member.id, session.id)

        assert not await is_in(security, here)
        assert not await refreshes(sessions, here.refresh_token)
        assert await is_in(security, elsewhere)
        entries = await repositories.audit.about(str(session.id))
        assert [(one.action, one.actor) for one in entries] == [
            ("session.closed", f"staff:{member.id}")
        ]

    async def test_a_refresh_on_its_way_does_not_bring_it_back(
        self, sessions: Sessions, security: SecurityService, member: StaffMember
    ) -> None:
        pair = await sessions.open(member)
        session = (await security.authenticate(pair.access_token)).session

        await asyncio.gather(
            sessions.end(member.id, session.id),
            sessions.refresh(pair.refresh_token),
            return_exceptions=True,
        )

        assert not await is_in(security, pair)
        assert not await refreshes(sessions, pair.refresh_token)


class TestTheAccount:
    async def test_a_closed_account_ends_every_session_at_once(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
    ) -> None:
        pair = await sessions.open(member)
        await repositories.staff.update_fields(member.id, {"disabled": True})

        assert not await is_in(security, pair)
        assert not await refreshes(sessions, pair.refresh_token)

    @pytest.mark.parametrize(
        "change", [{"disabled": True}, {"hashed_password": "another"}], ids=["closed", "password"]
    )
    async def test_what_changed_since_the_password_was_compared_opens_no_session(
        self,
        sessions: Sessions,
        member: StaffMember,
        repositories: Repositories,
        change: dict[str, object],
    ) -> None:
        await repositories.staff.update_fields(member.id, change)

        with pytest.raises(UnauthenticatedError):
            await sessions.open(member)

        stored = await repositories.staff.get(member.id)
        assert stored is not None
        assert stored.sessions == []

    async def test_a_changed_role_counts_from_the_next_request(
        self,
        sessions: Sessions,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
    ) -> None:
        pair = await sessions.open(member)
        await repositories.staff.update_fields(member.id, {"role": StaffRole.READ_ONLY})

        found = await security.authenticate(pair.access_token)

        assert found.member.role == StaffRole.READ_ONLY

    async def test_sessions_that_are_over_are_not_kept(
        self,
        sessions: Sessions,
        member: StaffMember,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        await sessions.open(member)
        clock.advance(hours=11)
        await sessions.open(member)
        clock.advance(hours=1)
        await sessions.open(member)

        stored = await repositories.staff.get(member.id)
        assert stored is not None
        assert len(stored.sessions) == 2

    async def test_one_session_too_many_ends_the_oldest(
        self, sessions: Sessions, security: SecurityService, member: StaffMember
    ) -> None:
        pairs = [await sessions.open(member) for _ in range(SESSIONS_KEPT + 1)]

        assert not await is_in(security, pairs[0])
        assert await is_in(security, pairs[1])
        assert await is_in(security, pairs[-1])
