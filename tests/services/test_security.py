"""Signing in, being recognised, and the first administrator."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from jose import jwt
from passlib.hash import bcrypt

from app.core.errors import UnauthenticatedError
from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.role import LiveSession, StaffMember, StaffRole
from app.services.passwords import WeakPasswordError, get_password_hash
from app.services.security import AUDIENCE, SecurityService
from app.services.tokens import ISSUER, LinkTokens, TokenPurpose
from tests.factories import KEYS, SECRET, make_settings, make_staff
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

PASSWORD = "the quick brown fox"
SESSION = LiveSession(id=new_id(), ends_at=NOON + timedelta(hours=12))


@pytest.fixture
async def security(
    repositories: Repositories, clock: FrozenClock
) -> AsyncIterator[SecurityService]:
    """The service in development, 15 minutes a token."""
    service = SecurityService(repositories.staff, make_settings(), KEYS, clock)
    yield service
    service.close()


@pytest.fixture
async def member(repositories: Repositories) -> StaffMember:
    """Somebody who knows `PASSWORD`."""
    fields = {"hashed_password": get_password_hash(PASSWORD), "sessions": [SESSION]}
    return await repositories.staff.insert(make_staff(email="robin@example.com", **fields))


class TestLogin:
    async def test_finds_the_member_whatever_the_case_of_the_address(
        self, security: SecurityService, member: StaffMember
    ) -> None:
        assert (await security.login(" Robin@Example.COM ", PASSWORD)).id == member.id

    async def test_answers_alike_whatever_is_wrong(
        self, security: SecurityService, member: StaffMember, repositories: Repositories
    ) -> None:
        await repositories.staff.insert(
            make_staff(
                email="gone@example.com", hashed_password=member.hashed_password, disabled=True
            )
        )
        sentences = set()
        for email, password in [
            ("robin@example.com", "wrong"),
            ("nobody@example.com", PASSWORD),
            ("gone@example.com", PASSWORD),
            ("robin@example.com", ""),
            ("r" * 300, PASSWORD),
            ("robin@example.com", "x" * 129),
        ]:
            with pytest.raises(UnauthenticatedError) as refused:
                await security.login(email, password)
            sentences.add(refused.value.detail)

        assert sentences == {"The e-mail address or the password is wrong."}

    @pytest.mark.parametrize(
        ("email", "password"),
        [("long@example.com", "x" * 129), ("l" * 255, PASSWORD)],
        ids=["password", "address"],
    )
    async def test_does_not_even_look_at_what_is_too_long(
        self, security: SecurityService, repositories: Repositories, email: str, password: str
    ) -> None:
        member = make_staff(email=email, hashed_password=get_password_hash(password))
        await repositories.staff.insert(member)

        with pytest.raises(UnauthenticatedError):
            await security.login(email, password)

    @pytest.mark.parametrize(
        ("environment", "password", "must_change"),
        [
            ("development", "8 is ok!", False),
            ("production", "8 is ok!", True),
            ("production", "fifteen is fine", False),
        ],
    )
    async def test_a_short_password_still_lets_in_but_must_be_changed(
        self,
        *,
        repositories: Repositories,
        clock: FrozenClock,
        environment: str,
        password: str,
        must_change: bool,
    ) -> None:
        settings = make_settings(
            environment=environment,
            mongo_uri="mongodb://127.0.0.1:1/",
            public_base_url="https://clinic.example",
        )
        service = SecurityService(repositories.staff, settings, KEYS, clock)
        hashed = get_password_hash(password)
        await repositories.staff.insert(make_staff(email="o@example.com", hashed_password=hashed))

        member = await service.login("o@example.com", password)
        service.close()

        assert member.must_change_password == must_change

    async def test_a_hash_of_an_old_kind_is_renewed_in_the_database(
        self, security: SecurityService, repositories: Repositories
    ) -> None:
        old = make_staff(
            email="old@example.com", hashed_password=bcrypt.using(rounds=4).hash(PASSWORD)
        )
        await repositories.staff.insert(old)

        await security.login("old@example.com", PASSWORD)

        stored = await repositories.staff.get(old.id)
        assert stored is not None
        assert stored.hashed_password.startswith("$argon2id$")
        assert (await security.login("old@example.com", PASSWORD)).id == old.id


class TestAuthenticate:
    async def test_recognises_a_token_until_its_time_is_over(
        self, security: SecurityService, member: StaffMember, clock: FrozenClock
    ) -> None:
        token = security.create_access_token(member, SESSION, clock.now())
        clock.advance(minutes=14, seconds=59)
        assert (await security.authenticate(token)).member.id == member.id

        clock.advance(seconds=1)
        with pytest.raises(UnauthenticatedError):
            await security.authenticate(token)

    async def test_lets_two_clocks_differ_by_half_a_minute(
        self, security: SecurityService, member: StaffMember, clock: FrozenClock
    ) -> None:
        token = security.create_access_token(member, SESSION, clock.now())
        clock.advance(seconds=-30)
        assert (await security.authenticate(token)).member.id == member.id

        clock.advance(seconds=-1)
        with pytest.raises(UnauthenticatedError):
            await security.authenticate(token)

    @pytest.mark.parametrize(
        "change", [{"disabled": True}, {"sessions": []}], ids=["disabled", "sessions ended"]
    )
    async def test_what_is_stored_outranks_the_token(
        self,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
        clock: FrozenClock,
        change: dict[str, Any],
    ) -> None:
        token = security.create_access_token(member, SESSION, clock.now())
        await repositories.staff.update_fields(member.id, change)

        with pytest.raises(UnauthenticatedError):
            await security.authenticate(token)

    async def test_a_session_ends_a_token_before_its_own_time(
        self, security: SecurityService, member: StaffMember, clock: FrozenClock
    ) -> None:
        clock.set(SESSION.ends_at - timedelta(minutes=5))
        token = security.create_access_token(member, SESSION, clock.now())
        assert security.seconds_left(SESSION, clock.now()) == 300
        clock.advance(seconds=299)
        assert (await security.authenticate(token)).session == SESSION

        clock.advance(seconds=1)
        with pytest.raises(UnauthenticatedError):
            await security.authenticate(token)

    async def test_a_role_is_read_anew_each_time(
        self,
        security: SecurityService,
        member: StaffMember,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        token = security.create_access_token(member, SESSION, clock.now())
        await repositories.staff.update_fields(member.id, {"role": StaffRole.READ_ONLY})

        assert (await security.authenticate(token)).member.role == StaffRole.READ_ONLY

    async def test_somebody_who_was_removed_is_nobody(
        self, security: SecurityService, clock: FrozenClock
    ) -> None:
        stranger = make_staff(sessions=[SESSION])

        with pytest.raises(UnauthenticatedError):
            await security.authenticate(
                security.create_access_token(stranger, SESSION, clock.now())
            )

    async def test_a_link_is_no_sign_in(
        self, security: SecurityService, member: StaffMember, clock: FrozenClock
    ) -> None:
        links = LinkTokens(KEYS, clock)

        for purpose in TokenPurpose:
            with pytest.raises(UnauthenticatedError):
                await security.authenticate(links.issue(purpose, patient_id=str(member.id)))


def claims_of(member: StaffMember, clock: FrozenClock) -> dict[str, Any]:
    """What a good token of `member` says."""
    now = int(clock.now().timestamp())
    return {
        "sub": str(member.id),
        "typ": "access",
        "sid": str(SESSION.id),
        "jti": "x",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 900,
    }


def unsigned(header: object, claims: object, signature: bytes = b"") -> str:
    """A token put together by hand."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    return ".".join(
        (part(json.dumps(header).encode()), part(json.dumps(claims).encode()), part(signature))
    )


Forgery = Callable[[dict[str, Any]], str]


def signed(**changes: Any) -> Forgery:
    """A token under the right key with other claims; `None` leaves one out."""

    def forge(claims: dict[str, Any]) -> str:
        said = {k: v for k, v in (claims | changes).items() if v is not None}
        return str(jwt.encode(said, SECRET, algorithm="HS256"))

    return forge


FORGERIES: dict[str, Forgery] = {
    "another key": lambda claims: str(jwt.encode(claims, "k" * 40, algorithm="HS256")),
    "another algorithm": lambda claims: str(jwt.encode(claims, SECRET, algorithm="HS512")),
    "no algorithm": lambda claims: unsigned({"alg": "none", "typ": "JWT"}, claims),
    "no algorithm, in capitals": lambda claims: unsigned({"alg": "NONE"}, claims),
    "no header members": lambda claims: unsigned({}, claims),
    "a header that is a list": lambda claims: unsigned([], claims),
    "an algorithm that is a number": lambda claims: unsigned({"alg": 1}, claims),
    "a key in the header": lambda claims: unsigned(
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}, "jku": "http://127.0.0.1/"}, claims
    ),
    "a signature of another token": lambda claims: (
        unsigned({"alg": "HS256"}, claims | {"sid": "0" * 24}).rsplit(".", 1)[0]
        + "."
        + signed()(claims).rsplit(".", 1)[1]
    ),
    "another issuer": signed(iss="somebody"),
    "another audience": signed(aud="booking"),
    "another type": signed(typ="refresh"),
    "a subject that is no id": signed(sub="admin"),
    "a subject that is a query": signed(sub={"$ne": None}),
    "an end that is a word": signed(exp="never"),
    "a member of its own": signed(role="ADMIN"),
    "no end": signed(exp=None),
    "no start": signed(nbf=None),
    "no issue": signed(iat=None),
    "no subject": signed(sub=None),
    "no id": signed(jti=None),
    "no issuer": signed(iss=None),
    "no audience": signed(aud=None),
    "no type": signed(typ=None),
    "no session": signed(sid=None),
    "a session that is another": signed(sid="0" * 24),
    "a session that is a query": signed(sid={"$ne": None}),
    "nothing": lambda _: "",
    "no dots": lambda _: "garbage",
    "too many dots": lambda _: "a.b.c.d.e",
    "not base64": lambda _: "!!.!!.!!",
    "not ASCII": lambda _: "é.ü.ö",
    "a NUL byte": lambda _: "\0.\0.\0",
    "deeper than the JSON reader goes": lambda _: (
        base64.urlsafe_b64encode(b"[" * 1400).decode() + ".e30.AA"
    ),
    "very long": signed(jti="x" * 10_000),
}


class TestForgedTokens:
    async def test_the_table_starts_from_a_good_one(
        self, security: SecurityService, member: StaffMember, clock: FrozenClock
    ) -> None:
        token = signed()(claims_of(member, clock))

        assert (await security.authenticate(token)).member.id == member.id

    @pytest.mark.parametrize("name", FORGERIES)
    async def test_is_refused(
        self, security: SecurityService, member: StaffMember, clock: FrozenClock, name: str
    ) -> None:
        with pytest.raises(UnauthenticatedError) as refused:
            await security.authenticate(FORGERIES[name](claims_of(member, clock)))

        assert refused.value.detail == "Please sign in."


class TestCreateFirstAdmin:
    async def test_makes_a_password_that_works_where_none_is_given(
        self, security: SecurityService
    ) -> None:
        password = await security.create_first_admin("Admin@Example.com", None)

        assert password is not None
        admin = await security.login("admin@example.com", password)
        assert admin.role == StaffRole.ADMIN

    async def test_a_second_time_makes_nothing(
        self, security: SecurityService, repositories: Repositories
    ) -> None:
        await security.create_first_admin("admin@example.com", None)

        assert await security.create_first_admin("other@example.com", None) is None
        assert await repositories.staff.with_email("other@example.com") is None

    async def test_of_many_at_once_one_makes_the_account(
        self, security: SecurityService, repositories: Repositories
    ) -> None:
        tries = (security.create_first_admin("admin@example.com", None) for _ in range(6))

        passwords = [password for password in await asyncio.gather(*tries) if password]

        assert len(passwords) == 1
        assert (await repositories.staff.page(page=1, limit=10)).total_items == 1
        admin = await security.login("admin@example.com", passwords[0])
        assert admin.role == StaffRole.ADMIN

    async def test_a_given_password_is_not_shown_again(self, security: SecurityService) -> None:
        assert await security.create_first_admin("admin@example.com", "8 is ok!") is None
        admin = await security.login("admin@example.com", "8 is ok!")
        assert admin.email == "admin@example.com"

    @pytest.mark.parametrize(
        ("environment", "password", "floor"),
        [("development", "seven77", "8"), ("production", "fourteen chars", "15")],
    )
    async def test_refuses_a_short_password_with_a_sentence(
        self,
        repositories: Repositories,
        clock: FrozenClock,
        environment: str,
        password: str,
        floor: str,
    ) -> None:
        settings = make_settings(
            environment=environment,
            mongo_uri="mongodb://127.0.0.1:1/",
            public_base_url="https://clinic.example",
        )
        service = SecurityService(repositories.staff, settings, KEYS, clock)

        with pytest.raises(WeakPasswordError, match=f"{floor} to 128 characters"):
            await service.create_first_admin("admin@example.com", password)

        service.close()
        assert await repositories.staff.is_empty()


class TestCreateAdmin:
    async def test_leaves_an_account_that_exists_alone(
        self, security: SecurityService, member: StaffMember
    ) -> None:
        assert await security.create_admin(member.email, None) is None
        assert (await security.login(member.email, PASSWORD)).role == StaffRole.FRONT_DESK

    async def test_adds_to_those_there_are(
        self, security: SecurityService, member: StaffMember
    ) -> None:
        password = await security.create_admin("boss@example.com", None)

        assert password is not None
        assert (await security.login("boss@example.com", password)).id != member.id
