"""`python -m bench.agent_lag`: how long the event loop stands still while the agent reads replies.

Eight replies come in at once and go the whole way, from the stored event to the queued letter, with
the local engine. Meanwhile a ticker asks to be woken every millisecond; how much later it is woken
than it asked is the lag that every other request of the process would see. The same ticker with
nothing to do is the machine's own share: other programs, and the operating system.
"""

import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from app.core.clock import SystemClock
from app.core.config import Settings
from app.core.interpreter import keep_for_good, take_short_turns
from app.models.campaign import (
    Campaign,
    CampaignChannel,
    CampaignOrigin,
    CampaignType,
    FollowUpDetails,
)
from app.models.patient import Patient, PatientType, name_key
from app.models.records import InboundEvent, KnowledgeArticle
from app.services.container import Services, running_services
from app.services.email_processor import RelayMessage
from app.services.metrics import Metrics

GOAL_MILLISECONDS = 20
ROUNDS = 5
TICK_SECONDS = 0.001
LONG = (
    "I have been meaning to write for weeks, and then the kids were ill and work got busy, you "
    "know how it is. My sister came to visit, and we talked about old times and about the dentist "
    "we had as children, who was a very kind man. Anyway. "
)
REPLIES = (
    "Yes please, book me in. Thursday after 2 works.",
    "How much is an in-office whitening, and do you take Delta Dental?",
    "No thank you, I found another dentist.",
    LONG * 12 + "So, any morning next week would be fine, but not Monday.",
    "Can I come on Tuesday? And how long does it take?",
    "Me gustaría una cita el martes por la tarde, por favor.",
    "Who is this? I never asked for anything.",
    "I know it has been a while. What are your opening hours on Friday?",
)
ARTICLES = (
    ("Teeth whitening", "An in-office whitening costs $350. It takes about one hour."),
    ("Opening hours", "We are open Monday to Friday from 9 am to 5 pm."),
    ("Insurance", "We accept Delta Dental and MetLife."),
)


@dataclass(frozen=True)
class Lag:
    """What a ticker saw, in milliseconds."""

    worst: float
    over_goal: int
    ticks: int
    worst_step: float
    """The most CPU time that the loop's thread took between two ticks."""
    worst_process: float
    """The most CPU time that all threads of the process took between two ticks: how long the loop
    can have waited for any of them. What other programs take of the machine is in neither."""

    def __str__(self) -> str:
        return (
            f"worst {self.worst:6.1f} ms, {self.over_goal} of {self.ticks} ticks over "
            f"{GOAL_MILLISECONDS} ms; between two ticks at most {self.worst_process:5.1f} ms of "
            f"CPU by the process, {self.worst_step:.1f} ms of them by the loop"
        )


class Ticker:
    """Asks to be woken every millisecond and notes how late that happens."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._steps: list[float] = []
        self._process: list[float] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            asked, used, whole = time.perf_counter(), time.thread_time(), time.process_time()
            await asyncio.sleep(TICK_SECONDS)
            self._late.append((time.perf_counter() - asked - TICK_SECONDS) * 1000)
            self._process.append((time.process_time() - whole) * 1000)
            self._steps.append((time.thread_time() - used) * 1000)

    @property
    def lag(self) -> Lag:
        """What it saw."""
        over = sum(late > GOAL_MILLISECONDS for late in self._late)
        return Lag(max(self._late), over, len(self._late), max(self._steps), max(self._process))


async def _furnish(services: Services) -> None:
    for title, body in ARTICLES:
        article = KnowledgeArticle(title=title, body=body)
        await services.repositories.knowledge.insert(article)
    take_short_turns()
    services.base.composer.warm_up()
    await services.agent.engine.warm_up()
    keep_for_good()
    await services.agent.knowledge.ask("How much is a whitening?")


async def _receive(services: Services, batch: int) -> None:
    """Eight people, each with a reply waiting to be read."""
    now = services.clock.now()
    for number, text in enumerate(REPLIES):
        name = f"{batch}-{number}"
        address = f"person-{name}@example.com"
        patient = await services.repositories.patients.insert(
            Patient(
                name="Dana Smith",
                name_key=name_key("Dana Smith"),
                email=address,
                patient_type=PatientType.COLD_LEAD,
            )
        )
        channel = CampaignChannel(thread_id=name)
        await services.repositories.campaigns.insert(
            Campaign(
                patient_id=patient.id,
                campaign_type=CampaignType.RECOVERY,
                origin=CampaignOrigin.STAFF,
                follow_up_details=FollowUpDetails(max_attempts=4),
                channel=channel,
            )
        )
        message = RelayMessage(
            thread_id=name,
            message_id=f"m-{name}",
            sender=address,
            subject="Re: Hello",
            content=text,
        )
        event = InboundEvent(
            id=f"bench:{name}",
            source="pubsub",
            payload=message.to_payload(),
            not_before=now,
            created_at=now,
            updated_at=now,
        )
        await services.repositories.inbound_events.store(event)


async def _watched(work: float | None, services: Services, ticker: Ticker) -> float:
    """Seconds that the work took; `work` is how long to do nothing instead."""
    ticking = asyncio.create_task(ticker.run())
    started = time.perf_counter()
    if work is None:
        await services.agent.inbound.work_off()
        await services.agent.inbound.settle()
    else:
        await asyncio.sleep(work)
    seconds = time.perf_counter() - started
    ticking.cancel()
    return seconds


async def measure(rounds: int = ROUNDS) -> tuple[Lag, Lag]:
    """The lag with eight replies at once, and of doing nothing as long, turn by turn."""
    busy, idle = Ticker(), Ticker()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), mail_transport="file")
        async with running_services(settings, SystemClock(), Metrics()) as services:
            await _furnish(services)
            for batch in range(1, rounds + 1):
                await _receive(services, batch)
                seconds = await _watched(None, services, busy)
                await _watched(seconds, services, idle)
    return busy.lag, idle.lag


async def lines(rounds: int) -> list[str]:
    """What `main` prints, from a process of its own: what another one has loaded beside the
    service, and not put aside as the service does, would stand still for its garbage.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.agent_lag", str(rounds), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    if process.returncode:
        message = "The agent's lag could not be measured."
        raise RuntimeError(message)
    return printed.decode().splitlines()


def main() -> None:
    """Print both, side by side."""
    # What the service says of itself belongs to its log, not between the figures.
    logging.getLogger("app").addHandler(logging.NullHandler())
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    busy, idle = asyncio.run(measure(rounds))
    sys.stdout.write(f"Event-loop lag, {len(REPLIES)} replies at once: {busy}\n")
    sys.stdout.write(f"Event-loop lag, nothing to do:        {idle}\n")


if __name__ == "__main__":
    main()
