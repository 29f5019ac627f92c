"""Pub/Sub's part: notifications, signed as Google signs them, repeated until they are taken."""

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt

from app.core.clock import Clock

Json = dict[str, Any]

AUDIENCE = "https://fake-gmail.test/push"
ACCOUNT = "push@fake-gmail.test"
SUBSCRIPTION = "projects/fake/subscriptions/gmail-push"
TOKEN_SECONDS = 3600
ACK_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2.0


class Signer:
    """A key of our own in Google's place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key_id = secrets.token_hex(8)
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._pem = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def key_set(self) -> Json:
        """As Google publishes its keys (RFC 7517)."""
        numbers = self._private.public_key().public_numbers()
        key = {"kid": self._key_id, "kty": "RSA", "alg": "RS256", "use": "sig"}
        return {"keys": [{**key, "n": _number(numbers.n), "e": _number(numbers.e)}]}

    def token(self, audience: str, account: str, **changed: object) -> str:
        """What a push is authenticated with. `changed` claims stand in place of the true ones, and
        one that is `None` is left out.
        """
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": audience,
            "email": account,
            "email_verified": True,
            "sub": "113774264463038321964",
            "azp": "113774264463038321964",
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        kept = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(kept, self._pem, algorithm="RS256", headers={"kid": self._key_id})


@dataclass(frozen=True)
class PushTarget:
    """Where notifications go, and for whom their tokens are."""

    url: str
    audience: str
    account: str


class Pusher:
    """Pushes until the other side acknowledges."""

    def __init__(self, target: PushTarget, signer: Signer, clock: Clock) -> None:
        self._target = target
        self._signer = signer
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=ACK_SECONDS)
        self._tasks: set[asyncio.Task[None]] = set()

    def notify(self, address: str, history_id: int, delay_seconds: float) -> None:
        """Tell that the mailbox changed, by and by."""
        body = notification(address, history_id, self._clock)
        task = asyncio.create_task(self._push(body, delay_seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop trying."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _push(self, body: Json, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        wait = FIRST_RETRY_SECONDS
        while not await self._is_taken(body):
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_RETRY_SECONDS)

    async def _is_taken(self, body: Json) -> bool:
        token = self._signer.token(self._target.audience, self._target.account)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._http.post(self._target.url, json=body, headers=headers)
        except httpx.HTTPError:
            return False
        return answer.status_code in {102, 200, 201, 202, 204}


def notification(address: str, history_id: int, clock: Clock) -> Json:
    """A push as Pub/Sub sends it for Gmail."""
    data = json.dumps({"emailAddress": address, "historyId": history_id}).encode()
    number = secrets.randbelow(10**16)
    return {
        "message": {
            "data": base64.urlsafe_b64encode(data).decode(),
            "messageId": str(number),
            "message_id": str(number),
            "publishTime": clock.now().isoformat(),
        },
        "subscription": SUBSCRIPTION,
    }


def _number(value: int) -> str:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
