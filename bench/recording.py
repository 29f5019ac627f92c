"""Which commands a request sends to the database, and which of them wait for which."""

import contextlib
import copy
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

_ADDED_BY_THE_DRIVER = frozenset(
    {"lsid", "$db", "$clusterTime", "$readPreference", "txnNumber", "writeConcern", "ordered"}
)

_BESIDE = ("audit", "event")


@dataclass(frozen=True, slots=True)
class Command:
    """One command, with the seconds it was sent and answered at."""

    name: str
    collection: str
    body: Mapping[str, Any]
    sent_at: float
    answered_at: float

    def to_replay(self) -> dict[str, Any]:
        """What is needed to send it again."""
        return {"name": self.name, "collection": self.collection, "body": dict(self.body)}


class CommandRecorder(CommandListener):
    """Registered with the driver before the client is made; keeps commands while it is told to."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[float, Mapping[str, Any]]] = {}
        self._kept: list[Command] | None = None

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[Command]]:
        """The commands answered within the block."""
        kept: list[Command] = []
        self._kept = kept
        try:
            yield kept
        finally:
            self._kept = None

    def started(self, event: CommandStartedEvent) -> None:
        """See `CommandListener`."""
        if self._kept is not None:
            body = {k: v for k, v in event.command.items() if k not in _ADDED_BY_THE_DRIVER}
            self._sent[event.request_id] = (time.perf_counter(), copy.deepcopy(body))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """See `CommandListener`."""
        self._answered(event)

    def failed(self, event: CommandFailedEvent) -> None:
        """See `CommandListener`. A refused command cost its trip too."""
        self._answered(event)

    def _answered(self, event: CommandSucceededEvent | CommandFailedEvent) -> None:
        answered_at = time.perf_counter()
        sent_at, body = self._sent.pop(event.request_id, (0.0, None))
        if self._kept is None or body is None:
            return
        on = body["collection"] if event.command_name == "getMore" else body[event.command_name]
        self._kept.append(Command(event.command_name, str(on), body, sent_at, answered_at))


class CommandCounter(CommandListener):
    """Registered like the recorder; counts commands by name and collection."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        """See `CommandListener`."""
        name = event.command_name
        on = event.command.get("collection" if name == "getMore" else name)
        self.counts[f"{name} {on}"] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """See `CommandListener`. Counted when it was sent."""

    def failed(self, event: CommandFailedEvent) -> None:
        """See `CommandListener`. Counted when it was sent."""


def of_the_request(commands: Sequence[Command]) -> list[Command]:
    """Without what is written beside it: entries of the audit log, and events, which stand in an
    order that no replay could take again.
    """
    return [one for one in commands if not one.collection.startswith(_BESIDE)]


def round_trips(commands: Sequence[Command]) -> list[list[Command]]:
    """The commands by the round trip they belong to: those that overlap are one.

    So many trips are the least that a request takes: each holds a command that was sent after one
    of the trip before it had been answered.
    """
    trips: list[list[Command]] = []
    ends = 0.0
    for command in sorted(commands, key=lambda one: one.sent_at):
        if not trips or command.sent_at >= ends:
            trips.append([])
            ends = command.answered_at
        trips[-1].append(command)
        ends = min(ends, command.answered_at)
    return trips


def fewest_trips(recordings: Sequence[Sequence[Command]]) -> list[list[Command]]:
    """The trips of the recording with the fewest: a busy machine may pull commands apart that
    were sent together, and never lets one that waits for another overtake it.
    """
    return min((round_trips(one) for one in recordings), key=len)
