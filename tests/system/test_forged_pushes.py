"""Pushes that are not Google's, at a real server: each is refused, and leaves nothing behind."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, hmac
from jose import jwk, jwt

from app.db.embedded import free_port
from app.demo.gmail.process import gmail_settings, running_gmail
from app.demo.mail import push_body
from tests.services.test_push_auth import SigningKey
from tests.system.pubsub import PUSH, genuine_token
from tests.system.service import Json, Live, eventually, live, log_of, queues_are_empty, stored

pytestmark = [pytest.mark.mongo, pytest.mark.asyncio(loop_scope="module")]

CANARY = "canary-Philomena-Quux"
FAR_OFF = 99_999_999_999
LONG_AGO = 1_600_000_000
HUGE = 30_000
"""Characters; the server itself refuses headers of more than 64 KB."""
RELAYED = {
    "thread_id": "thread-1",
    "message_id": "message-1",
    "from": f"{CANARY}@example.com",
    "content": f"I am {CANARY}, may I come in?",
}
FOREIGN_KEY = SigningKey("foreign")

SIGNED_BY_GOOGLE: dict[str, dict[str, Any]] = {
    "expired": {"exp": LONG_AGO},
    "without an end": {"exp": None},
    "with an end in words": {"exp": "9999999999"},
    "not valid yet": {"nbf": FAR_OFF},
    "valid from a day in words": {"nbf": "tomorrow"},
    "issued in the future": {"iat": FAR_OFF},
    "without a beginning": {"iat": None},
    "for another audience": {"aud": "https://evil.example/push"},
    "for an audience like ours": {"aud": "https://fake-gmail.test/push/"},
    "for several others": {"aud": ["https://evil.example", "https://fake-gmail.test"]},
    "for nobody": {"aud": ""},
    "without an audience": {"aud": None},
    "by another issuer": {"iss": "https://evil.example"},
    "by an issuer like Google": {"iss": "https://accounts.google.com.evil.example"},
    "without an issuer": {"iss": None},
    "of another account": {"email": "push@evil.example"},
    "of an account like ours": {"email": "push@fake-gmail.test.evil.example"},
    "of several accounts": {"email": ["push@fake-gmail.test"]},
    "without an account": {"email": None},
    "unverified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "without verification": {"email_verified": None},
}
"""Tokens with Google's good signature and one claim that is not as it must be."""


@dataclass(frozen=True)
class Known:
    """What a forger can have: a token for us, Google's public key, and a staff member's token."""

    genuine: str
    key: Json
    staff: str

    @property
    def header(self) -> Json:
        """Of the genuine token."""
        return dict(jwt.get_unverified_header(self.genuine))

    @property
    def claims(self) -> Json:
        """Of the genuine token."""
        return dict(jwt.get_unverified_claims(self.genuine))

    @property
    def public_pem(self) -> bytes:
        """Google's key as anybody can download it."""
        return bytes(jwk.construct(self.key).to_pem())


def _part(value: Json | bytes) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(known: Known, algorithm: str) -> str:
    return f"{_part({**known.header, 'alg': algorithm})}.{_part(known.claims)}."


def _by_public_key(known: Known, algorithm: str) -> str:
    """The public key taken for a shared secret."""
    signed = f"{_part({**known.header, 'alg': algorithm})}.{_part(known.claims)}"
    digest = hmac.HMAC(known.public_pem, hashes.SHA256())
    digest.update(signed.encode())
    return f"{signed}.{_part(digest.finalize())}"


def _by_foreign_key(known: Known, **header: object) -> str:
    """A forger's own signature; their header says what it likes."""
    headers = {**known.header, **header}
    kept = {name: value for name, value in headers.items() if value is not None}
    return str(jwt.encode(known.claims, FOREIGN_KEY.pem, algorithm="RS256", headers=kept))


def _foreign_public() -> Json:
    return {**FOREIGN_KEY.public(), "kid": "foreign"}


def _changed_after_signing(known: Known) -> str:
    header, _, signature = known.genuine.split(".")
    return f"{header}.{_part({**known.claims, 'exp': FAR_OFF})}.{signature}"


def _bent_signature(known: Known) -> str:
    header, claims, signature = known.genuine.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{header}.{claims}.{signature[:middle]}{other}{signature[middle + 1 :]}"


MADE_UP: dict[str, Callable[[Known], str]] = {
    "with a bent signature": _bent_signature,
    "without a signature": lambda known: known.genuine.rpartition(".")[0] + ".",
    "of two parts": lambda known: known.genuine.rpartition(".")[0],
    "of four parts": lambda known: f"{known.genuine}.{_part(b'more')}",
    "changed after signing": _changed_after_signing,
    "alg none": lambda known: _unsigned(known, "none"),
    "alg nOnE": lambda known: _unsigned(known, "nOnE"),
    "HS256 by the public key": lambda known: _by_public_key(known, "HS256"),
    "RS256 by the public key as a secret": lambda known: _by_public_key(known, "RS256"),
    "another's key under Google's id": _by_foreign_key,
    "an unknown key": lambda known: _by_foreign_key(known, kid="k9"),
    "no key id": lambda known: _by_foreign_key(known, kid=None),
    "a path as key id": lambda known: _by_foreign_key(known, kid="../../../dev/null"),
    "a key brought along": lambda known: _by_foreign_key(known, jwk=_foreign_public()),
    "an address of keys": lambda known: _by_foreign_key(known, jku="http://127.0.0.1:1/keys"),
    "a staff member's": lambda known: known.staff,
    "garbage": lambda _known: "garbage",
    "dots": lambda _known: "..",
    "no base64": lambda _known: "%%%.%%%.%%%",
    "header is a list": lambda known: f"{_part(b'[]')}.{_part(known.claims)}.AAAA",
    "header nests deeply": lambda _known: f"{_part(b'[' * 9000)}.e30.AAAA",
    "huge": lambda _known: "a" * HUGE,
    "huge behind a genuine one": lambda known: f"{known.genuine}{'a' * HUGE}",
    "a genuine one twice": lambda known: f"{known.genuine}, Bearer {known.genuine}",
}
"""Tokens where Google had no part in, or no longer."""

Sent = dict[str, Any]

ELSEWHERE: dict[str, Callable[[str], Sent]] = {
    "nowhere": lambda _token: {},
    "empty header": lambda _token: {"headers": {"Authorization": ""}},
    "empty token": lambda _token: {"headers": {"Authorization": "Bearer"}},
    "no scheme": lambda token: {"headers": {"Authorization": token}},
    "another scheme": lambda token: {"headers": {"Authorization": f"Basic {token}"}},
    "another header": lambda token: {"headers": {"X-Authorization": f"Bearer {token}"}},
    "the proxy's header": lambda token: {"headers": {"Proxy-Authorization": f"Bearer {token}"}},
    "a cookie": lambda token: {"headers": {"Cookie": f"Authorization=Bearer {token}"}},
    "the query": lambda token: {"params": {"access_token": token}},
    "two headers, the second forged": lambda token: {
        "headers": [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer a.b.c")]
    },
    "two headers, the first forged": lambda token: {
        "headers": [("Authorization", "Bearer a.b.c"), ("Authorization", f"Bearer {token}")]
    },
}
"""A genuine token in places where it does not belong."""


@dataclass
class Door:
    """A service that takes pushes signed by the fake Gmail only."""

    service: Live
    gmail: httpx.AsyncClient
    known: Known

    async def knock(self, **sent: Any) -> httpx.Response:
        """Push a message whose sender would be believed."""
        push = push_body("push-1", RELAYED)
        return await self.service.client.post(PUSH, json=push, **sent)

    def stored(self) -> Json:
        """How much of everything there is."""
        with stored(self.service.data_dir) as database:
            names = ("inbound_events", "interactions", "campaigns", "unanswered_questions")
            return {name: database[name].count_documents({}) for name in names}

    async def refuses(self, **sent: Any) -> None:
        """Nothing is stored, nothing said, nothing logged."""
        before = self.stored()
        answer = await self.knock(**sent)
        assert answer.status_code in {401, 403}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].endswith("push-not-authentic")
        assert CANARY not in answer.text
        assert self.stored() == before
        log = log_of(self.service.data_dir)
        assert CANARY not in log
        assert "Traceback" not in log
        assert self.known.genuine not in log


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    data_dir, port = tmp_path_factory.mktemp("forged"), free_port()
    async with running_gmail(data_dir, port) as gmail:
        settings = {**gmail_settings(str(gmail.base_url).rstrip("/")), "PORT": str(port)}
        async with live(data_dir, DEMO_DATA="false", **settings) as service:
            (key,) = (await gmail.get("/oauth2/v3/certs")).json()["keys"]
            staff = service.api.headers["Authorization"].removeprefix("Bearer ")
            yield Door(service, gmail, Known(await genuine_token(gmail), key, staff))


class TestForgedPush:
    @pytest.mark.parametrize("name", SIGNED_BY_GOOGLE)
    async def test_with_a_wrong_claim_is_refused(self, door: Door, name: str) -> None:
        token = await genuine_token(door.gmail, **SIGNED_BY_GOOGLE[name])
        await door.refuses(headers={"Authorization": f"Bearer {token}"})

    @pytest.mark.parametrize("name", MADE_UP)
    async def test_made_up_is_refused(self, door: Door, name: str) -> None:
        token = MADE_UP[name](door.known)
        await door.refuses(headers={"Authorization": f"Bearer {token}"})

    @pytest.mark.parametrize("name", ELSEWHERE)
    async def test_with_the_token_elsewhere_is_refused(self, door: Door, name: str) -> None:
        await door.refuses(**ELSEWHERE[name](door.known.genuine))

    async def test_where_bytes_are_no_text_is_refused(self, door: Door) -> None:
        await door.refuses(headers={b"Authorization": b"Bearer \xff\xfe.\x80.\xc3"})

    async def test_changes_nothing_for_genuine_ones(self, door: Door) -> None:
        """It is the token that the others were refused for: the same push with a good one."""
        token = await genuine_token(door.gmail)
        answer = await door.knock(headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        with stored(door.service.data_dir) as database:

            async def quiet() -> bool | None:
                return queues_are_empty(database) or None

            await eventually(quiet, seconds=120, message="The push was not processed.")
            said = {"provider_id": "relay:thread-1:message-1"}
            assert database["interactions"].count_documents(said) == 1
