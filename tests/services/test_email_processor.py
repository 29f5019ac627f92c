"""Reading a Pub/Sub push: both forms, and everything that is none."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.email_processor import (
    MAX_ADDRESS_CHARACTERS,
    MAX_ID_CHARACTERS,
    MAX_SUBJECT_CHARACTERS,
    GmailNotification,
    InvalidEnvelopeError,
    RelayMessage,
    message_of,
    parse_push,
)

RELAY: dict[str, Any] = {
    "thread_id": "t-1",
    "message_id": "<m-1@mail.example.com>",
    "from": "Dana Smith <dana@example.com>",
    "subject": "Re: Your visit",
    "content": "¿Puedo ir el martes? 🙂",
}
GMAIL: dict[str, Any] = {"emailAddress": "clinic@example.com", "historyId": "9876543210"}
CANARY = "Xanadu-canary"


def encoded(data: object, *, url_safe: bool = False) -> str:
    """`data` as Pub/Sub carries it."""
    raw = json.dumps(data).encode()
    return (base64.urlsafe_b64encode(raw) if url_safe else base64.b64encode(raw)).decode()


def push(content: object = None, **message: Any) -> bytes:
    """A whole push that carries `content`; `message` replaces parts of the envelope."""
    fields = {"data": encoded(content or RELAY), "messageId": "77", "publishTime": "x", **message}
    return json.dumps({"message": fields, "subscription": "projects/p/subscriptions/s"}).encode()


class TestRelayForm:
    def test_it_becomes_a_message(self) -> None:
        envelope = parse_push(push())

        assert envelope.event_id == "pubsub:projects/p/subscriptions/s:77"
        assert envelope.message == RelayMessage(
            thread_id="t-1",
            message_id="<m-1@mail.example.com>",
            sender="Dana Smith <dana@example.com>",
            subject="Re: Your visit",
            content="¿Puedo ir el martes? 🙂",
        )

    def test_what_is_stored_reads_back_the_same(self) -> None:
        message = parse_push(push()).message

        assert message_of(message.to_payload()) == message

    def test_the_subject_may_be_left_out(self) -> None:
        data = {name: value for name, value in RELAY.items() if name != "subject"}

        assert parse_push(push(data)).message == RelayMessage(
            "t-1", RELAY["message_id"], RELAY["from"], RELAY["content"], None
        )

    @pytest.mark.parametrize("url_safe", [True, False])
    @pytest.mark.parametrize("padded", [True, False])
    def test_either_alphabet_is_read_with_and_without_padding(
        self, url_safe: bool, padded: bool
    ) -> None:
        data = {**RELAY, "content": "??>>~~\u00ff\u00fe", "subject": "x"}
        text = encoded(data, url_safe=url_safe)

        envelope = parse_push(push(data=text if padded else text.rstrip("=")))

        assert isinstance(envelope.message, RelayMessage)
        assert envelope.message.content == data["content"]

    def test_a_push_without_a_subscription_is_read(self) -> None:
        body = json.dumps({"message": {"data": encoded(RELAY), "messageId": "1"}}).encode()

        assert parse_push(body).event_id == "pubsub:-:1"


class TestGmailForm:
    @pytest.mark.parametrize("history_id", ["9876543210", 9876543210])
    def test_it_becomes_a_notification(self, history_id: object) -> None:
        envelope = parse_push(push({**GMAIL, "historyId": history_id}))

        assert envelope.message == GmailNotification("clinic@example.com", 9876543210)

    @pytest.mark.parametrize("history_id", ["1", "9223372036854775807", "9" * 20])
    def test_what_is_stored_reads_back_the_same(self, history_id: str) -> None:
        message = parse_push(push({**GMAIL, "historyId": history_id})).message

        payload = message.to_payload()
        assert message_of(payload) == message
        assert isinstance(payload["historyId"], str) == (int(history_id) >= 2**63)


def without(name: str) -> dict[str, Any]:
    """The relay form without one of its fields."""
    return {key: value for key, value in RELAY.items() if key != name}


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{message:",
    "not UTF-8": b'{"message": "\xff"}',
    "UTF-16": '{"message": {}}'.encode("utf-16"),
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "NaN": b'{"message": NaN}',
    "deep": b"[" * 100_000,
    "no message": b'{"subscription": "s"}',
    "message is text": b'{"message": "x"}',
    "no data": b'{"message": {"messageId": "1"}}',
    "data is a number": push(data=7),
    "data is null": push(data=None),
    "data is empty": push(data=""),
    "data is not base64": push(data="!!"),
    "data has blanks": push(data=encoded(RELAY)[:8] + " " + encoded(RELAY)[8:]),
    "data mixes alphabets": push(data="ab-_+/ab"),
    "data is cut": push(data=encoded(RELAY).rstrip("=") + "A" * 5),
    "padding is wrong": push(data="abcd="),
    "padding in the middle": push(data="ab==abcd"),
    "data is no JSON": push(data=base64.b64encode(b"hello").decode()),
    "data is binary": push(data=base64.b64encode(b"\xff\xfe").decode()),
    "data is a list": push([1]),
    "data is neither form": push({"hello": CANARY}),
    "no messageId": json.dumps({"message": {"data": encoded(RELAY)}}).encode(),
    "messageId is a number": push(messageId=7),
    "messageId is blank": push(messageId="  "),
    "messageId is long": push(messageId="7" * (MAX_ID_CHARACTERS + 1)),
    "messageId has a line break": push(messageId="7\n8"),
    "subscription is a number": json.dumps(
        {"message": {"data": encoded(RELAY), "messageId": "1"}, "subscription": 7}
    ).encode(),
    **{f"relay without {name}": push(without(name)) for name in RELAY if name != "subject"},
    **{f"relay with {name} as a list": push({**RELAY, name: [CANARY]}) for name in RELAY},
    "relay with an object for from": push({**RELAY, "from": {"$ne": CANARY}}),
    "relay with a blank thread": push({**RELAY, "thread_id": ""}),
    "relay with a long from": push({**RELAY, "from": "a" * (MAX_ADDRESS_CHARACTERS + 1)}),
    "relay with a long subject": push({**RELAY, "subject": "a" * (MAX_SUBJECT_CHARACTERS + 1)}),
    "relay with half a surrogate": push({**RELAY, "content": "\ud800"}),
    "gmail without history": push({"emailAddress": CANARY}),
    "gmail without address": push({"historyId": "1"}),
    "gmail with a word for history": push({**GMAIL, "historyId": CANARY}),
    "gmail with true for history": push({**GMAIL, "historyId": True}),
    "gmail with a negative history": push({**GMAIL, "historyId": -1}),
}


class TestMalformed:
    @pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
    def test_it_is_refused_without_repeating_what_was_sent(self, body: bytes) -> None:
        with pytest.raises(InvalidEnvelopeError) as refused:
            parse_push(body)

        assert refused.value.status == 400
        assert CANARY not in refused.value.detail
        assert refused.value.detail.endswith(".")

    @given(st.binary(max_size=300))
    def test_no_bytes_do_anything_else(self, body: bytes) -> None:
        with pytest.raises(InvalidEnvelopeError):
            parse_push(body)

    @given(st.text(alphabet="ABCabc+/-_= !\n", max_size=40))
    def test_no_data_does_anything_else(self, data: str) -> None:
        with pytest.raises(InvalidEnvelopeError):
            parse_push(push(data=data))
