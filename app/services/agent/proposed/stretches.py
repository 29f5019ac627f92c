"""What stands around days: "from the 3rd to the 10th", "not before Monday", "until Friday"."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from app.services.agent.proposed.calendar import RECURRING_DAYS, Calendar, FoundDays

_ONE = timedelta(days=1)
_JOIN = re.compile(r"\s*(?:to|-|through|thru|until|till|and|al?|y|hasta)\s*(?:the |el )?")
_OPENS_RANGE = re.compile(r"\b(?:between|from|entre|desde|del?)\s*(?:the |el )?$")
_SINCE = re.compile(
    r"\b(?:notbefore|not until|from|starting|beginning|as of|back on|a partir|desde)"
    r"(?: (?:on|de|del))?\s*(?:the |el )?$"
)
_AFTER = re.compile(r"\b(?:after|despues del?|pasado)\s*(?:the |el )?$")
_UNTIL = re.compile(r"\b(?:until|till|by|notafter|through|up to|hasta)\s*(?:the |el )?$")
_BEFORE = re.compile(r"\b(?:before|antes del?)\s*(?:the |el )?$")
_LED = re.compile(
    r"^(?:on|by|until|till|before|after|notbefore|notafter|from|in|for|during|and|or|to|del?|"
    r"al)\b ?"
)
_LOOK_BACK = 40


def stretches(text: str, found: list[FoundDays], known: Calendar) -> Iterator[FoundDays]:
    """Two days joined by "to" (or by "and" after "between") are one stretch."""
    index = 0
    while index < len(found):
        one = found[index]
        after = found[index + 1] if index + 1 < len(found) else None
        if after is not None and _is_range(text, one, after):
            days = known.span(one.days[0], after.days[0])
            yield FoundDays(one.start, after.end, days, is_range=True)
            index += 2
            continue
        yield one
        index += 1


def _is_range(text: str, one: FoundDays, after: FoundDays) -> bool:
    if not (one.is_point and after.is_point and one.days[0] < after.days[0]):
        return False
    between, before = _between(text, one, after), text[: one.start + _lead(text, one)]
    joined = _JOIN.fullmatch(between)
    is_and = between.strip().split(" ")[0] in {"and", "y", "a"}
    return bool(joined) and (not is_and or _OPENS_RANGE.search(before) is not None)


def _lead(text: str, found: FoundDays) -> int:
    """How long the word is that a mention begins with and that is no day."""
    led = _LED.match(text[found.start : found.end])
    return led.end() if led else 0


def _between(text: str, one: FoundDays, after: FoundDays) -> str:
    return text[one.end : after.start + _lead(text, after)]


def bounded(text: str, one: FoundDays, known: Calendar, *, is_refused: bool) -> FoundDays:
    before = text[max(0, one.start - _LOOK_BACK) : one.start + _lead(text, one)]
    if one.is_range or not one.days:
        return one
    days = _bound(before.rpartition(";")[2], one.days, known, is_refused=is_refused)
    return one if days is None else replace(one, days=days, weekdays=(), is_point=False)


def _bound(
    before: str, days: tuple[date, ...], known: Calendar, *, is_refused: bool
) -> tuple[date, ...] | None:
    reach = timedelta(days=RECURRING_DAYS - 1)
    if _SINCE.search(before):
        return known.span(days[0], days[0] + reach)
    if _AFTER.search(before):
        return known.span(days[-1] + _ONE, days[-1] + reach)
    if _BEFORE.search(before) or (is_refused and _UNTIL.search(before)):
        return known.span(known.today, days[0] - _ONE)
    return known.span(known.today, days[-1]) if _UNTIL.search(before) else None
