"""All mail through Gmail: the loop, lost notifications, and kills while it sends and answers.

The short form kills a few times; `make chaos` sets CHAOS_KILLS, CHAOS_FAILING and CHAOS_SEED.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from bson import ObjectId

from app.core.clock import utc_now
from app.db.embedded import free_port
from app.demo.gmail.process import gmail_settings, running_gmail
from app.demo.mail import GmailPost
from app.demo.walkthrough import BOOKING_REPLY
from tests.system.replies import LEADS_TO, MailboxReply, account_of, expected_account
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
    pytest.mark.timeout(14_400),
    pytest.mark.asyncio(loop_scope="module"),
]

KILLS = int(os.environ.get("CHAOS_KILLS", "4"))  # noqa: TID251 - the suite's own switch
FAILING = float(os.environ.get("CHAOS_FAILING", "0.3"))  # noqa: TID251 - the suite's own switch
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: TID251, S311 - the suite's own switch
NAME = "due"
ZONE = ZoneInfo("America/New_York")
"""The demo clinic's."""
LETTERS_A_KILL = 10
REPLIES_A_KILL = 10
SPARE = 5
"""Patients who have not answered yet when all is over."""
LONGEST_ROUND_SECONDS = 8.0
"""Long enough to answer a reply in: one that five crashes fell into is given to a person."""
SETTLE_SECONDS = 200 + 15 * KILLS
REPLY_SECONDS = 120
FAULTS = {
    "fail_rate": FAILING / 2,
    "fail_after_rate": FAILING / 2 / (1 - FAILING / 2),
    "delay_seconds": 0.05,
    "answer_delay_seconds": 0.3,
}
"""Of the calls that fail, half do after they did what was asked for."""


@dataclass(frozen=True)
class Written:
    """What a patient answered to the first letter."""

    address: str
    text: str
    message_id: str


@dataclass
class Practice:
    """A service on a folder, the Gmail it uses, and what was done with the two."""

    data_dir: Path
    post: GmailPost
    settings: dict[str, str]
    dice: random.Random
    written: list[Written] = field(default_factory=list)
    sending: set[tuple[str, int]] = field(default_factory=set)
    answering: set[tuple[str, int]] = field(default_factory=set)
    left_among_kills: int = 0
    given_up: int = 0

    async def letters_to(self, address: str) -> list[Json]:
        """What left for a patient."""
        return [entry for entry in await self.post.ledger() if entry["to"] == address]

    async def write_back(self, wanted: int) -> None:
        """So many patients answer the letter they have got, in its thread."""
        wanted = min(wanted, REPLIES_A_KILL * KILLS - len(self.written))
        has_answered = {one.address for one in self.written}
        first = {entry["to"]: entry for entry in reversed(await self.post.ledger())}
        ours = (entry for to, entry in first.items() if to.startswith(f"{NAME}."))
        waiting = [entry for entry in ours if entry["to"] not in has_answered]
        for entry in waiting[:wanted]:
            text = list(LEADS_TO)[len(self.written) % len(LEADS_TO)]
            mail = {"thread_id": entry["thread_id"], "sender": entry["to"], "text": text}
            arrived = await self.post.arrive(mail)
            self.written.append(Written(entry["to"], text, arrived["id"]))

    def summary(self) -> str:
        """What `make chaos` prints."""
        return (
            f"seed {SEED}, {FAILING:.0%} of Gmail's answers failing: {KILLS} kills over "
            f"{LETTERS_A_KILL * KILLS} letters and {len(self.written)} replies; caught in the act: "
            f"{len(self.sending)} letters leaving, {len(self.answering)} events worked on; "
            f"{self.left_among_kills} messages had left at the last kill; "
            f"{self.given_up} messages were given to a person after five crashes"
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def practice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Practice]:
    """Killed while it sends and answers, again and again; afterwards it runs, and nothing fails
    any more. A few patients have not answered yet.
    """
    data_dir, port = tmp_path_factory.mktemp("gmail"), free_port()
    async with running_gmail(data_dir, port) as gmail:
        settings = {
            **gmail_settings(str(gmail.base_url).rstrip("/")),
            "PORT": str(port),
            "GMAIL_POLL_SECONDS": "3",
            "GMAIL_TIMEOUT_SECONDS": "5",
        }
        dice = random.Random(SEED)  # noqa: S311 - the same kills every time
        practice = Practice(data_dir, GmailPost(gmail), settings, dice)
        async with live(data_dir, **settings) as service:
            await add_due_patients(service, NAME, LETTERS_A_KILL * KILLS + SPARE)
            await practice.post.break_with(**FAULTS)
            await sweep(service, seconds=SETTLE_SECONDS)
            await _letters_leave(practice)
            await _kill(practice, service, at_once=True)
        for _ in range(KILLS - 1):
            async with live(data_dir, **settings) as service:
                await _kill(practice, service)
        practice.left_among_kills = len(await practice.post.ledger())
        await practice.post.break_with()
        async with live(data_dir, **settings) as service:
            await _settled(service)
            await practice.write_back(REPLIES_A_KILL * KILLS)
            await _all_read(practice)
            await _settled(service)
            with stored(data_dir) as database:
                practice.given_up = len(_given_up(database))
            print(f"\n{practice.summary()}")  # noqa: T201
            yield practice


async def _letters_leave(practice: Practice) -> None:
    """So that one kill at least falls into the act."""

    async def leaving() -> bool | None:
        with stored(practice.data_dir) as database:
            sending = {"delivery.status": "sending"}
            return database["interactions"].count_documents(sending) > 0 or None

    await eventually(leaving, seconds=SETTLE_SECONDS, message="No letter left.", every=0.02)


async def _kill(practice: Practice, service: Live, *, at_once: bool = False) -> None:
    """While patients write, letters leave and replies are answered."""
    writing = asyncio.create_task(practice.write_back(REPLIES_A_KILL))
    if not at_once:
        await asyncio.sleep(practice.dice.uniform(0, LONGEST_ROUND_SECONDS))
    with stored(practice.data_dir) as database:
        sending = database["interactions"].find({"delivery.status": "sending"})
        practice.sending |= {(str(one["_id"]), one["delivery"]["term"]) for one in sending}
        working = database["inbound_events"].find({"state": "processing"})
        practice.answering |= {(str(one["_id"]), one["term"]) for one in working}
    service.kill()  # the driver waits 30 s to take leave of a database that is gone
    await writing


async def _all_read(practice: Practice) -> None:
    """Wait until what patients wrote last is on record: until then no queue holds it."""

    async def read() -> bool | None:
        with stored(practice.data_dir) as database:
            events = database["inbound_events"].count_documents({"source": "gmail"})
        return events >= len(practice.written) or None

    await eventually(read, seconds=SETTLE_SECONDS, message="The mailbox was not read.")


async def _settled(service: Live) -> None:
    async def settled() -> bool | None:
        with stored(service.data_dir) as database:
            return _nothing_waits(database) or None

    await eventually(
        settled, seconds=SETTLE_SECONDS, message="The service did not settle.", every=0.5
    )


def _nothing_waits(database: Stored) -> bool:
    """Also no message that is put off for a failed try; one for another day may be."""
    tried = {"delivery.status": "pending", "delivery.error": {"$regex": "Gmail"}}
    return queues_are_empty(database) and not database["interactions"].count_documents(tried)


def _unanswered(database: Stored, practice: Practice) -> Json:
    """A campaign nobody has answered yet, with its patient's address."""
    have_answered = [one.address for one in practice.written]
    ours = {"email": {"$regex": rf"^{NAME}\.", "$nin": have_answered}}
    patients = {one["_id"]: one["email"] for one in database["patients"].find(ours)}
    campaign = database["campaigns"].find_one(
        {
            "patient_id": {"$in": list(patients)},
            "status": "ATTEMPTING_RECOVERY",
            "channel.thread_id": {"$exists": True},
            "last_reply_at": {"$exists": False},
        }
    )
    assert campaign is not None
    return {**campaign, "address": patients[campaign["patient_id"]]}


def _reply(database: Stored, written: Written) -> MailboxReply:
    """With the campaign it belongs to."""
    patient = database["patients"].find_one({"email": written.address})
    assert patient is not None
    campaign = database["campaigns"].find_one({"patient_id": patient["_id"]})
    assert campaign is not None
    return MailboxReply(campaign, written.address, written.text, written.message_id)


def _told(database: Stored, key: str) -> Json:
    """What there is to know about a letter whose record is not what Gmail's ledger says."""
    letter = database["interactions"].find_one({"_id": ObjectId(key)}) or {}
    campaign = database["campaigns"].find_one({"_id": letter.get("campaign_id")}) or {}
    told = ("delivery", "attempt", "dedupe_key", "timestamp")
    moved = [(one["to"], one["at"]) for one in campaign.get("history", ())]
    return {name: letter.get(name) for name in told} | {"key": key, "moved": moved}


def _given_up(database: Stored) -> set[str]:
    """What five crashes fell into: it is a person's then."""
    return {str(event["_id"]) for event in database["inbound_events"].find({"state": "dead"})}


async def _answered(practice: Practice, campaign: Json) -> Json:
    """The answer to the patient's reply, out of Gmail's ledger."""

    async def look() -> Json | None:
        letters = await practice.letters_to(campaign["address"])
        return letters[1] if len(letters) > 1 else None

    return await eventually(look, seconds=REPLY_SECONDS, message="The reply got no answer.")


class TestKills:
    async def test_fell_into_the_act(self, practice: Practice) -> None:
        assert practice.sending | practice.answering

    async def test_nothing_left_twice_and_nothing_is_lost(self, practice: Practice) -> None:
        left = Counter(letter.key for letter in await practice.post.letters())
        with stored(practice.data_dir) as database:
            outgoing = {"delivery.message_class": "outreach"}
            states = Counter(
                one["delivery"]["status"] for one in database["interactions"].find(outgoing)
            )
            differ = set(left).symmetric_difference(sent_keys(database))
            assert [_told(database, key) for key in differ] == []
        assert {key: times for key, times in left.items() if times > 1} == {}
        assert set(states) <= {"sent", "pending"}
        assert states["sent"] >= LETTERS_A_KILL * KILLS

    async def test_nobody_was_written_to_first_twice_on_a_day(self, practice: Practice) -> None:
        """The demo clinic has families with one address for all."""
        with stored(practice.data_dir) as database:
            outreach = {
                str(one["_id"]): one["timestamp"].astimezone(ZONE).date()
                for one in database["interactions"].find({"delivery.message_class": "outreach"})
            }
        letters = [one for one in await practice.post.ledger() if one["key"] in outreach]
        days = 1 + (utc_now().astimezone(ZONE).date() - min(outreach.values())).days
        assert max(Counter(one["to"] for one in letters).values()) <= days

    async def test_each_reply_is_stored_and_answered_once(self, practice: Practice) -> None:
        with stored(practice.data_dir) as database:
            given_up = _given_up(database)
            replies = [_reply(database, one) for one in practice.written]
            accounts = {one.provider_id: account_of(database, one) for one in replies}
        assert len(accounts) == REPLIES_A_KILL * KILLS
        assert len(given_up) <= len(accounts) // 4
        assert {i: one for i, one in accounts.items() if i not in given_up} == {
            one.provider_id: expected_account(one)
            for one in replies
            if one.provider_id not in given_up
        }
        for reply in replies:
            if reply.provider_id in given_up:
                assert accounts[reply.provider_id]["incoming"] == 1
                assert reply.campaign["attention"]["reason"] == "processing_failed"

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
            campaign = _unanswered(database, practice)
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
