"""Google's push token, verified against keys served by a real server on this machine."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt

from app.core.clock import Clock
from app.core.errors import UnavailableError
from app.services.push_auth import PushNotAuthenticError, PushVerifier
from tests.fakes import FrozenClock

AUDIENCE = "https://clinic.example/api/v1/webhooks/gmail"
ACCOUNT = "push@my-project.iam.gserviceaccount.com"


def _number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class SigningKey:
    """A key of ours, in Google's place."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pem = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def public(self) -> dict[str, str]:
        """As it stands in the published set."""
        numbers = self._private.public_key().public_numbers()
        return {
            "kid": self.key_id,
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }


KEY, NEXT_KEY, FOREIGN_KEY = SigningKey("k1"), SigningKey("k2"), SigningKey("k1")


class KeyServer:
    """Publishes keys over HTTP and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[SigningKey] = [KEY]
        self.max_age = 3600
        self.status = 200
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": [key.public() for key in outer.keys]}).encode()
                self.send_response(outer.status)
                self.send_header("Cache-Control", f"public, max-age={outer.max_age}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/certs"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def verifier(self, clock: Clock) -> PushVerifier:
        """A verifier that asks this server."""
        return PushVerifier(
            audience=AUDIENCE, service_account=ACCOUNT, clock=clock, keys_url=self.url
        )


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    """A server that publishes `KEY`."""
    server = KeyServer()
    yield server
    server.close()


def make_token(clock: FrozenClock, *, key: SigningKey = KEY, **given: Any) -> str:
    """A genuine token, but for what is given (`None` leaves a claim out)."""
    now = int(clock.now().timestamp())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": ACCOUNT,
        "email_verified": True,
        "sub": "1",
        "iat": now - 5,
        "exp": now + 3600,
    }
    kept = {name: value for name, value in (claims | given).items() if value is not None}
    return str(jwt.encode(kept, key.pem, algorithm="RS256", headers={"kid": key.key_id}))


FORGED: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "https://evil.example"},
    "no audience": {"aud": None},
    "another account": {"email": "push@evil.iam.gserviceaccount.com"},
    "no account": {"email": None},
    "unverified account": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "no verification": {"email_verified": None},
    "ended": {"exp": 1},
    "endless": {"exp": None},
    "end in words": {"exp": "9999999999"},
    "from the future": {"iat": 99999999999},
    "not valid yet": {"nbf": 99999999999},
    "valid from a time in words": {"nbf": "now"},
    "without a beginning": {"iat": None},
    "another's key": {"key": FOREIGN_KEY},
    "an unknown key": {"key": SigningKey("k9")},
}


class TestVerify:
    async def test_a_genuine_token_passes(self, key_server: KeyServer, clock: FrozenClock) -> None:
        await key_server.verifier(clock).verify(f"Bearer {make_token(clock)}")

    async def test_one_that_has_just_begun_passes(
        self, key_server: KeyServer, clock: FrozenClock
    ) -> None:
        begins = int(clock.now().timestamp()) + 5
        await key_server.verifier(clock).verify(f"Bearer {make_token(clock, nbf=begins)}")

    @pytest.mark.parametrize("given", FORGED.values(), ids=FORGED.keys())
    async def test_a_forged_one_does_not(
        self, key_server: KeyServer, clock: FrozenClock, given: dict[str, Any]
    ) -> None:
        with pytest.raises(PushNotAuthenticError):
            await key_server.verifier(clock).verify(f"Bearer {make_token(clock, **given)}")

    async def test_a_shared_secret_does_not_pass_for_a_key(
        self, key_server: KeyServer, clock: FrozenClock
    ) -> None:
        claims = jwt.get_unverified_claims(make_token(clock))
        forged = jwt.encode(claims, "public-key-as-secret", "HS256", headers={"kid": "k1"})

        with pytest.raises(PushNotAuthenticError):
            await key_server.verifier(clock).verify(f"Bearer {forged}")

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic x", "Bearer a.b.c"])
    async def test_no_token_does_not_pass(
        self, key_server: KeyServer, clock: FrozenClock, header: str | None
    ) -> None:
        with pytest.raises(PushNotAuthenticError):
            await key_server.verifier(clock).verify(header)
        assert key_server.asked == 0


class TestKeys:
    async def test_they_are_kept_as_long_as_they_say(
        self, key_server: KeyServer, clock: FrozenClock
    ) -> None:
        verifier = key_server.verifier(clock)
        for _ in range(5):
            await verifier.verify(f"Bearer {make_token(clock)}")
        assert key_server.asked == 1

        clock.advance(seconds=3601)
        await verifier.verify(f"Bearer {make_token(clock)}")

        assert key_server.asked == 2

    async def test_a_new_key_is_fetched_once_it_is_used(
        self, key_server: KeyServer, clock: FrozenClock
    ) -> None:
        verifier = key_server.verifier(clock)
        await verifier.verify(f"Bearer {make_token(clock)}")
        key_server.keys = [KEY, NEXT_KEY]
        clock.advance(seconds=61)

        await verifier.verify(f"Bearer {make_token(clock, key=NEXT_KEY)}")

        assert key_server.asked == 2

    async def test_made_up_keys_do_not_make_a_flood(
        self, key_server: KeyServer, clock: FrozenClock
    ) -> None:
        verifier = key_server.verifier(clock)
        unknown = make_token(clock, key=NEXT_KEY)
        for _ in range(10):
            with pytest.raises(PushNotAuthenticError):
                await verifier.verify(f"Bearer {unknown}")

        assert key_server.asked == 1

    async def test_without_keys_nothing_passes_and_it_is_not_the_pushs_fault(
        self, key_server: KeyServer, clock: FrozenClock
    ) -> None:
        key_server.status = 500

        with pytest.raises(UnavailableError):
            await key_server.verifier(clock).verify(f"Bearer {make_token(clock)}")
