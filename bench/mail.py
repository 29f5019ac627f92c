"""Mail's two hot paths: a push is stored before it is acknowledged, and a letter leaves once.

The webhook is compared with a route that makes the same journaled insert and answers as little;
what the sender notes about a letter, with two bare updates of the same documents.
"""

import copy
import json
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.core.clock import SystemClock, utc_now
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.base import PyObjectId, new_id
from app.models.interaction import Delivery, DeliveryStatus, Direction, Interaction, MessageClass
from app.models.patient import Channel
from app.services.departments import Outreach
from app.services.foundation import Foundation
from app.services.metrics import Metrics
from bench.figures import Figure, Goal, shares
from bench.load import post
from bench.practice import guest
from bench.recording import Command, CommandRecorder, fewest_trips
from bench.replay import Trip, packed, to_trips
from bench.requests import (
    REFERENCE,
    ReplayError,
    alternating,
    load_reference,
    recorded_service,
    share_of_rate,
)
from bench.site import SETTINGS, Site, insert
from bench.sizes import WARM_UP, Sizes

WEBHOOK = "/api/v1/webhooks/gmail"
_RECORDED = 5
_PARTS = 4


def in_short_rounds(sizes: Sizes) -> Sizes:
    """As much in all, in more and shorter rounds: whatever else the machine does then falls on both
    sides of a round alike, and a round that it spoils does not move the median.
    """
    return replace(sizes, rounds=sizes.rounds * _PARTS, reads=max(2, sizes.reads // _PARTS))


# The webhook


def push(message_id: str) -> dict[str, Any]:
    """Gmail's notification, as Pub/Sub delivers it."""
    told = {"emailAddress": "frontdesk@example.com", "historyId": 4711}
    data = b64encode(json.dumps(told).encode()).decode()
    message = {"data": data, "messageId": message_id, "publishTime": "2026-11-23T12:00:00Z"}
    return {"message": message, "subscription": "projects/bench/subscriptions/gmail"}


async def webhook(site: Site, recorder: CommandRecorder, sizes: Sizes) -> AsyncIterator[Figure]:
    """Accepting a push, against a raw journaled insert of the same document."""
    sizes = in_short_rounds(sizes)
    trips = await _recorded_push(site, recorder)
    events = site.database.collection("inbound_events")

    async def ours() -> float:
        return await _pushed(site, sizes.reads)

    async def theirs() -> float:
        return await _inserted(site, to_trips(trips), sizes.reads)

    before = await events.count_documents({})
    await _pushed(site, WARM_UP)
    await _inserted(site, to_trips(trips), WARM_UP)
    if await events.count_documents({}) != before + 2 * WARM_UP:
        message = "The two routes do not store as much."
        raise ReplayError(message)
    yield share_of_rate("POST /webhooks/gmail", await alternating(ours, theirs, sizes))
    yield Figure("  database commands", [sum(map(len, trips))], "")


async def _recorded_push(site: Site, recorder: CommandRecorder) -> list[list[Command]]:
    recordings = []
    async with recorded_service(site) as client:
        for _ in range(_RECORDED):
            with recorder.recording() as commands:
                answer = await client.post(WEBHOOK, json=push(secrets.token_hex(8)))
            answer.raise_for_status()
            recordings.append(commands)
    return fewest_trips(recordings)


async def _pushed(site: Site, number: int) -> float:
    """So many pushes; how many a second."""
    wanted = [post(WEBHOOK, push(secrets.token_hex(8))) for _ in range(number)]
    return await site.load.rate(wanted, 200)


async def _inserted(site: Site, trips: Sequence[Trip], number: int) -> float:
    """So many inserts by the reference route; how many a second."""
    replays = [another(trips) for _ in range(number)]
    await load_reference(site, "webhook", packed(replays, b"", 200), repeats=False)
    body = push(secrets.token_hex(8))
    return await site.load.rate([post(f"{REFERENCE}/webhook", body)] * number, 200)


def another(trips: Sequence[Trip]) -> list[Trip]:
    """The commands of one more push, under an id of its own that is as long."""
    made = copy.deepcopy(list(trips))
    for trip in made:
        for command in trip:
            for document in command["body"].get("documents", ()):
                kept = str(document["_id"]).rpartition(":")[0]
                document["_id"] = f"{kept}:{secrets.token_hex(8)}"
    return made


# The outbox


async def outbox(site: Site, recorder: CommandRecorder, sizes: Sizes) -> AsyncIterator[Figure]:
    """What is noted of a letter that leaves, against two bare updates of its document."""
    sizes = in_short_rounds(sizes)
    repositories = Repositories.over(site.database, SystemClock())

    async def ours() -> float:
        return await _noted(repositories, await _letters(site, sizes.reads))

    async def bare() -> float:
        return await _updated(site, await _letters(site, sizes.reads), is_guarded=False)

    async def guarded() -> float:
        return await _updated(site, await _letters(site, sizes.reads), is_guarded=True)

    await ours()
    await bare()
    rates = await alternating(ours, bare, sizes)
    title = "Outbox: letters claimed and noted a second / two bare updates"
    yield Figure(title, shares(*rates), " %", Goal("at least", 60))
    rates = await alternating(ours, guarded, sizes)
    title = "  the same / two updates that ask as much of the document"
    yield Figure(title, shares(*rates), " %")
    commands = await _recorded_letter(site, recorder)
    kept = [one for one in commands if one.name == "update" and one.collection == "interactions"]
    yield Figure("  round trips of a letter's bookkeeping", [len(kept)], "", Goal("at most", 2))
    yield Figure("  database commands of a letter, the gate's reads with them", [len(commands)], "")


async def _noted(repositories: Repositories, letters: Sequence[Interaction]) -> float:
    """Claim and note each as the sender does; how many a second."""
    outbox, now = repositories.outbox, utc_now()
    started = time.perf_counter()
    for letter in letters:
        await outbox.claim_for_sending(
            letter, lease_until=now, day_slot=None, channel=Channel.EMAIL
        )
        await outbox.record_sent(
            letter, 1, _outcome(letter.id, now), subject="A word", thread_id=f"t-{letter.id}"
        )
    return len(letters) / (time.perf_counter() - started)


async def _updated(site: Site, letters: Sequence[Interaction], *, is_guarded: bool) -> float:
    """Two updates by id of each, which write as much; how many a second."""
    collection, now = site.database.collection("interactions"), utc_now()
    pending = {"delivery.status": "pending", "delivery.term": 0} if is_guarded else {}
    sending = {"delivery.status": "sending", "delivery.term": 1} if is_guarded else {}
    started = time.perf_counter()
    for letter in letters:
        claim = {"delivery.status": "sending", "delivery.lease_until": now, "channel": "email"}
        counted = {"delivery.term": 1, "delivery.attempts": 1}
        claimed = {"$set": {**claim, "updated_at": now}, "$inc": counted}
        await collection.update_one({"_id": letter.id, **pending}, claimed)
        outcome = {f"delivery.{name}": one for name, one in _outcome(letter.id, now).items()}
        named = {"subject": "A word", "thread_id": f"t-{letter.id}", "updated_at": now}
        removed = {"delivery.lease_until": "", "delivery.error": ""}
        sent = {"$set": {**outcome, **named}, "$unset": removed}
        await collection.update_one({"_id": letter.id, **sending}, sent)
    return len(letters) / (time.perf_counter() - started)


def _outcome(key: PyObjectId, now: datetime) -> dict[str, Any]:
    return {
        "status": DeliveryStatus.SENT,
        "sent_at": now,
        "provider_message_id": f"<{key}@example.com>",
        "sent_to": "guest@example.com",
    }


async def _letters(site: Site, number: int) -> list[Interaction]:
    """So many in the outbox."""
    letters = [_letter(number) for number in range(1, number + 1)]
    await insert(site.database, "interactions", letters)
    return letters


def _letter(number: int) -> Interaction:
    """An answer to a patient in a campaign; of a class that may leave at any hour."""
    key, now, who = new_id(), utc_now(), guest(number)
    return Interaction(
        id=key,
        patient_id=who.patient.id,
        campaign_id=who.campaign.id,
        direction=Direction.OUTGOING,
        subject="A word",
        content="We look forward to seeing you.",
        timestamp=now,
        dedupe_key=f"bench:{key}",
        delivery=Delivery(message_class=MessageClass.STAFF, not_before=now),
    )


async def _recorded_letter(site: Site, recorder: CommandRecorder) -> list[Command]:
    """What the whole sender asks for one letter of a conversation that runs, least of some."""
    given: dict[str, Any] = {name.lower(): value for name, value in SETTINGS.items()}
    given |= {"mongo_uri": site.uri, "database_name": site.name, "data_dir": site.folder / "sent"}
    base = Foundation.build(Settings(_env_file=None, **given), SystemClock(), Metrics(), site.uri)
    sender = Outreach.build(base).sender
    recordings = []
    try:
        while await sender.work_off():
            pass
        for _ in range(_RECORDED):
            await _letters(site, 1)
            with recorder.recording() as commands:
                await sender.work_off()
            recordings.append(commands)
    finally:
        base.security.close()
        base.database.close()
    return min(recordings, key=len)
