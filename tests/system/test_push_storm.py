"""A storm of notifications: shuffled, late, several times each, while the agent is slow.

The short form runs in `make test`; `make chaos` sets PUSH_STORM_MESSAGES and PUSH_STORM_LATEST.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from app.db.embedded import free_port
from app.demo import walkthrough
from app.demo.gmail.process import MAILBOX, gmail_settings, running_gmail
from app.demo.mail import GmailPost
from tests.system.pubsub import Subscription, genuine_token
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
    sweep,
)

pytestmark = [
    pytest.mark.mongo,
    pytest.mark.timeout(36_000),
    pytest.mark.asyncio(loop_scope="module"),
]

MESSAGES = int(os.environ.get("PUSH_STORM_MESSAGES", "120"))  # noqa: TID251 - the suite's own switch
LATEST_SECONDS = float(os.environ.get("PUSH_STORM_LATEST", "3"))  # noqa: TID251 - the suite's own switch
SEED = int(os.environ.get("PUSH_STORM_SEED", "1"))  # noqa: TID251 - the suite's own switch
CONVERSATIONS = max(8, MESSAGES // 20)
SLOW = {"delay_seconds": 0.2, "page_size": 10}
"""Every message the agent reads has to be fetched, and each fetch takes this long. The history
comes in small pages, so that the cursor has many steps to go.
"""
LOOK_EVERY_SECONDS = 0.05
SETTLE_SECONDS = 300 + MESSAGES * 2
TEXTS = (
    walkthrough.BOOKING_REPLY,
    walkthrough.QUESTION_REPLY,
    walkthrough.DENIAL_REPLY,
    walkthrough.EMERGENCY_REPLY,
    "Thanks!",
)


@dataclass
class Storm:
    """What was written into the mailbox and pushed, and what was seen meanwhile."""

    service: Live
    post: GmailPost
    subscription: Subscription
    message_ids: list[str] = field(default_factory=list)
    cursors: list[int] = field(default_factory=list)
    left_to_do: int = 0
    """How many messages the agent had not processed when the last push was answered."""

    def summary(self) -> str:
        """What `make chaos` prints."""
        moves = len(set(self.cursors)) - 1
        return (
            f"seed {SEED}: {len(self.message_ids)} messages; {self.subscription.summary()} "
            f"(goal of the p99: under 1000 ms); "
            f"{self.left_to_do} messages still waited for the agent then; "
            f"cursor looked at {len(self.cursors)} times, moved {moves} times"
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def storm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Storm]:
    """The storm is over, and everything it led to is done."""
    data_dir, port = tmp_path_factory.mktemp("push-storm"), free_port()
    dice = random.Random(SEED)  # noqa: S311 - the same storm every time
    async with running_gmail(data_dir, port) as gmail:
        settings = {
            **gmail_settings(str(gmail.base_url).rstrip("/")),
            "PORT": str(port),
            "GMAIL_POLL_SECONDS": "3600",
        }
        async with live(data_dir, DEMO_DATA="false", **settings) as service:
            token = await genuine_token(gmail)
            subscription = Subscription(service.client, token, dice, latest=LATEST_SECONDS)
            storm = Storm(service, GmailPost(gmail), subscription)
            await _rage(storm, await _conversations(storm), dice)
            print(f"\n{storm.summary()}")  # noqa: T201
            await _settled(service)
            yield storm


async def _conversations(storm: Storm) -> list[Json]:
    """Patients who were written to, with the threads of their letters."""
    await storm.post.break_with(drop_push_rate=1)
    await add_due_patients(storm.service, "due", CONVERSATIONS)
    await sweep(storm.service, seconds=SETTLE_SECONDS)
    await _settled(storm.service)
    letters = await storm.post.ledger()
    assert len(letters) == CONVERSATIONS
    return letters


async def _rage(storm: Storm, letters: list[Json], dice: random.Random) -> None:
    """Write, push and look at the cursor, all at the same time."""
    await storm.post.break_with(drop_push_rate=1, **SLOW)
    async with _watching(storm):
        delivering = asyncio.create_task(storm.subscription.deliver())
        for number in range(MESSAGES):
            mail = _mail(number, dice.choice(letters), dice)
            arrived = await storm.post.arrive(mail)
            storm.message_ids.append(arrived["id"])
            storm.subscription.publish(arrived["history_id"])
        storm.subscription.close()
        await delivering
        with stored(storm.service.data_dir) as database:
            processed = {"direction": "incoming", "processed_at": {"$exists": True}}
            done = database["interactions"].count_documents(processed)
        storm.left_to_do = MESSAGES - done
        await storm.post.break_with(drop_push_rate=1)


def _mail(number: int, letter: Json, dice: random.Random) -> Json:
    """An answer in its thread, a new mail of a known patient, or one of somebody unknown."""
    text = f"{dice.choice(TEXTS)}\n\nNo. {number}"
    kind = dice.random()
    if kind < 0.7:
        return {"sender": letter["to"], "text": text, "thread_id": letter["thread_id"]}
    sender = letter["to"] if kind < 0.85 else f"stranger.{number}@example.org"
    return {"sender": sender, "text": text, "subject": f"Question {number}"}


@contextlib.asynccontextmanager
async def _watching(storm: Storm) -> AsyncIterator[None]:
    """Note the cursor again and again."""
    with stored(storm.service.data_dir) as database:

        async def watch() -> None:
            while True:
                mailbox = await asyncio.to_thread(database["mailboxes"].find_one)
                storm.cursors.append(mailbox["history_id"] if mailbox else 0)
                await asyncio.sleep(LOOK_EVERY_SECONDS)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            assert not task.done(), task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _settled(service: Live) -> None:
    with stored(service.data_dir) as database:

        async def settled() -> bool | None:
            return await asyncio.to_thread(queues_are_empty, database) or None

        await eventually(
            settled, seconds=SETTLE_SECONDS, message="The service did not settle.", every=0.5
        )


def _incoming(database: Stored) -> list[Json]:
    return list(database["interactions"].find({"direction": "incoming"}))


class TestPushStorm:
    async def test_every_push_is_taken(self, storm: Storm) -> None:
        assert set(storm.subscription.answers) == {200}
        assert sum(storm.subscription.answers.values()) >= 2 * MESSAGES

    async def test_each_message_is_handled_once(self, storm: Storm) -> None:
        with stored(storm.service.data_dir) as database:
            found = Counter(one["provider_id"] for one in _incoming(database))
            unprocessed = [one for one in _incoming(database) if "processed_at" not in one]
        wanted = {f"gmail:{MAILBOX}:{message_id}": 1 for message_id in storm.message_ids}
        assert len(wanted) == MESSAGES
        assert found == wanted
        assert unprocessed == []

    async def test_no_event_is_left_and_none_is_dead(self, storm: Storm) -> None:
        with stored(storm.service.data_dir) as database:
            states = Counter(event["state"] for event in database["inbound_events"].find({}))
        assert set(states) == {"done"}

    async def test_nobody_is_answered_twice(self, storm: Storm) -> None:
        left = Counter(letter.key for letter in await storm.post.letters())
        with stored(storm.service.data_dir) as database:
            assert sorted(left.elements()) == sent_keys(database)
            replies = {"dedupe_key": {"$regex": "^reply:"}}
            answered = Counter(
                one["dedupe_key"].split(":")[1] for one in database["interactions"].find(replies)
            )
        assert len(answered) >= CONVERSATIONS // 2
        assert {key: times for key, times in answered.items() if times > 1} == {}

    async def test_the_cursor_never_goes_back(self, storm: Storm) -> None:
        assert storm.cursors == sorted(storm.cursors)
        assert len(set(storm.cursors)) > 1

    async def test_the_log_holds_no_traceback(self, storm: Storm) -> None:
        assert "Traceback" not in log_of(storm.service.data_dir)
