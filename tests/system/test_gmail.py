"""All mail through Gmail: the loop, lost notifications, and kills while it sends.

The short form kills ten times; `CHAOS_KILLS=200` in the environment makes it the long one.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.demo.gmail.process import gmail_settings, running_gmail
from app.demo.mail import GmailPost
from app.demo.process import free_port
from app.demo.walkthrough import BOOKING_REPLY
from tests.system.service import (
    Json,
    Live,
    Stored,
    add_due_patients,
    eventually,
    live,
    log_of,
    queues_are_empty,
    sent_keys,
    stored,
)

pytestmark = [
    pytest.mark.mongo,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="module"),
]

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))  # noqa: TID251 - the suite's own switch
LETTERS_A_KILL = 8
LONGEST_ROUND_SECONDS = 1.5
SETTLE_SECONDS = 200
REPLY_SECONDS = 30
FAULTS = {
    "fail_rate": 0.15,
    "fail_after_rate": 0.15,
    "delay_seconds": 0.05,
    "answer_delay_seconds": 0.3,
}
"""Three in ten calls fail, half of them after they did what was asked for."""


class Practice:
    """A service on a folder, the Gmail it uses, and what was done with the two."""

    def __init__(self, data_dir: Path, post: GmailPost, settings: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.post = post
        self.settings = settings
        self.interrupted = 0

    async def letters_to(self, address: str) -> list[Json]:
        """What left for a patient."""
        return [entry for entry in await self.post.ledger() if entry["to"] == address]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def practice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Practice]:
    """Killed while it sends, again and again; afterwards it runs, and nothing fails any more."""
    data_dir, port = tmp_path_factory.mktemp("gmail"), free_port()
    async with running_gmail(data_dir, port) as gmail:
        settings = {
            **gmail_settings(str(gmail.base_url).rstrip("/")),
            "PORT": str(port),
            "GMAIL_POLL_SECONDS": "3",
            "GMAIL_TIMEOUT_SECONDS": "5",
        }
        practice = Practice(data_dir, GmailPost(gmail), settings)
        async with live(data_dir, **settings) as service:
            await add_due_patients(service, "due", LETTERS_A_KILL * KILLS)
            await practice.post.break_with(**FAULTS)
            await service.api.post("/admin/sweeps", {"dry_run": False}, status=200)
            await _kill(practice, service)
        for _ in range(KILLS - 1):
            async with live(data_dir, **settings) as service:
                await _kill(practice, service)
        await practice.post.break_with()
        async with live(data_dir, **settings) as service:
            await _settled(service)
            yield practice


async def _kill(practice: Practice, service: Live) -> None:
    await asyncio.sleep(random.uniform(0, LONGEST_ROUND_SECONDS))  # noqa: S311 - no secret
    with stored(practice.data_dir) as database:
        sending = {"delivery.status": "sending"}
        practice.interrupted += database["interactions"].count_documents(sending)
        service.kill()


async def _settled(service: Live) -> None:
    async def settled() -> bool | None:
        with stored(service.data_dir) as database:
            return _nothing_waits(database) or None

    await eventually(settled, seconds=SETTLE_SECONDS, message="The service did not settle.")


def _nothing_waits(database: Stored) -> bool:
    """Also no message that is put off for a failed try; one for another day may be."""
    tried = {"delivery.status": "pending", "delivery.error": {"$regex": "Gmail"}}
    return queues_are_empty(database) and not database["interactions"].count_documents(tried)


def _unanswered(database: Stored) -> Json:
    """A campaign nobody has answered yet, with its patient's address."""
    campaign = database["campaigns"].find_one(
        {
            "status": "ATTEMPTING_RECOVERY",
            "channel.thread_id": {"$exists": True},
            "last_reply_at": {"$exists": False},
        }
    )
    assert campaign is not None
    patient = database["patients"].find_one({"_id": campaign["patient_id"]})
    assert patient is not None
    return {**campaign, "address": patient["email"]}


async def _answered(practice: Practice, campaign: Json) -> Json:
    """The answer to the patient's reply, out of Gmail's ledger."""

    async def look() -> Json | None:
        letters = await practice.letters_to(campaign["address"])
        return letters[1] if len(letters) > 1 else None

    return await eventually(look, seconds=REPLY_SECONDS, message="The reply got no answer.")


class TestKills:
    async def test_fell_into_the_act_of_sending(self, practice: Practice) -> None:
        assert practice.interrupted > 0

    async def test_nothing_left_twice_and_nothing_is_lost(self, practice: Practice) -> None:
        left = Counter(letter.key for letter in await practice.post.letters())
        with stored(practice.data_dir) as database:
            outgoing = {"delivery.message_class": "outreach"}
            states = Counter(
                one["delivery"]["status"] for one in database["interactions"].find(outgoing)
            )
            assert sorted(left) == sent_keys(database)
        assert {key: times for key, times in left.items() if times > 1} == {}
        assert set(states) <= {"sent", "pending"}
        assert states["sent"] >= LETTERS_A_KILL * KILLS

    async def test_every_message_is_known_by_the_id_that_gmail_gave_it(
        self, practice: Practice
    ) -> None:
        given = {one["key"]: one["message_id"] for one in await practice.post.ledger()}
        with stored(practice.data_dir) as database:
            for one in database["interactions"].find({"delivery.status": "sent"}):
                assert one["delivery"]["provider_message_id"] == given[str(one["_id"])]

    async def test_the_log_holds_no_traceback(self, practice: Practice) -> None:
        assert "Traceback" not in log_of(practice.data_dir)


class TestReplies:
    async def reply(self, practice: Practice) -> tuple[Json, Json]:
        """A patient answers; the campaign, and what they are sent back."""
        with stored(practice.data_dir) as database:
            campaign = _unanswered(database)
        thread_id, address = campaign["channel"]["thread_id"], campaign["address"]
        await practice.post.answer(thread_id, address, BOOKING_REPLY)
        return campaign, await _answered(practice, campaign)

    async def test_are_answered_in_their_thread(self, practice: Practice) -> None:
        campaign, answer = await self.reply(practice)

        first = (await practice.letters_to(campaign["address"]))[0]
        assert answer["thread_id"] == campaign["channel"]["thread_id"] == first["thread_id"]
        assert answer["subject"] == f"Re: {first['subject']}"
        assert answer["in_reply_to"] not in {"", first["message_id"]}

    async def test_without_a_notification_are_found_by_polling(self, practice: Practice) -> None:
        await practice.post.break_with(drop_push_rate=1)

        campaign, _ = await self.reply(practice)

        with stored(practice.data_dir) as database:
            now = database["campaigns"].find_one({"_id": campaign["_id"]})
            assert now is not None
            assert now["status"] == "RE_ENGAGED"

    async def test_are_found_when_gmail_forgot_its_history(self, practice: Practice) -> None:
        await practice.post.break_with(page_size=7)
        await practice.post.expire_history()

        campaign, _ = await self.reply(practice)

        with stored(practice.data_dir) as database:
            incoming = {"campaign_id": campaign["_id"], "direction": "incoming"}
            assert database["interactions"].count_documents(incoming) == 1
