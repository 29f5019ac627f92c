"""What the webhook makes of Google's repetitions and of everybody else's nonsense."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.demo.mail import push_body
from tests.system.service import Live, eventually, live, log_of, queues_are_empty, stored

pytestmark = [pytest.mark.mongo, pytest.mark.asyncio(loop_scope="module")]

PUSH = "/api/v1/webhooks/gmail"
CANARY = "canary-Philomena-Quux"
RELAYED = {
    "thread_id": "thread-1",
    "message_id": "message-1",
    "from": f"{CANARY}@example.com",
    "content": f"I am {CANARY}, may I come in?",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("pushes"), DEMO_DATA="false") as service:
        yield service


def _data(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _push(message: object) -> bytes:
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


MALFORMED = {
    "empty": b"",
    "not_json": f"{{'{CANARY}'".encode(),
    "not_utf8": b"\xff\xfe" + CANARY.encode(),
    "no_object": json.dumps([CANARY]).encode(),
    "no_message": json.dumps({"subscription": CANARY}).encode(),
    "message_is_text": _push(CANARY),
    "no_data": _push({"messageId": "1", "attributes": {"name": CANARY}}),
    "data_is_a_number": _push({"messageId": "1", "data": 7, "note": CANARY}),
    "bad_base64": _push({"messageId": "1", "data": f"{CANARY}!"}),
    "cut_base64": _push({"messageId": "1", "data": _data(RELAYED).rstrip("=")[:-3] + "=="}),
    "data_is_no_json": _push(
        {"messageId": "1", "data": base64.b64encode(CANARY.encode()).decode()}
    ),
    "no_message_id": _push({"data": _data(RELAYED)}),
    "message_id_is_a_list": _push({"messageId": [CANARY], "data": _data(RELAYED)}),
    "content_is_a_number": _push({"messageId": "1", "data": _data({**RELAYED, "content": 5})}),
    "sender_is_missing": _push({"messageId": "1", "data": _data({**RELAYED, "from": None})}),
    "half_a_surrogate": _push(
        {"messageId": "1", "data": _data({**RELAYED, "content": f"{CANARY} \ud800"})}
    ),
    "history_id_is_text": _push(
        {"messageId": "1", "data": _data({"emailAddress": CANARY, "historyId": CANARY})}
    ),
}
TOO_LARGE = _push({"messageId": "1", "data": base64.b64encode(CANARY.encode() * 75_000).decode()})


def _count(service: Live) -> tuple[int, int]:
    with stored(service.data_dir) as database:
        return (
            database["inbound_events"].count_documents({}),
            database["interactions"].count_documents({}),
        )


class TestRepeatedPush:
    async def test_twenty_at_once_are_one_interaction(self, service: Live) -> None:
        push = push_body("push-1", RELAYED)
        answers = await asyncio.gather(*(service.client.post(PUSH, json=push) for _ in range(20)))
        assert [answer.status_code for answer in answers] == [200] * 20
        await _until_quiet(service)
        with stored(service.data_dir) as database:
            events = list(database["inbound_events"].find({"_id": {"$regex": "push-1$"}}))
            said = list(database["interactions"].find({"provider_id": "relay:thread-1:message-1"}))
        assert [event["state"] for event in events] == ["done"]
        assert [one["direction"] for one in said] == ["incoming"]
        assert CANARY not in log_of(service.data_dir)

    async def test_the_same_message_under_twenty_push_ids_is_one_interaction(
        self, service: Live
    ) -> None:
        relayed = {**RELAYED, "thread_id": "thread-2"}
        pushes = [push_body(f"again-{number}", relayed) for number in range(20)]
        answers = await asyncio.gather(*(service.client.post(PUSH, json=one) for one in pushes))
        assert [answer.status_code for answer in answers] == [200] * 20
        await _until_quiet(service)
        with stored(service.data_dir) as database:
            events = database["inbound_events"].count_documents(
                {"_id": {"$regex": "again-"}, "state": "done"}
            )
            said = database["interactions"].count_documents(
                {"provider_id": "relay:thread-2:message-1"}
            )
        assert (events, said) == (20, 1)


class TestMalformedPush:
    @pytest.mark.parametrize("name", MALFORMED)
    async def test_is_refused_and_leaves_no_trace(self, service: Live, name: str) -> None:
        await _refused(service, MALFORMED[name], 400, "invalid-envelope")

    async def test_nested_deeply_is_refused_and_leaves_no_trace(self, service: Live) -> None:
        body = b"[" * 100_000 + CANARY.encode()
        await _refused(service, body, 400, "bad-request")

    async def test_of_two_megabytes_is_refused_and_leaves_no_trace(self, service: Live) -> None:
        assert len(TOO_LARGE) > 2_000_000
        await _refused(service, TOO_LARGE, 413, "")


async def _refused(service: Live, body: bytes, status: int, slug: str) -> None:
    before = _count(service)
    headers = {"Content-Type": "application/json"}
    answer = await service.client.post(PUSH, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith(slug)
    assert CANARY not in answer.text
    assert _count(service) == before
    log = log_of(service.data_dir)
    assert CANARY not in log
    assert "Traceback" not in log
    assert '"status": 500' not in log


async def _until_quiet(service: Live) -> None:
    async def quiet() -> bool | None:
        with stored(service.data_dir) as database:
            return queues_are_empty(database) or None

    await eventually(quiet, seconds=120, message="The pushes were not processed.")
