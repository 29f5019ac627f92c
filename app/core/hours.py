"""Hours of a day as settings write them: `09:00-18:00`, where `24:00` may end a day."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60
_CLOCK_TIME = re.compile(r"([01]\d|2[0-4]):([0-5]\d)", re.ASCII)


def minute_of_day(text: str) -> int:
    """Minutes after midnight of `HH:MM`; `24:00` is the end of the day (1440).

    Raises `ValueError` with a sentence for anything else.
    """
    match = _CLOCK_TIME.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match else MINUTES_A_DAY + 1
    if minutes > MINUTES_A_DAY:
        message = "A time of day is written HH:MM, from 00:00 to 24:00."
        raise ValueError(message)
    return minutes


def parse_clock_time(value: object) -> object:
    """`HH:MM` as a `time`, for settings; what is not text passes through to pydantic."""
    if not isinstance(value, str):
        return value
    minutes = minute_of_day(value)
    if minutes == MINUTES_A_DAY:
        message = "24:00 is the end of a day, not a time at which something can start."
        raise ValueError(message)
    return time(minutes // 60, minutes % 60)


@dataclass(frozen=True)
class SendingHours:
    """The part of every day, on the clinic's clock, in which outreach may leave.

    Minutes after local midnight; the start is inside, the end is not.
    """

    start_minute: int
    end_minute: int

    def includes(self, instant: datetime, zone: ZoneInfo) -> bool:
        """Whether `instant` falls inside on the clinic's clock."""
        local = instant.astimezone(zone)
        return self.start_minute <= local.hour * 60 + local.minute < self.end_minute

    def next_opening(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """`instant` itself where it is inside, else the next instant (UTC) that is.

        Minutes of the wall clock are walked through UTC, so a start that daylight saving skips
        resolves to the first minute after the gap.
        """
        if self.includes(instant, zone):
            return instant
        local = instant.astimezone(zone)
        after_start = local.hour * 60 + local.minute >= self.start_minute
        day = local.date() + timedelta(days=1 if after_start else 0)
        naive = datetime.combine(day, time(self.start_minute // 60, self.start_minute % 60))
        opening = naive.replace(tzinfo=zone).astimezone(instant.tzinfo)
        while not self.includes(opening, zone):
            opening += timedelta(minutes=1)
        return opening

    def __str__(self) -> str:
        """As it is written in the settings."""
        start, end = self.start_minute, self.end_minute
        return f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"


def parse_sending_hours(value: object) -> object:
    """`HH:MM-HH:MM` as `SendingHours`; the start must come before the end."""
    if not isinstance(value, str):
        return value
    start, dash, end = value.partition("-")
    hours = SendingHours(minute_of_day(start), minute_of_day(end if dash else ""))
    if hours.start_minute >= hours.end_minute:
        message = "Sending hours are written HH:MM-HH:MM, the start before the end."
        raise ValueError(message)
    return hours
