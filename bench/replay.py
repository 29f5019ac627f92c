"""Sends recorded commands again through the same driver: the same calls, with nothing computed."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from bson import ObjectId, decode, encode
from bson.codec_options import CodecOptions

from app.db.database import Collection, Database
from app.models.base import new_id
from app.services.scheduling.claims import BUCKET_SECONDS
from bench.practice import Guest, Place
from bench.recording import Command

_CLAIM = re.compile(r"(?P<whose>[pcu]:[0-9a-f]{24})@(?P<bucket>[0-9]+)")
_AWARE = CodecOptions[dict[str, Any]](tz_aware=True)

Trip: TypeAlias = list[dict[str, Any]]
"""Commands that are sent at once."""


def to_trips(trips: Sequence[Sequence[Command]]) -> list[Trip]:
    """As they are replayed, without the reading on in a cursor that reading to the end does."""
    wanted = [[one.to_replay() for one in trip if one.name != "getMore"] for trip in trips]
    return [trip for trip in wanted if trip]


def packed(replays: Sequence[Sequence[Trip]], answer: bytes, status: int) -> bytes:
    """For the way to the process that replays."""
    return encode({"replays": list(replays), "answer": answer, "status": status})


def unpacked(content: bytes) -> dict[str, Any]:
    """See `packed`."""
    return decode(content, _AWARE)


async def send(database: Database, trips: Sequence[Trip]) -> None:
    """One request's commands, trip after trip; what is found is read to the end."""
    for trip in trips:
        await asyncio.gather(
            *(
                _SENDERS[one["name"]](database.collection(one["collection"]), one["body"])
                for one in trip
            )
        )


async def _find(collection: Collection, body: Mapping[str, Any]) -> None:
    asked = {
        "filter": body.get("filter"),
        "projection": body.get("projection"),
        "sort": list(body["sort"].items()) if "sort" in body else None,
        "skip": body.get("skip", 0),
    }
    if body.get("singleBatch"):
        await collection.find_one(**asked)
    else:
        batch = {"limit": body.get("limit", 0), "batch_size": body.get("batchSize", 0)}
        await collection.find(**asked, **batch).to_list(None)


async def _aggregate(collection: Collection, body: Mapping[str, Any]) -> None:
    await collection.aggregate(body["pipeline"]).to_list(None)


async def _insert(collection: Collection, body: Mapping[str, Any]) -> None:
    documents = body["documents"]
    if len(documents) == 1:
        await collection.insert_one(documents[0])
    else:
        await collection.insert_many(documents)


async def _update(collection: Collection, body: Mapping[str, Any]) -> None:
    for one in body["updates"]:
        change = collection.update_many if one.get("multi") else collection.update_one
        await change(one["q"], one["u"], upsert=bool(one.get("upsert")))


async def _delete(collection: Collection, body: Mapping[str, Any]) -> None:
    for one in body["deletes"]:
        await (collection.delete_one if one["limit"] else collection.delete_many)(one["q"])


_SENDERS: dict[str, Callable[[Collection, Mapping[str, Any]], Awaitable[None]]] = {
    "find": _find,
    "aggregate": _aggregate,
    "insert": _insert,
    "update": _update,
    "delete": _delete,
}


@dataclass(frozen=True)
class Booking:
    """Who books what."""

    guest: Guest
    place: Place


class Rebooking:
    """Makes of the commands of one recorded booking those of another one.

    They find and write as many documents: the ids, the contact, the day and the claims are the
    other booking's, and what was given a new id gets a new one.
    """

    def __init__(self, trips: Sequence[Trip], of: Booking, recorded_at: datetime) -> None:
        """`of` names the pair of provider and chair that the recorded booking was given."""
        self._trips = trips
        self._of = of
        self._far = recorded_at + timedelta(days=5)
        """Later instants are the visit's; what is nearer was read off the clock."""
        self._made = [
            document["_id"]
            for trip in trips
            for command in trip
            for document in command["body"].get("documents", ())
            if isinstance(document["_id"], ObjectId)
        ]

    def commands_of(self, booking: Booking) -> list[Trip]:
        """The commands of that booking."""
        old, new = self._of, booking
        ids = {
            old.guest.patient.id: new.guest.patient.id,
            old.guest.campaign.id: new.guest.campaign.id,
            old.place.provider_id: new.place.provider_id,
            old.place.chair_id: new.place.chair_id,
            **{one: new_id() for one in self._made},
        }
        texts = {str(was): str(becomes) for was, becomes in ids.items()}
        for name in ("name", "name_key", "email", "phone"):
            texts[getattr(old.guest.patient, name)] = getattr(new.guest.patient, name)
        later = new.place.starts_at - old.place.starts_at
        change = _Change(ids, texts, later, self._far)
        return [[change.of(command) for command in trip] for trip in self._trips]


@dataclass(frozen=True)
class _Change:
    """What of a recorded command becomes what."""

    ids: Mapping[ObjectId, ObjectId]
    texts: Mapping[str, str]
    later: timedelta
    far: datetime

    def of(self, value: Any) -> Any:  # noqa: ANN401 - whatever a command holds
        """The value with everything in it replaced."""
        if isinstance(value, Mapping):
            return {key: self.of(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(one) for one in value]
        if isinstance(value, ObjectId):
            return self.ids.get(value, value)
        if isinstance(value, datetime):
            return value + self.later if value > self.far else value
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for was, becomes in self.texts.items():
            text = text.replace(was, becomes)
        if claim := _CLAIM.fullmatch(text):
            bucket = int(claim["bucket"]) + self.later // timedelta(seconds=BUCKET_SECONDS)
            return f"{claim['whose']}@{bucket}"
        return text
