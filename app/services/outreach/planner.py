"""When the machine writes next (product.md, Follow-up). Pure functions of dates.

Every answer is the instant at which a day starts on the clinic's calendar, so that the sweep of
that day, at whatever hour it runs, finds the attempt due.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.models.campaign import CampaignStatus, FollowUpDetails
from app.services.scheduling.localtime import day_bounds, local_day

DAYS_TO_FOLLOW_UP = 3
"""After the last message to somebody who once replied (`RE_ENGAGED`)."""

DAYS_TO_GIVE_UP = 7
"""From the last attempt to `RECOVERY_FAILED`."""


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which `day` starts on the clinic's calendar."""
    return day_bounds(day, zone)[0]


def days_after(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The start of the local day that comes `days` after the one `instant` falls on."""
    return start_of(local_day(instant, zone) + timedelta(days=days), zone)


def follow_up_after_reply(now: datetime, zone: ZoneInfo) -> datetime:
    """When to write again after a message to somebody who replied, or after a cancelled visit."""
    return days_after(now, DAYS_TO_FOLLOW_UP, zone)


def next_attempt_after(
    status: CampaignStatus,
    follow_up: FollowUpDetails,
    *,
    interval_days: Sequence[int],
    now: datetime,
    zone: ZoneInfo,
) -> datetime:
    """When the campaign is due again, once the attempts in `follow_up` were made (the last `now`).

    `interval_days` count from the first message (0, 3, 7, 14). After an outage the next attempt is
    no nearer to the last one than any two of the plan are. Out of attempts, it is when the campaign
    is given up.
    """
    if follow_up.attempts_made >= follow_up.max_attempts:
        return days_after(now, DAYS_TO_GIVE_UP, zone)
    if status == CampaignStatus.RE_ENGAGED:
        return follow_up_after_reply(now, zone)
    first = follow_up.first_attempt_at or now
    planned = days_after(first, _interval(interval_days, follow_up.attempts_made), zone)
    return max(planned, days_after(now, _shortest_distance(interval_days), zone))


def _shortest_distance(interval_days: Sequence[int]) -> int:
    return max(1, min((later - earlier for earlier, later in pairwise(interval_days)), default=1))


def _interval(interval_days: Sequence[int], attempts_made: int) -> int:
    """A campaign may have been made when more attempts were allowed than are configured now."""
    return interval_days[min(attempts_made, len(interval_days) - 1)]
