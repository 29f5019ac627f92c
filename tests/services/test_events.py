"""What the desk is told as it happens: numbered without gaps, each once, to all who listen."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.core.errors import UnauthenticatedError
from app.db.database import Database
from app.db.repositories import Repositories
from app.db.repositories.events import EventRepository
from app.models.appointment import AppointmentEvent, AppointmentEventKind
from app.models.base import new_id
from app.models.event import Event, EventKind
from app.models.interaction import (
    Delivery,
    DeliveryStatus,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.role import StaffRole
from app.services.campaigns import CampaignLifecycle
from app.services.container import Services
from app.services.events import LOOKS_BACK, EventHub, EventLog, TooManyListenersError
from app.services.work import WakeSignal
from tests.api.admin.desk import ADMIN, make_attention, make_reply, make_visit, problem
from tests.conftest import HeadersFor
from tests.factories import make_campaign
from tests.fakes import NOON, FrozenClock

EVENTS = f"{ADMIN}/events"
SECONDS = 60
"""Generous: only a test that fails waits so long."""


def event(number: int) -> Event:
    return Event(key=f"k{number}", kind=EventKind.REPLY, at=NOON, interaction_id=new_id())


async def allowed() -> None:
    """The session stands."""


async def ended() -> None:
    message = "Please sign in."
    raise UnauthenticatedError(message)


async def take(stream: AsyncIterator[Event | None], many: int) -> list[Event]:
    """So many events; heartbeats are passed over."""
    found: list[Event] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < many:
            got = await anext(stream)
            found += [got] if got else []
    return found


def parsed(text: str) -> list[dict[str, str]]:
    """The events of a stream, as a browser reads them."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


class TestNumbers:
    async def test_several_processes_leave_no_gap_and_a_reader_misses_nothing(
        self, database: Database, clock: FrozenClock
    ) -> None:
        processes = [EventRepository(database, clock) for _ in range(3)]
        reader = EventRepository(database, clock)
        start = await reader.newest()
        seen: list[Event] = []

        async def write(number: int) -> None:
            pair = [event(number), event(number + 1)]  # the second is the next one's first, too
            await processes[number % 3].append(pair)

        async def read() -> None:
            while len(seen) < 31:
                seen.extend(await reader.after(seen[-1].seq if seen else start, 7))

        async with asyncio.timeout(SECONDS):
            await asyncio.gather(read(), *(write(number) for number in range(30)))

        numbers = [one.seq for one in seen]
        assert numbers == list(range(start + 1, start + 32))
        assert len({one.key for one in seen}) == 31
        clock.advance(days=30)  # and all of them have expired
        await database.collection("events").delete_many({})
        late = EventRepository(database, clock)
        await late.append([event(99)])
        assert (await late.after(numbers[-1], 7))[0].seq > numbers[-1]


class TestLog:
    async def test_each_occasion_is_told_once_and_what_a_crash_kept_back_is_made_up_for(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        log = EventLog(repositories, clock)
        start = await repositories.events.newest()
        reply = make_reply(NOON, campaign_id=new_id())
        visit = make_visit(NOON)
        visit.pending_event = AppointmentEvent(kind=AppointmentEventKind.MOVED, at=NOON, by="x")
        waiting = await repositories.campaigns.insert(make_campaign(attention=make_attention(NOON)))

        await asyncio.gather(*(log.replied(reply) for _ in range(5)), log.booking_changed(visit))
        await log.booking_changed(visit)
        assert await log.reconcile() == 1
        assert await log.reconcile() == 0
        old = make_campaign(attention=make_attention(NOON - LOOKS_BACK))  # its event has expired
        await repositories.campaigns.insert(old)
        assert await log.reconcile() == 0
        await log.attention_changed(waiting.id)

        told = await repositories.events.after(start, 10)
        assert sorted((one.kind, one.change, one.campaign_id) for one in told) == [
            ("attention", None, waiting.id),
            ("booking", "moved", None),
            ("reply", None, reply.campaign_id),
        ]

    async def test_tells_who_took_a_task_on_that_it_is_done_and_which_letters_failed(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        log = EventLog(repositories, clock)
        lifecycle = CampaignLifecycle(repositories.campaigns, clock, log.attention_changed)
        start = await repositories.events.newest()
        taken, closed, crashed = [
            await repositories.campaigns.insert(make_campaign(attention=make_attention(NOON)))
            for _ in range(3)
        ]
        somebody = new_id()
        failed = await repositories.interactions.insert(make_letter(DeliveryStatus.FAILED))
        await repositories.interactions.insert(make_letter(DeliveryStatus.SENT))

        assert await lifecycle.claim_attention(taken.id, somebody)
        assert not await lifecycle.claim_attention(taken.id, new_id())
        assert await lifecycle.resolve_attention(taken, released=True)
        assert await lifecycle.resolve_attention(closed)
        assert not await lifecycle.resolve_attention(closed)
        assert crashed.attention is not None
        await repositories.campaigns.resolve_attention(crashed.id, crashed.attention)  # untold
        await log.letter_given_up(failed.id)
        await log.letter_given_up(failed.id)
        assert await log.reconcile() == 1
        assert await repositories.outbox.requeue(failed.id, [DeliveryStatus.FAILED])
        await log.letter_given_up(failed.id)  # it waits again

        told = await repositories.events.after(start, 20)
        assert [(one.kind, one.campaign_id, one.interaction_id) for one in told] == [
            (EventKind.ATTENTION, taken.id, None),
            (EventKind.ATTENTION_CLAIMED, taken.id, None),
            (EventKind.ATTENTION_RELEASED, taken.id, None),
            (EventKind.ATTENTION_RESOLVED, closed.id, None),
            (EventKind.LETTER_FAILED, None, failed.id),
            (EventKind.ATTENTION_RESOLVED, crashed.id, None),
        ]


def make_letter(status: DeliveryStatus) -> Interaction:
    """An outgoing message, as far as it came."""
    delivery = Delivery(status=status, message_class=MessageClass.STAFF, not_before=NOON, term=3)
    return Interaction(
        patient_id=new_id(),
        direction=Direction.OUTGOING,
        content="Hello",
        timestamp=NOON,
        delivery=delivery,
    )


class TestHub:
    @pytest.fixture
    def log(self, repositories: Repositories, clock: FrozenClock) -> EventLog:
        return EventLog(repositories, clock)

    async def test_everybody_gets_each_event_once_from_where_they_were(
        self, repositories: Repositories, log: EventLog
    ) -> None:
        hub = EventHub(repositories.events, log.signal, most_listeners=2)
        hub.open()
        start = await repositories.events.newest()
        await repositories.events.append([event(1), event(2)])
        early, late = hub.listen(start, allowed), hub.listen(start + 1, allowed)
        assert [one.seq for one in await take(early, 2)] == [start + 1, start + 2]
        assert [one.seq for one in await take(late, 1)] == [start + 2]
        with pytest.raises(TooManyListenersError):
            hub.listen(start, allowed)

        await log.replied(make_reply(NOON))
        await repositories.events.append([event(4)])  # by another process: found by the poll
        for stream in (early, late):
            assert [one.seq for one in await take(stream, 2)] == [start + 3, start + 4]

        hub.close()
        async with asyncio.timeout(SECONDS):
            assert [one async for one in early] == [one async for one in late] == []
        hub.listen(start, allowed)  # their places are free

    async def test_a_stream_ends_with_the_session_and_beats_until_then(
        self, repositories: Repositories, log: EventLog
    ) -> None:
        hub = EventHub(repositories.events, WakeSignal(), heartbeat_seconds=0.01)
        hub.open()
        start = await repositories.events.newest()
        lasting = hub.listen(start, allowed)

        async with asyncio.timeout(SECONDS):
            assert await anext(lasting) is None
            assert [one async for one in hub.listen(start, ended)] == []
        hub.close()


class TestStream:
    async def test_resumes_after_the_last_event_and_says_where_it_cannot(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        services: Services,
        database: Database,
    ) -> None:
        """Without background work a stream ends with what there is."""
        headers = await headers_for(StaffRole.READ_ONLY)

        async def stream(last: object = None) -> list[dict[str, str]]:
            resumed = headers | ({"Last-Event-ID": str(last)} if last is not None else {})
            answer = await app_client.get(EVENTS, headers=resumed)
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            return parsed(answer.text)

        (ready,) = await stream()
        reply = make_reply(NOON, campaign_id=new_id(), patient_id=new_id(), sender="m@example.com")
        await services.base.event_log.replied(reply)
        await services.repositories.events.append([event(2)])

        told = await stream(ready["id"])

        assert [one["event"] for one in told] == ["ready", "reply", "reply"]
        assert told[1]["data"] == (
            f'{{"kind":"reply","at":"2026-08-19T16:00:00Z","campaign_id":"{reply.campaign_id}",'
            f'"interaction_id":"{reply.id}"}}'
        )
        assert [one["event"] for one in await stream(told[1]["id"])] == ["ready", "reply"]
        assert [one["event"] for one in await stream(told[2]["id"])] == ["ready"]
        await database.collection("events").delete_one({"key": f"reply:{reply.id}"})  # expired
        for lost in (ready["id"], 1, 10**15):
            assert [(one["event"], one["id"]) for one in await stream(lost)] == [
                ("reset", told[2]["id"])
            ]
        wrong: dict[str, Any] = headers | {"Last-Event-ID": "1; drop"}
        problem(await app_client.get(EVENTS, headers=wrong), 422)
        problem(await app_client.get(EVENTS), 401)
