"""Proposed days and times as part of an address: figures and nothing of what anybody wrote.

One window is "20261203-20261210.w024.0900-1200"; weekdays (0 is Monday) and clock may be missing.
"""

import re
from datetime import date

from app.models.proposal import MAX_WINDOWS, DayWindow, ProposedTimes

MAX_LENGTH = 500
MAX_DAYS_APART = 366
_NOT_ONE = "not a window of days"
_DAY = r"(\d{4})(\d{2})(\d{2})"
_WINDOW = re.compile(
    rf"{_DAY}-{_DAY}(?:\.w([0-6]{{1,7}}))?(?:\.(\d{{2}})(\d{{2}})-(\d{{2}})(\d{{2}}))?", re.ASCII
)


def as_query(proposed: ProposedTimes | None) -> str:
    """What `read_query` reads; empty where it is not clear what was proposed."""
    if proposed is None or proposed.is_ambiguous:
        return ""
    return "_".join(_written(window) for window in proposed.windows)


def read_query(text: str, today: date) -> ProposedTimes | None:
    """What `as_query` wrote, without what has passed; `None` for anything else."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        windows = [_read(part) for part in text.split("_")[:MAX_WINDOWS]]
    except ValueError:  # not of this form, no such day or hour (pydantic's error is one too)
        return None
    ahead = [window for window in windows if window.last >= today.isoformat()]
    return ProposedTimes(windows=ahead) if ahead else None


def _written(window: DayWindow) -> str:
    first, last = window.first.replace("-", ""), window.last.replace("-", "")
    text = f"{first}-{last}"
    if window.weekdays:
        text += ".w" + "".join(str(number) for number in window.weekdays)
    if window.since or window.until:
        clock = f"{window.since or '00:00'}-{window.until or '24:00'}"
        text += "." + clock.replace(":", "")
    return text


def _read(part: str) -> DayWindow:
    """Raises `ValueError` where the figures are no days or times."""
    found = _WINDOW.fullmatch(part)
    if found is None:
        raise ValueError(_NOT_ONE)
    first, last = ("-".join(found.group(n, n + 1, n + 2)) for n in (1, 4))
    if not 0 <= (date.fromisoformat(last) - date.fromisoformat(first)).days <= MAX_DAYS_APART:
        raise ValueError(_NOT_ONE)
    has_clock = found[8] is not None
    return DayWindow(
        first=first,
        last=last,
        weekdays=[int(number) for number in found[7] or ""],
        since=f"{found[8]}:{found[9]}" if has_clock else None,
        until=f"{found[10]}:{found[11]}" if has_clock else None,
    )
