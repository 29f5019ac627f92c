"""Any sequence of events: nothing leaves for whom, when or as often as it must not.

A state machine strings events together over the real services and an embedded database; a ledger
of what left is held to what was wished (`gate_world`). It is the same walk every time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.core.config import Settings
from app.db.database import Database
from app.db.indexes import ensure_indexes
from app.models.interaction import MessageClass
from app.models.patient import Patient, PatientStatus
from tests.factories import make_settings
from tests.services.outreach.gate_world import WORDS, Mood, World

pytestmark = pytest.mark.mongo

EXAMPLES = 9
STEPS = 32
MANY = 30

someone = st.integers(0, 4)
statuses = st.sampled_from([*PatientStatus, PatientStatus.ACTIVE, PatientStatus.ACTIVE])


class Days(RuleBasedStateMachine):
    """Days at a practice. `run`, `settings` and `database` are set before it is used."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    settings: Settings
    database: Database
    seen: Counter[MessageClass]

    def __init__(self) -> None:
        super().__init__()
        assert self.settings.mongo_uri is not None
        self.world = World(self.settings, self.settings.mongo_uri.get_secret_value())
        self.run(self.world.open(self.database))

    def teardown(self) -> None:
        """Let go, and remember what was seen."""
        type(self).seen.update(self.world.seen)
        self.world.close()

    def _person(self, number: int) -> Patient:
        return self.world.people[number]

    def _pass(self, hours: int) -> None:
        """The jobs run, and the outbox is worked off."""
        self.world.clock.advance(hours=hours)
        self.run(self.world.sweep())
        self.run(self.world.remind())
        self.run(self.world.send())

    @initialize()
    def the_first_morning(self) -> None:
        """Everybody who is due is written to, so that what follows falls into conversations."""
        self._pass(0)

    @rule(hours=st.integers(1, 6))
    def an_hour_passes(self, hours: int) -> None:
        """Or a few."""
        self._pass(hours)

    @rule()
    def the_next_morning(self) -> None:
        """Eleven o'clock: whatever waited for the hours may leave."""
        self.world.sleep_until(11)
        self._pass(0)

    @rule(who=someone)
    def a_visit_comes_near(self, who: int) -> None:
        """From three days before, by way of its reminders."""
        self.run(self.world.book(self._person(who), 3))
        for hours in (23, 23, 23):
            self._pass(hours)

    @rule()
    def a_day_passes(self) -> None:
        """To the hour."""
        self._pass(24)

    @rule(days=st.integers(2, 9))
    def a_week_passes(self, days: int) -> None:
        """Or so."""
        self._pass(24 * days)

    @rule(senders=st.integers(1, 3))
    def the_outbox_is_worked_off(self, senders: int) -> None:
        """By one process or several at once."""
        self.run(self.world.send(senders=senders))

    @rule(
        who=someone,
        mood=st.sampled_from(list(Mood)[::-1]),
        can_tell=st.booleans(),
        senders=st.integers(1, 2),
    )
    def the_mail_server_misbehaves(
        self,
        who: int,
        mood: Mood,
        can_tell: bool,
        senders: int,
    ) -> None:
        """Once; then whatever a crash left is settled by another process, minutes later."""
        self.world.sleep_until(11)
        self.run(self.world.start_campaign(self._person(who)))
        self.run(self.world.sweep())
        self.world.transport.mood = mood
        self.world.transport.can_tell = can_tell
        self.run(self.world.send(senders=senders))
        self.world.clock.advance(minutes=2)
        self.run(self.world.send())

    @rule(who=someone, words=st.sampled_from(sorted(WORDS)))
    def somebody_writes(self, who: int, words: str) -> None:
        """A reply, a stop, an emergency."""
        self.run(self.world.write(self._person(who), words))

    @rule(who=someone, words=st.sampled_from(["odd", "yes"]))
    def somebody_answers(self, who: int, words: str) -> None:
        """And the agent does, or a person is announced."""
        self.run(self.world.write(self._person(who), words))
        self.run(self.world.send())

    @rule(who=someone)
    def somebody_unsubscribes(self, who: int) -> None:
        """By the link."""
        self.run(self.world.unsubscribe(self._person(who)))

    @rule(who=someone)
    def somebody_tells_the_desk_to_stop(self, who: int) -> None:
        """For themselves."""
        self.run(self.world.opt_out_at_the_desk(self._person(who)))

    @rule(who=someone)
    def somebody_opts_in(self, who: int) -> None:
        """Again."""
        self.run(self.world.opt_in(self._person(who)))

    @rule(who=someone, is_sure=st.sampled_from([False, False, False, True]))
    def a_mailbox_dies(self, who: int, is_sure: bool) -> None:
        """For good, so not too often: the dead make a dull walk."""
        if is_sure:
            self.run(self.world.bounce(self._person(who)))

    @rule(
        who=someone,
        status=statuses,
    )
    def a_file_is_changed(self, who: int, status: PatientStatus) -> None:
        """Active, inactive, deceased."""
        self.run(self.world.become(self._person(who), status))

    @rule(who=someone)
    def staff_start_a_campaign(self, who: int) -> None:
        """Its first message is queued at once."""
        self.run(self.world.start_campaign(self._person(who)))

    @rule(who=someone)
    def staff_write(self, who: int) -> None:
        """And keep the conversation."""
        self.run(self.world.staff_write(self._person(who)))

    @rule(who=someone)
    def staff_write_before_a_letter_leaves(self, who: int) -> None:
        """It was queued in the evening."""
        self.world.sleep_until(20)
        self.run(self.world.start_campaign(self._person(who)))
        self.run(self.world.sweep())
        self.run(self.world.staff_write(self._person(who)))
        self.world.sleep_until(11)
        self._pass(0)

    @rule(who=someone)
    def staff_claim(self, who: int) -> None:
        """What waits."""
        self.run(self.world.claim(self._person(who)))

    @rule(who=someone)
    def staff_release(self, who: int) -> None:
        """To the agent."""
        self.run(self.world.release(self._person(who)))

    @rule(who=someone, days=st.integers(1, 9))
    def a_visit_is_booked(self, who: int, days: int) -> None:
        """Where the day takes one."""
        self.run(self.world.book(self._person(who), days))

    @rule()
    def a_visit_is_cancelled(self) -> None:
        """The newest."""
        self.run(self.world.cancel())

    @rule(holder=someone, who=someone, days=st.integers(2, 6))
    def a_time_frees_up(self, holder: int, who: int, days: int) -> None:
        """For somebody who waits for just that day."""
        self.run(self.world.book(self._person(holder), days))
        self.run(self.world.wait_for_a_time(self._person(who), days))
        self.run(self.world.cancel())
        self._pass(1)


def certain_week(days: Days) -> None:
    """What is rare on a random walk, once for sure."""
    days.the_first_morning()
    for who, words in ((0, "yes"), (1, "odd"), (2, "help"), (3, "stop")):
        days.somebody_writes(who, words)
        days.the_outbox_is_worked_off(1)
    days.staff_write(1)
    for free in (2, 3, 4):  # one of them is no Sunday
        days.the_next_morning()
        days.a_time_frees_up(1, 0, free)
    days.a_visit_comes_near(1)
    days.teardown()


def test_nothing_leaves_that_must_not(mongo_uri: str, tmp_path: Path) -> None:
    settings = make_settings(mongo_uri=mongo_uri, data_dir=tmp_path)
    seen: Counter[MessageClass] = Counter()
    with asyncio.Runner() as runner:
        database = Database(mongo_uri, settings.database_name)
        runner.run(ensure_indexes(database))
        machine = type(
            "DaysHere",
            (Days,),
            {
                "run": staticmethod(runner.run),
                "settings": settings,
                "database": database,
                "seen": seen,
            },
        )
        try:
            run_state_machine_as_test(
                machine,
                settings=hypothesis_settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    derandomize=True,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            certain_week(machine())
        finally:
            runner.run(database.drop())
            database.close()

    # A walk on which nothing happens holds nothing.
    assert seen[MessageClass.OUTREACH] >= MANY, seen
    assert set(MessageClass) - set(seen) <= {MessageClass.WAITLIST_CLOSED}, seen
