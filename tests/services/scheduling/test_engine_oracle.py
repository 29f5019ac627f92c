"""The slot engine against a slow and plain reading of the rules, on random schedules."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.models.base import PyObjectId, new_id
from app.models.schedule import Chair, Holiday, HoursPeriod, Provider, TimeOff, Weekday
from app.services.scheduling.claims import claims_for
from app.services.scheduling.engine import Pair, candidates_at, find_slots, find_times
from app.services.scheduling.timetable import Length, Timetable
from tests.services.scheduling.builders import (
    CHANGE_DAYS,
    clinic,
    local,
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


def iso(day: date, offset: int) -> str:
    return (day + timedelta(days=offset)).isoformat()


@st.composite
def periods(draw: st.DrawFn, day: date) -> list[HoursPeriod]:
    """Up to two spans around the day that do not overlap, the later one perhaps without an end."""
    edges = sorted(draw(st.sets(st.integers(-3, 3), max_size=4)))
    spans = [edges[index : index + 2] for index in range(0, len(edges), 2)]
    return [
        HoursPeriod(
            effective_from=iso(day, span[0]),
            effective_until=iso(day, span[1]) if len(span) == 2 else None,
            working_hours={one: draw(intervals()) for one in Weekday},
        )
        for span in spans
    ]


@st.composite
def teams(draw: st.DrawFn, day: date) -> list[Provider]:
    minutes = st.none() | st.integers(1, 24).map(lambda count: 5 * count)
    edge = st.none() | st.integers(0, 2)
    team = []
    for index in range(draw(st.integers(1, 3))):
        own, first, last = draw(minutes), draw(edge), draw(edge)
        changes = {
            "working_hours": {one: draw(intervals()) for one in Weekday},
            "hours_periods": draw(periods(day)),
            "service_durations": {} if own is None else {"check_up": own},
            "effective_from": None if first is None else iso(day, -first),
            "effective_until": None if last is None else iso(day, last),
        }
        team.append(provider(name=f"Dr {index}").model_copy(update=changes))
    return team


@st.composite
def holidays(draw: st.DrawFn, day: date) -> list[Holiday]:
    """Mostly none; else days around this one, some of them set down years ago."""
    found = []
    for offset in draw(st.sampled_from([[], [], [], [-1], [0], [1], [-1, 1]])):
        on = day + timedelta(days=offset)
        yearly = draw(st.booleans())
        written = on.replace(year=on.year - 2) if yearly else on
        found.append(Holiday(name="Closed", day=written.isoformat(), every_year=yearly))
    return found


@st.composite
def lengths(draw: st.DrawFn, team: list[Provider]) -> Length | None:
    kept_with = st.none() | st.sampled_from([one.id for one in team])
    length = st.builds(Length, st.integers(1, 24).map(lambda count: 5 * count), kept_with)
    return draw(st.none() | length)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone, day = draw(st.sampled_from(CHANGE_DAYS))
    noon = datetime.combine(day, time(12), UTC)
    near = st.integers(-30 * 60, 30 * 60)
    fives = st.integers(-30 * 12, 30 * 12).map(lambda count: noon + FIVE * count)
    providers = draw(teams(day))
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
    ).model_copy(update={"holidays": draw(holidays(day))})
    table = timetable(
        *providers, at=where, offered=offered, chairs=chairs, time_off=off, claims=claims
    )
    table = replace(table, length=draw(lengths(providers)))
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
        day, weekday = f"{wall:%Y-%m-%d}", list(Weekday)[wall.weekday()]
        if day < (one.effective_from or day) or day > (one.effective_until or day):
            return False
        hours = one.working_hours[weekday]
        for period in one.hours_periods:
            if period.effective_from <= day <= (period.effective_until or "9999"):
                hours = period.working_hours[weekday]
        return any(start <= f"{wall:%H:%M}" < end for start, end in hours)

    def lasts(self, one: Provider) -> int:
        asked = self.case.table
        if asked.length and asked.length.only_with in {None, one.id}:
            return asked.length.minutes
        return one.service_durations.get("check_up", asked.service.duration_minutes)

    def is_closed(self, minute: datetime) -> bool:
        day = f"{self.clock[minute]:%Y-%m-%d}"
        return any(
            day == one.day or (one.every_year and day > one.day and day[4:] == one.day[4:])
            for one in self.case.table.clinic.holidays
        )

    def span(self, one: Provider, start: datetime) -> tuple[datetime, datetime]:
        """With buffers."""
        asked = self.case.table.service
        lasting = self.lasts(one) + asked.buffer_after_minutes
        return start - MINUTE * asked.buffer_before_minutes, start + MINUTE * lasting

    def fits(self, one: Provider, chair: Chair, start: datetime) -> bool:
        opens, closes = self.span(one, start)
        visit_minutes = (start + MINUTE * step for step in range(self.lasts(one)))
        around = (opens + MINUTE * step for step in range((closes - opens) // MINUTE))
        return (
            all(self.works(one, minute) for minute in visit_minutes)
            and not any(self.is_closed(minute) for minute in around)
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

    def pairs(self, start: datetime) -> set[Pair]:
        return {
            Pair(one.id, chair.id, self.lasts(one))
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

    def booked(self, one: Provider) -> int:
        """Minutes of the day that the provider has visits in."""
        return sum(
            any(
                visit.start <= minute < visit.end
                for visit in self.case.booked
                if visit.provider is one
            )
            for minute in self.on_the_day()
        )

    def wasted(self, one: Provider, chair_id: PyObjectId, start: datetime) -> list[timedelta]:
        """How many idle times next to it nobody else fits in, the shorter one, and both."""
        opens, closes = self.span(one, start)
        day = timedelta(days=1)
        others = [visit for visit in self.case.booked if visit.chair.id == chair_id]
        before = min([day, *(opens - other.end for other in others if other.end <= opens)])
        after = min([day, *(other.start - closes for other in others if other.start >= closes)])
        idle = [before, after]
        useless = [gap for gap in idle if timedelta(0) < gap < closes - opens]
        return [len(useless) * day, min(idle), before + after]

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

        assert {
            slot.starts_at: (set(slot.provider_ids), set(slot.chair_ids)) for slot in slots
        } == {
            start: ({one.provider_id for one in pairs}, {one.chair_id for one in pairs})
            for start, pairs in expected.items()
        }
        times = {case.day.isoformat(): [slot.time for slot in slots]} if slots else {}
        assert find_times(case.table, case.day, case.day, case.now) == times

    @RANDOM_SCHEDULES
    @given(cases(), st.booleans())
    def test_books_exactly_what_the_rules_allow(self, case: Case, staff: bool) -> None:
        oracle = Oracle(case)
        starts = [start for start in oracle.on_the_day() if start.minute % 5 == 0]

        booked = {
            start: set(candidates_at(case.table, start, case.now, staff=staff).pairs)
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
            for pair in candidates_at(case.table, slot.starts_at, case.now).pairs:
                assert pair.duration_minutes is not None
                wanted = claims_for(
                    pair.provider_id,
                    pair.chair_id,
                    new_id(),
                    slot.starts_at,
                    duration_minutes=pair.duration_minutes,
                    buffer_before=asked.buffer_before_minutes,
                    buffer_after=asked.buffer_after_minutes,
                )
                assert not taken & set(wanted)


class TestOrder:
    """Work is shared out, and gaps stay whole."""

    @RANDOM_SCHEDULES
    @given(cases())
    def test_the_least_booked_come_first_and_chairs_that_waste_least(self, case: Case) -> None:
        oracle = Oracle(case)
        team = {one.id: one for one in case.table.providers}
        for start in oracle.on_the_day()[::65]:
            pairs = candidates_at(case.table, start, case.now, staff=True).pairs
            order = list(dict.fromkeys(pair.provider_id for pair in pairs))
            booked = [oracle.booked(team[one]) for one in order]
            assert booked == sorted(booked)
            for provider_id in order:
                rooms = [one.chair_id for one in pairs if one.provider_id == provider_id]
                wasted = [oracle.wasted(team[provider_id], room, start) for room in rooms]
                assert wasted == sorted(wasted)

    @RANDOM_SCHEDULES
    @given(st.lists(st.integers(9 * 12, 16 * 12), min_size=4, max_size=24), st.integers(2, 4))
    def test_a_day_filled_by_the_engine_is_shared_out(self, starts: list[int], size: int) -> None:
        """Each visit goes to one of those who have the fewest."""
        team = [provider([("08:00", "20:00")], name=f"Dr {one}") for one in range(size)]
        chairs = [Chair(name=f"{one}") for one in range(size)]
        claims: list[str] = []
        visits: Counter[PyObjectId] = Counter({one.id: 0 for one in team})
        midnight = local("00:00")
        for start in starts:
            at = midnight + FIVE * start
            table = timetable(*team, chairs=chairs, claims=claims, offered=service(30))
            pairs = candidates_at(table, at, midnight, staff=True).pairs
            if not pairs:
                continue
            best = pairs[0]
            assert visits[best.provider_id] == min(visits[one.provider_id] for one in pairs)
            visits[best.provider_id] += 1
            claims += claims_for(best.provider_id, best.chair_id, new_id(), at, duration_minutes=30)
