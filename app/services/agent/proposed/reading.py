"""Which days and times a reply proposes.

Own grammar: the libraries that read dates out of prose (dateparser above all) take a date for one
instant, guess where two readings stand, and cost tens of milliseconds a reply; what a front desk
hears is "any morning next week except Monday". Where words can mean two days, both are kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.models.proposal import MAX_WINDOWS, Interval, ProposedTimes, windows_of
from app.services.agent.proposed.calendar import Calendar, FoundDays
from app.services.agent.proposed.clocks import FoundClock, clocks_in
from app.services.agent.proposed.days import days_in
from app.services.agent.proposed.wording import wordings
from app.services.scheduling.localtime import local_day

HORIZON_DAYS = 366
WHOLE_DAY: Interval = (None, None)
_Item = FoundDays | FoundClock

_LEADS_TO = re.compile(r"\s*(?:on|el|los|next|this|any|every|de|del|of|in|en|cada)?\s*")
_INSTEAD = re.compile(
    r"\b(?:or|o|otherwise)\b(?: (?:any ?time|else|maybe|sometime|the|en|la|alguna?))*\s*$"
)


@dataclass(slots=True)
class _Group:
    """Days that share the times said with them."""

    days: list[FoundDays]
    clocks: list[FoundClock]

    @property
    def end(self) -> int:
        return max((*self.days, *self.clocks), key=lambda one: one.end).end

    @property
    def is_ambiguous(self) -> bool:
        return any(one.is_ambiguous for one in self.days)


def proposed_times(
    reply: str, now: datetime, zone: ZoneInfo, horizon_days: int = HORIZON_DAYS
) -> ProposedTimes | None:
    """The times that the writer offers to come at; `None` where none can be told.

    `now` is when it was written, `zone` the clinic's; nothing before that local day and nothing
    more than `horizon_days` ahead is answered. English and Spanish, in any mixture: which of the
    two was chosen for letters says little about how somebody writes 12/3, so both readings stand
    unless the weekday beside it, or the horizon, leaves one.
    """
    today = local_day(now, zone)
    known = Calendar(today, today + timedelta(days=min(horizon_days, HORIZON_DAYS)))
    said = wordings(reply)
    offered = _groups(said.offered, known)
    refused = _groups(said.refused, known, is_refused=True)
    times = _times(offered, known)
    if not times and refused:
        has_days = any(group.days for group in refused)
        times = {(day, WHOLE_DAY) for day in known.soon()} if has_days else set()
    windows = windows_of(sorted(_without(times, refused, known), key=str))
    if not windows or len(windows) > MAX_WINDOWS:
        return None
    unclear = said.is_unclear or any(one.is_ambiguous for one in [*offered, *refused])
    return ProposedTimes(windows=windows, is_ambiguous=unclear)


def _groups(text: str, known: Calendar, *, is_refused: bool = False) -> list[_Group]:
    """Days and times in the order they are said, each time with the days it belongs to."""
    days = _scoped(text, days_in(text, known, is_refused=is_refused))
    clocks = clocks_in(text, [(one.start, one.end) for one in days])
    items: list[_Item] = [*days, *clocks]
    items.sort(key=lambda one: one.start)
    groups: list[_Group] = []
    for number, item in enumerate(items):
        following = items[number + 1] if number + 1 < len(items) else None
        if isinstance(item, FoundClock):
            _add_clock(groups, item, following, text)
        elif _begins_group(groups, item, following, text):
            groups.append(_Group([item], []))
        else:
            groups[-1].days.append(item)
    return groups


def _begins_group(
    groups: list[_Group], item: FoundDays, following: _Item | None, text: str
) -> bool:
    """Whether a day has times of its own: those said last belong to the days before it."""
    if not groups:
        return True
    last = groups[-1]
    if not last.clocks:
        return False
    is_led = not last.days or last.clocks[0].start < last.days[0].start
    if not is_led or ";" in text[last.end : item.start]:
        return True
    return bool(last.days) and isinstance(following, FoundClock)


def _add_clock(groups: list[_Group], item: FoundClock, following: _Item | None, text: str) -> None:
    """To the days said last; to those that come where it leads over to them."""
    leads = isinstance(following, FoundDays) and bool(
        _LEADS_TO.fullmatch(text[item.end : following.start])
    )
    if not groups or (leads and (groups[-1].clocks or not groups[-1].days)):
        groups.append(_Group([], [item]))
    elif not (item.is_exact and ";" in text[groups[-1].end : item.start]):
        groups[-1].clocks.append(item)


def _scoped(text: str, found: list[FoundDays]) -> list[FoundDays]:
    """ "Any morning next week" leaves a week, "Tuesday next week" the Tuesday in it."""
    return [one for each in found for one in _in_its_scope(text, each, found) if one.days]


def _in_its_scope(text: str, one: FoundDays, found: list[FoundDays]) -> list[FoundDays]:
    clause = _clause(text, one)
    beside = [other for other in found if other is not one and _clause(text, other) == clause]
    if one.is_scope:
        is_used = any(o.weekdays for o in beside) and not _is_instead(text, one)
        return [] if is_used else [one]
    scopes = [o for o in beside if o.is_scope and not _is_instead(text, o)]
    if not one.weekdays or not scopes:
        return [one]
    days = {day for o in scopes for day in o.days if day.weekday() in one.weekdays}
    return [FoundDays(one.start, one.end, tuple(sorted(days)))]


def _is_instead(text: str, scope: FoundDays) -> bool:
    return _INSTEAD.search(text[max(0, scope.start - 20) : scope.start]) is not None


def _clause(text: str, one: FoundDays) -> int:
    return text.count(";", 0, one.start)


def _times(groups: Sequence[_Group], known: Calendar) -> set[tuple[date, Interval]]:
    """Each day with each of its times. A time without a day counts for any day, if it is no
    single hour ("my visit was at 3"), and only where no day is named.
    """
    with_days = [group for group in groups if group.days]
    times = {
        (day, interval)
        for group in with_days
        for found in group.days
        for day in found.days
        for interval in _intervals(group.clocks)
    }
    if with_days:
        return times
    clocks = [clock for group in groups for clock in group.clocks if not clock.is_exact]
    return {(day, clock.clock.interval) for clock in clocks for day in known.soon()}


def _intervals(clocks: Sequence[FoundClock]) -> list[Interval]:
    return [clock.clock.interval for clock in clocks] or [WHOLE_DAY]


def _without(
    times: set[tuple[date, Interval]], refused: Sequence[_Group], known: Calendar
) -> set[tuple[date, Interval]]:
    """What is left of the offered times. A refused hour says nothing of the rest of its day."""
    whole = [found for group in refused if not group.clocks for found in group.days]
    gone = {day for found in whole for day in found.days}
    weekdays = {number for found in whole for number in found.weekdays}
    parts = _times([group for group in refused if group.clocks], known)
    left = {one for one in times if one[0] not in gone and one[0].weekday() not in weekdays}
    return {one for item in left for one in _cut(item, parts)}


def _cut(
    item: tuple[date, Interval], parts: set[tuple[date, Interval]]
) -> list[tuple[date, Interval]]:
    day, (since, until) = item
    for refused_day, (gone_since, gone_until) in parts:
        if refused_day != day or not _overlap((since, until), (gone_since, gone_until)):
            continue
        if gone_since is None and gone_until is not None:
            since = max(since or "", gone_until)
        elif gone_until is None or gone_until >= (until or "24:00"):
            until = gone_since
    return [(day, (since, until))] if (since or "") < (until or "24:00") else []


def _overlap(one: Interval, other: Interval) -> bool:
    return (one[0] or "") < (other[1] or "24:00") and (other[0] or "") < (one[1] or "24:00")
