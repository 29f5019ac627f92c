"""When a patient offers to come, read out of a reply."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models.proposal import MAX_WINDOWS, ProposedTimes
from app.services.agent.proposed.reading import proposed_times

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = datetime(2026, 11, 23, 15, tzinfo=UTC)
MONTH = "2026-11-23 to 2026-12-20"
"""Four weeks from that Monday."""


def read(text: str, now: datetime = MONDAY, horizon_days: int = 180) -> ProposedTimes | None:
    """What a reply of that Monday proposes."""
    return proposed_times(text, now, NEW_YORK, horizon_days)


CLEAR = {
    # Days
    "Thursday after 5": "Thu 2026-11-26 from 17:00",
    "tomorrow": "Tue 2026-11-24",
    "the day after tomorrow, afternoon": "Wed 2026-11-25 12:00-20:00",
    "in two weeks": "2026-12-07 to 2026-12-13",
    "in 3 days at 10": "Thu 2026-11-26 10:00-11:00",
    "a week from Friday": "Fri 2026-12-04",
    "sometime in January": "2027-01-01 to 2027-01-31",
    "early January, mornings": "2027-01-01 to 2027-01-12 before 12:00",
    "end of the month": "2026-11-27 to 2026-11-30",
    "week of December 7": "2026-12-07 to 2026-12-13",
    "this weekend or next week": "2026-11-28 to 2026-12-06",
    "Thursday, December 3 at 2:30 p.m.": "Thu 2026-12-03 14:30-15:30",
    "2026-12-10 15:30": "Thu 2026-12-10 15:30-16:30",
    "Thursday 12/3": "Thu 2026-12-03",
    "13/12 or 12/14": "2026-12-13 to 2026-12-14",
    "Can I come in on Tuesday 15th?": "Tue 2026-12-15",
    "How about the 1st or the 2nd around 11?": "2026-12-01 to 2026-12-02 11:00-12:00",
    "next Tuesday": "Tue in 2026-11-24 to 2026-12-01",
    # Bounds
    "not before the 15th": "2026-12-15 to 2027-01-11",
    "I can't wait until Thursday": "2026-11-23 to 2026-11-26",
    "from the 3rd to the 10th of December": "2026-12-03 to 2026-12-10",
    "I'm away until the 15th": "2026-12-15 to 2026-12-20",
    "back on the 10th, any time after that": "2026-12-10 to 2027-01-06",
    # Lists, and what belongs to what
    "Monday, Wednesday or Friday": "Mon, Wed, Fri in 2026-11-23 to 2026-11-30",
    "Tuesday or Wednesday next week": "2026-12-01 to 2026-12-02",
    "any morning next week": "2026-11-30 to 2026-12-06 before 12:00",
    "Tuesday afternoon or Thursday morning": (
        "Tue 2026-11-24 12:00-20:00; Thu 2026-11-26 before 12:00"
    ),
    "10am Thursday works, Friday after 2 too": (
        "Thu 2026-11-26 10:00-11:00; Fri 2026-11-27 from 14:00"
    ),
    "Monday or Tuesday, mornings only": "Mon, Tue in 2026-11-23 to 2026-11-30 before 12:00",
    "Friday 9-11": "Fri 2026-11-27 09:00-11:00",
    "between 3 and 5:30 on Wednesday": "Wed 2026-11-25 15:00-17:30",
    "Wednesdays from 8 to 10": "Wed in 2026-11-25 to 2026-12-16 08:00-10:00",
    "mornings work best": f"{MONTH} before 12:00",
    "any weekday after 4": "Mon, Tue, Wed, Thu, Fri in 2026-11-23 to 2026-12-18 from 16:00",
    "Yes, Tuesday works, but do you take Delta Dental?": "Tue 2026-11-24",
    "I know you close at 5. Book me for Tuesday": "Tue 2026-11-24",
    # Refused
    "except Mondays": "Tue, Wed, Thu, Fri, Sat, Sun in 2026-11-24 to 2026-12-20",
    "any day but Monday": "Tue, Wed, Thu, Fri, Sat, Sun in 2026-11-24 to 2026-12-20",
    "Monday doesn't work but Tuesday does": "Tue 2026-11-24",
    "Tuesday, not Wednesday": "Tue 2026-11-24",
    "I can't do Thursdays. Tuesday at 3 or Friday at 10am": (
        "Tue 2026-11-24 15:00-16:00; Fri 2026-11-27 10:00-11:00"
    ),
    "No problem, Friday is fine": "Fri 2026-11-27",
    # Spanish
    "el martes por la tarde": "Tue 2026-11-24 12:00-20:00",
    "mañana por la mañana": "Tue 2026-11-24 before 12:00",
    "pasado mañana por la tarde": "Wed 2026-11-25 12:00-20:00",
    "3 de diciembre a las 10": "Thu 2026-12-03 10:00-11:00",
    "no antes del 15 de diciembre": "2026-12-15 to 2027-01-11",
    "el 15 por la tarde": "Tue 2026-12-15 12:00-20:00",
    "de lunes a jueves por la mañana": (
        "Mon, Tue, Wed, Thu in 2026-11-23 to 2026-12-17 before 12:00"
    ),
    "no puedo los lunes, mejor los jueves después de las 5": (
        "Thu in 2026-11-26 to 2026-12-17 from 17:00"
    ),
    "lunes o miércoles entre las 3 y las 5": "Mon, Wed in 2026-11-23 to 2026-11-30 15:00-17:00",
    "la semana que viene cualquier día menos el viernes": (
        "Mon, Tue, Wed, Thu, Sat, Sun in 2026-11-30 to 2026-12-06"
    ),
    "hasta el viernes": "2026-11-23 to 2026-11-27",
    "No, el martes": "Tue 2026-11-24",
}
UNCLEAR = {
    "12/3 at 9": ("Thu 2026-12-03 09:00-10:00 or Fri 2027-03-12 09:00-10:00 (unclear: ask)"),
    "Monday, December 8": "Tue 2026-12-08 (unclear: ask)",
    "not Tuesday, Wednesday": (
        "Mon, Wed, Thu, Fri, Sat, Sun in 2026-11-23 to 2026-12-20 (unclear: ask)"
    ),
}
SAYS_NOTHING = (
    "",
    "hello, how are you?",
    "my pain is 8/10",
    "are you there 24/7?",
    "I was there last Tuesday and it hurt",
    "It has been hurting since Monday",
    "I was born on 5/6/1980",
    "It took me 2 hours and 3 weeks",
    "I may 2 come",
    "the 2nd time this happened",
    "my visit was at 3",
    "El martes pasado estuve allí",
    "When I sat there the sun was out",
)


class TestProposedTimes:
    @pytest.mark.parametrize(("text", "expected"), CLEAR.items(), ids=str)
    def test_what_is_offered_is_read(self, text: str, expected: str) -> None:
        found = read(text)

        assert str(found) == expected
        assert not (found and found.is_ambiguous)

    @pytest.mark.parametrize(("text", "expected"), UNCLEAR.items(), ids=str)
    def test_what_can_mean_two_things_keeps_both_and_says_so(
        self, text: str, expected: str
    ) -> None:
        assert str(read(text)) == expected

    @pytest.mark.parametrize("text", SAYS_NOTHING)
    def test_a_story_a_score_and_small_talk_offer_nothing(self, text: str) -> None:
        assert read(text) is None

    def test_a_horizon_can_leave_one_reading(self) -> None:
        assert str(read("12/3 at 9", horizon_days=60)) == "Thu 2026-12-03 09:00-10:00"

    def test_today_is_the_clinics_day(self) -> None:
        late_evening = datetime(2026, 11, 24, 3, tzinfo=UTC)

        assert str(read("tomorrow", late_evening)) == "Tue 2026-11-24"

    def test_today_named_by_its_weekday_can_be_today_or_in_a_week(self) -> None:
        assert str(read("Monday")) == "Mon in 2026-11-23 to 2026-11-30"

    def test_the_29th_of_february_waits_for_a_year_that_has_it(self) -> None:
        january = datetime(2028, 1, 10, 15, tzinfo=UTC)

        assert str(read("February 29", january)) == "Tue 2028-02-29"
        assert read("February 29", MONDAY) is None


VOCABULARY = (
    "monday tues fridays sat next this last not except but or and , . ; - / 12/3 3 15th the "
    "after before until by between from to at 9 5pm 10:30 morning afternoon tonight tomorrow "
    "today week month weekend january dec 31 30 29 february in two weeks days lunes miercoles "
    "el los por la mañana tarde del al de hasta antes no puedo que viene 1/2 31/31 0/0 99 "
    "2026-02-30 2026-12-31 20:99 ~ 3.12. cualquier menos away busy of"
)
WORDS = st.sampled_from(VOCABULARY.split())
TEXTS = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=25).map(" ".join))


class TestAnyText:
    @settings(max_examples=100, deadline=None)
    @given(text=TEXTS, days=st.integers(0, 800), horizon_days=st.integers(1, 400))
    def test_never_fails_and_never_leaves_the_time_that_can_be_booked(
        self, text: str, days: int, horizon_days: int
    ) -> None:
        now = MONDAY + timedelta(days=days)
        today = now.astimezone(NEW_YORK).date()

        found = read(text, now, horizon_days)

        if found is None:
            return
        assert 0 < len(found.windows) <= MAX_WINDOWS
        for window in found.windows:
            assert (window.since or "00:00") < (window.until or "24:00")
            assert all(today <= day <= today + timedelta(horizon_days) for day in window.days())
            assert date.fromisoformat(window.first) <= date.fromisoformat(window.last)

    @pytest.mark.parametrize(
        "text",
        ["monday " * 3000, "12/3 " * 3000, "not, " * 3000, "a las " * 3000, "9-9-" * 3000],
        ids=("days", "dates", "refusals", "hours", "ranges"),
    )
    def test_a_huge_one_is_read_too(self, text: str) -> None:
        read(text)
