"""The relay: one signed POST a message, and what its answers mean."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from app.models.patient import Channel
from app.services.mail import build_relay, relayed_channels
from app.services.mail.relay import LONGEST_PAUSE, OPERATORS_PAUSE, RelayTransport
from app.services.mail.transport import OutgoingMail, PermanentMailError, TransientMailError
from app.services.webhook_signature import SignatureVerifier
from tests.factories import make_settings
from tests.fakes import NOON, FrozenClock
from tests.gmail_parts import make_mail

URL = "https://relay.example/send"
SECRET = "relay-key-0123456789-abcdefghijklmnop"
PHONE = "+12125550142"
Answer = Callable[[httpx.Request], httpx.Response]


class Relay:
    """Answers as it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answer: Answer = lambda _request: httpx.Response(202, json={})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
async def transport(relay: Relay) -> AsyncIterator[RelayTransport]:
    http = httpx.AsyncClient(transport=httpx.MockTransport(relay))
    transport = RelayTransport(
        http, url=URL, secret=SECRET, timeout_seconds=10, clock=FrozenClock()
    )
    yield transport
    await transport.close()


def text(**given: object) -> OutgoingMail:
    """A text message."""
    fields = {"to": PHONE, "channel": Channel.SMS, "text": "Hello.\n\n-- \nA machine.\n", **given}
    return make_mail(**fields)


class TestSend:
    async def test_is_one_signed_post(self, transport: RelayTransport, relay: Relay) -> None:
        await transport.send(text(in_reply_to="SM-7"))

        [request] = relay.asked
        assert (request.method, str(request.url)) == ("POST", URL)
        assert json.loads(request.content) == {
            "channel": "sms",
            "to": PHONE,
            "text": "Hello.\n\nA machine.",
            "message_id": text().key,
            "thread_id": text().thread_id,
            "in_reply_to": "SM-7",
        }
        assert request.headers["Idempotency-Key"] == text().key
        assert request.headers["Content-Type"] == "application/json"
        verifier = SignatureVerifier(make_settings(webhook_secret=SECRET), FrozenClock())
        verifier.verify(request.content, request.headers["X-Signature"])

    @pytest.mark.parametrize(
        ("body", "ids"),
        [
            (b'{"message_id": "SM1", "thread_id": "s-1"}', ("SM1", "s-1")),
            (b'{"message_id": "SM1"}', ("SM1", text().thread_id)),
            (b"", (text().key, text().thread_id)),
            (b"[1]", (text().key, text().thread_id)),
            (b'{"message_id": 7, "thread_id": ""}', (text().key, text().thread_id)),
            (b'{"message_id": "a\\nb"}', (text().key, text().thread_id)),
            (b'{"message_id": "%s"}' % (b"x" * 257), (text().key, text().thread_id)),
        ],
    )
    async def test_takes_the_ids_it_is_given(
        self, transport: RelayTransport, relay: Relay, body: bytes, ids: tuple[str, str]
    ) -> None:
        relay.answer = lambda _request: httpx.Response(200, content=body)

        sent = await transport.send(text())

        assert (sent.provider_message_id, sent.thread_id) == ids

    async def test_a_repetition_carries_the_same_key(
        self, transport: RelayTransport, relay: Relay
    ) -> None:
        await transport.send(text())
        await transport.send(text())

        assert len({one.headers["Idempotency-Key"] for one in relay.asked}) == 1
        assert await transport.look_up(text().key, NOON) is None


class TestTrouble:
    @pytest.mark.parametrize(
        ("status", "headers", "pause"),
        [
            (429, {"Retry-After": "90"}, timedelta(seconds=90)),
            (429, {"Retry-After": "99999999999"}, LONGEST_PAUSE),
            (503, {"Retry-After": format_datetime(NOON + timedelta(minutes=2))}, timedelta(0, 120)),
            (503, {"Retry-After": format_datetime(NOON - timedelta(minutes=2))}, timedelta(0)),
            (503, {"Retry-After": "soon"}, None),
            (500, {}, None),
            (302, {"Location": "https://evil.example"}, OPERATORS_PAUSE),
            (401, {}, OPERATORS_PAUSE),
            (404, {}, OPERATORS_PAUSE),
        ],
    )
    async def test_passes(
        self,
        transport: RelayTransport,
        relay: Relay,
        status: int,
        headers: dict[str, str],
        pause: timedelta | None,
    ) -> None:
        relay.answer = lambda _request: httpx.Response(status, headers=headers, text=PHONE)

        with pytest.raises(TransientMailError) as caught:
            await transport.send(text())

        assert caught.value.retry_after == pause
        assert PHONE not in str(caught.value)
        assert len(relay.asked) == 1

    @pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ConnectError, httpx.ReadError])
    async def test_silence_is_no_doubt_because_the_key_is_known(
        self, transport: RelayTransport, relay: Relay, error: type[httpx.TransportError]
    ) -> None:
        def fail(request: httpx.Request) -> httpx.Response:
            raise error(PHONE, request=request)

        relay.answer = fail

        with pytest.raises(TransientMailError, match=error.__name__) as caught:
            await transport.send(text())

        assert PHONE not in str(caught.value)

    @pytest.mark.parametrize(("status", "refused"), [(410, True), (422, False), (400, False)])
    async def test_lasts(
        self, transport: RelayTransport, relay: Relay, status: int, *, refused: bool
    ) -> None:
        relay.answer = lambda _request: httpx.Response(status, text=PHONE)

        with pytest.raises(PermanentMailError) as caught:
            await transport.send(text())

        assert caught.value.recipient_refused is refused
        assert PHONE not in str(caught.value)


class TestSettings:
    async def test_none_without_an_address(self) -> None:
        assert build_relay(make_settings(), FrozenClock()) is None
        assert relayed_channels(make_settings()) == frozenset()

    async def test_the_channels_it_is_there_for(self) -> None:
        settings = make_settings(
            message_relay_url=URL,
            message_relay_secret=SECRET,
            message_relay_channels="sms, whatsapp",
        )
        relay = build_relay(settings, FrozenClock())

        assert relay is not None
        assert relay.deadline_seconds == 40
        await relay.close()
        assert relayed_channels(settings) == {Channel.SMS, Channel.WHATSAPP}

    def test_nothing_while_all_goes_to_one_mailbox(self) -> None:
        settings = make_settings(
            message_relay_url=URL,
            message_relay_secret=SECRET,
            mail_redirect_to="trial@example.com",
        )
        assert relayed_channels(settings) == frozenset()
