"""When the machine writes next."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.models.campaign import CampaignStatus, FollowUpDetails
from app.services.outreach.planner import follow_up_after_reply, next_attempt_after

ZONE = ZoneInfo("America/New_York")
INTERVALS = [0, 3, 7, 14]
FIRST = datetime(2026, 8, 19, 16, 0, tzinfo=UTC)


def midnight(month: int, day: int) -> datetime:
    return datetime(2026, month, day, tzinfo=ZONE).astimezone(UTC)


def next_at(made: int, now: datetime, status: str = "ATTEMPTING_RECOVERY") -> datetime:
    follow_up = FollowUpDetails(max_attempts=4, attempts_made=made, first_attempt_at=FIRST)
    return next_attempt_after(
        CampaignStatus(status), follow_up, interval_days=INTERVALS, now=now, zone=ZONE
    )


class TestNextAttemptAfter:
    @pytest.mark.parametrize(
        ("made", "sent_on", "expected"),
        [
            (1, FIRST, midnight(8, 22)),
            (2, midnight(8, 22), midnight(8, 26)),
            (3, midnight(8, 26), midnight(9, 2)),
            (4, midnight(9, 2), midnight(9, 9)),
        ],
    )
    def test_intervals_count_from_the_first_message(
        self, made: int, sent_on: datetime, expected: datetime
    ) -> None:
        assert next_at(made, sent_on) == expected

    def test_after_an_outage_no_nearer_than_the_plan_has_any_two(self) -> None:
        assert next_at(2, midnight(10, 1)) == midnight(10, 4)

    def test_somebody_who_replied_is_followed_up_three_days_after_the_last_message(self) -> None:
        assert next_at(2, midnight(9, 1), "RE_ENGAGED") == midnight(9, 4)

    def test_is_given_up_seven_days_after_the_last_either_way(self) -> None:
        assert next_at(4, midnight(9, 1), "RE_ENGAGED") == midnight(9, 8)

    def test_more_attempts_than_intervals_keep_the_last_interval(self) -> None:
        follow_up = FollowUpDetails(max_attempts=9, attempts_made=6, first_attempt_at=FIRST)

        at = next_attempt_after(
            CampaignStatus.ATTEMPTING_RECOVERY,
            follow_up,
            interval_days=INTERVALS,
            now=FIRST,
            zone=ZONE,
        )

        assert at == midnight(9, 2)


class TestFollowUpAfterReply:
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (datetime(2026, 8, 20, 3, 59, tzinfo=UTC), midnight(8, 22)),
            (datetime(2026, 8, 20, 4, 0, tzinfo=UTC), midnight(8, 23)),
            # Three days on the calendar, though one of them has 25 hours.
            (datetime(2026, 10, 30, 12, 0, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)),
        ],
    )
    def test_three_days_on_the_clinics_calendar(self, now: datetime, expected: datetime) -> None:
        assert follow_up_after_reply(now, ZONE) == expected
