"""The slot engine against a slow and plain reading of the rules, on random schedules."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models.base import PyObjectId, new_id
from app.models.schedule import Chair, Provider, TimeOff, Weekday
from app.services.scheduling.claims import claims_for
from app.services.scheduling.engine import candidates_at, find_slots
from app.services.scheduling.timetable import Timetable
from tests.services.scheduling.builders import (
    CHANGE_DAYS,
    clinic,
    provider,
    service,
    timetable,
    visit,
)

FIVE = timedelta(minutes=5)
# A whole schedule is drawn each time: on a busy machine that alone can pass hypothesis' limits.
RANDOM_SCHEDULES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Booked:
    """A visit as the oracle sees it: instants with buffers, no claims."""

    provider: Provider
    chair: Chair
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Case:
    table: Timetable
    booked: tuple[Booked, ...]
    day: date
    now: datetime


@st.composite
def intervals(draw: st.DrawFn) -> list[tuple[str, str]]:
    points = draw(st.lists(st.integers(0, 288), min_size=2, max_size=4, unique=True))
    clocks = [f"{point // 12:02d}:{point % 12 * 5:02d}" for point in sorted(points)]
    return list(zip(clocks[::2], clocks[1::2], strict=False))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone, day = draw(st.sampled_from(CHANGE_DAYS))
    noon = datetime.combine(day, time(12), UTC)
    near = st.integers(-30 * 60, 30 * 60)
    fives = st.integers(-30 * 12, 30 * 12).map(lambda count: noon + FIVE * count)
    providers = [
        provider(name=f"Dr {index}").model_copy(
            update={"working_hours": {one: draw(intervals()) for one in Weekday}}
        )
        for index in range(draw(st.integers(1, 3)))
    ]
    chairs = [
        Chair(name=f"{index}", service_ids=draw(st.sampled_from([None, None, ["check_up"], []])))
        for index in range(draw(st.integers(1, 3)))
    ]
    length = st.integers(1, 60).map(lambda count: FIVE * count)
    booked = tuple(
        Booked(draw(st.sampled_from(providers)), draw(st.sampled_from(chairs)), start, start + span)
        for start, span in draw(st.lists(st.tuples(fives, length), max_size=6))
    )
    buffers = st.integers(0, 6).map(lambda count: 5 * count)
    offered = service(draw(st.integers(1, 18)) * 5, before=draw(buffers), after=draw(buffers))
    off = [
        TimeOff(
            provider_id=draw(st.sampled_from([None, *(one.id for one in providers)])),
            starts_at=noon + MINUTE * start,
            ends_at=noon + MINUTE * (start + span),
        )
        for start, span in draw(st.lists(st.tuples(near, st.integers(1, 300)), max_size=2))
    ]
    claims = [
        claim
        for one in booked
        for claim in visit(one.provider, one.chair, one.start, (one.end - one.start) // MINUTE)
    ]
    where = clinic(
        zone,
        grid=draw(st.sampled_from([5, 10, 15, 20, 30, 60])),
        lead=draw(st.integers(0, 300)),
        horizon=draw(st.integers(1, 4)),
    )
    table = timetable(
        *providers, at=where, offered=offered, chairs=chairs, time_off=off, claims=claims
    )
    now = noon - timedelta(minutes=draw(st.integers(0, 48 * 60)), seconds=draw(st.integers(0, 59)))
    return Case(table, booked, day, now)


class Oracle:
    """The rules read off the specification, minute by minute, with aware datetimes only."""

    def __init__(self, case: Case) -> None:
        self.case = case
        zone = case.table.clinic.zone
        start = datetime.combine(case.day, time.min, UTC) - timedelta(days=1)
        minutes = [start + MINUTE * step for step in range(4 * 1440)]
        self.clock = {
            minute: minute.astimezone(zone).replace(tzinfo=None, fold=0) for minute in minutes
        }
        self.shown = Counter(self.clock.values())

    def works(self, one: Provider, minute: datetime) -> bool:
        wall = self.clock[minute]
        hours = one.working_hours[Weekday.of(wall.date())]
        return any(start <= f"{wall:%H:%M}" < end for start, end in hours)

    def fits(self, one: Provider, chair: Chair, start: datetime) -> bool:
        asked = self.case.table.service
        end = start + MINUTE * asked.duration_minutes
        opens = start - MINUTE * asked.buffer_before_minutes
        closes = end + MINUTE * asked.buffer_after_minutes
        visit_minutes = (start + MINUTE * step for step in range(asked.duration_minutes))
        return (
            all(self.works(one, minute) for minute in visit_minutes)
            and not any(
                opens < visit.end and visit.start < closes
                for visit in self.case.booked
                if visit.provider is one or visit.chair is chair
            )
            and not any(
                opens < off.ends_at and off.starts_at < closes
                for off in self.case.table.time_off
                if off.provider_id in {None, one.id}
            )
        )

    def pairs(self, start: datetime) -> set[tuple[PyObjectId, PyObjectId]]:
        return {
            (one.id, chair.id)
            for one in self.case.table.providers
            for chair in self.case.table.chairs
            if chair.service_ids != [] and self.fits(one, chair, start)
        }

    def named(self, start: datetime) -> bool:
        wall, rules = self.clock[start], self.case.table.clinic
        today = self.case.now.astimezone(rules.zone).date()
        return (
            (wall.hour * 60 + wall.minute) % rules.slot_grid_minutes == 0
            and self.shown[wall] == 1
            and start >= self.case.now + MINUTE * rules.booking_lead_minutes
            and today <= wall.date() <= today + timedelta(days=rules.booking_horizon_days)
        )

    def on_the_day(self) -> list[datetime]:
        return [minute for minute, wall in self.clock.items() if wall.date() == self.case.day]


class TestAgainstTheOracle:
    @RANDOM_SCHEDULES
    @given(cases())
    def test_offers_exactly_what_the_rules_allow(self, case: Case) -> None:
        oracle = Oracle(case)
        expected = {
            start: pairs
            for start in oracle.on_the_day()
            if oracle.named(start) and (pairs := oracle.pairs(start))
        }

        slots = find_slots(case.table, case.day, case.day, case.now)

        offered = {
            slot.starts_at: {(one, chair) for one in slot.provider_ids for chair in slot.chair_ids}
            for slot in slots
        }
        assert {start: offered[start] & pairs for start, pairs in expected.items()} == expected
        assert offered.keys() == expected.keys()

    @RANDOM_SCHEDULES
    @given(cases(), st.booleans())
    def test_books_exactly_what_the_rules_allow(self, case: Case, staff: bool) -> None:
        oracle = Oracle(case)
        starts = [start for start in oracle.on_the_day() if start.minute % 5 == 0]

        booked = {
            start: {
                (pair.provider_id, pair.chair_id)
                for pair in candidates_at(case.table, start, case.now, staff=staff).pairs
            }
            for start in starts
        }

        assert booked == {
            start: oracle.pairs(start) if staff or oracle.named(start) else set()
            for start in starts
        }

    @RANDOM_SCHEDULES
    @given(cases())
    def test_a_slot_is_what_the_unique_index_would_accept(self, case: Case) -> None:
        asked = case.table.service
        taken = {
            f"{resource}@{bucket}"
            for resource, spans in case.table.busy.items()
            for span in spans
            for bucket in range(*span)
        }
        for slot in find_slots(case.table, case.day, case.day, case.now):
            for one, chair in zip(slot.provider_ids[:1], slot.chair_ids[-1:], strict=True):
                wanted = claims_for(
                    one,
                    chair,
                    new_id(),
                    slot.starts_at,
                    duration_minutes=asked.duration_minutes,
                    buffer_before=asked.buffer_before_minutes,
                    buffer_after=asked.buffer_after_minutes,
                )
                assert not taken & set(wanted)
