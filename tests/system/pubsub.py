"""Pub/Sub's part played by hand: signed pushes, each several times, late, out of order, repeated
until they are taken; and what was answered how fast.
"""

import asyncio
import heapq
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from app.core.clock import SystemClock
from app.demo.gmail.process import MAILBOX
from app.demo.gmail.push import notification
from tests.system.service import Json

PUSH = "/api/v1/webhooks/gmail"
SENDERS = 8
MOST_COPIES = 5
LATE_SHARE = 0.2
REDELIVERED_AFTER = (0.2, 2.0)
TAKEN = 200


@dataclass(order=True)
class _Delivery:
    """A push that is on its way."""

    due: float
    number: int
    body: Json = field(compare=False)


@dataclass(frozen=True)
class Answered:
    """What a push was answered, and when, in seconds of the performance counter."""

    started: float
    ended: float
    status: int


async def genuine_token(gmail: httpx.AsyncClient, **changed: object) -> str:
    """A token of the fake Gmail's, with these claims in place of the true ones."""
    answer = await gmail.post("/_fake/push-token", json=changed)
    return str(answer.raise_for_status().json()["token"])


class Subscription:
    """Delivers notifications about the mailbox to the service until each copy is taken."""

    def __init__(
        self, service: httpx.AsyncClient, token: str, dice: random.Random, *, latest: float
    ) -> None:
        """`latest`: how many seconds a late push is late at the most."""
        self._service = service
        self._headers = {"Authorization": f"Bearer {token}"}
        self._dice = dice
        self._latest = latest
        self._waiting: list[_Delivery] = []
        self._numbers = itertools.count()
        self._under_way = 0
        self._is_closed = False
        self.log: list[Answered] = []

    @property
    def answers(self) -> Counter[int]:
        """How many pushes were answered what."""
        return Counter(one.status for one in self.log)

    def publish(self, history_id: int) -> None:
        """The mailbox stands at `history_id`: one to five copies of the notification."""
        body = notification(MAILBOX, history_id, SystemClock())
        for _ in range(self._dice.randint(1, MOST_COPIES)):
            is_late = self._dice.random() < LATE_SHARE
            self._send_in(self._dice.uniform(0, self._latest if is_late else 1.0), body)

    def close(self) -> None:
        """Nothing more will be published."""
        self._is_closed = True

    async def deliver(self) -> None:
        """Push until it is closed and nothing waits any more."""
        await asyncio.gather(*(self._sender() for _ in range(SENDERS)))

    def _send_in(self, seconds: float, body: Json) -> None:
        due = time.monotonic() + seconds
        heapq.heappush(self._waiting, _Delivery(due, next(self._numbers), body))

    async def _sender(self) -> None:
        while self._waiting or self._under_way or not self._is_closed:
            if not self._waiting or self._waiting[0].due > time.monotonic():
                await asyncio.sleep(0.01)
                continue
            self._under_way += 1
            try:
                await self._push(heapq.heappop(self._waiting).body)
            finally:
                self._under_way -= 1

    async def _push(self, body: Json) -> None:
        started = time.perf_counter()
        answer = await self._service.post(PUSH, json=body, headers=self._headers)
        self.log.append(Answered(started, time.perf_counter(), answer.status_code))
        if answer.status_code != TAKEN:
            self._send_in(self._dice.uniform(*REDELIVERED_AFTER), body)

    def summary(self) -> str:
        """How many were answered what, and how fast."""
        ordered = sorted(one.ended - one.started for one in self.log)
        milliseconds = [ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99)]
        median, slow = milliseconds
        return (
            f"{len(ordered)} pushes by {SENDERS} senders, answered {dict(self.answers)}: "
            f"median {median:.0f} ms, p99 {slow:.0f} ms, "
            f"slowest {ordered[-1] * 1000:.0f} ms"
        )
