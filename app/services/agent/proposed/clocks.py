"""Times of day in folded words: "after 5", "9 to 11", "por la tarde", "at 3:30 pm".

An hour without "am" or "pm" is read as one at which a practice is open: 8 to 11 in the morning, 12
to 6 in the afternoon; 7 is neither, and says nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.services.agent.proposed.calendar import Mention
from app.services.agent.proposed.wording import WEEKDAY

NOON = 12
_AFTERNOON_UP_TO = 6
_MORNING_FROM = 8
_MINUTES_AN_HOUR = 60
_DAY = 24 * _MINUTES_AN_HOUR

_NUMBERS = {
    word: number
    for number, words in enumerate(
        (
            *("one|una", "two|dos", "three|tres", "four|cuatro", "five|cinco", "six|seis"),
            *("seven|siete", "eight|ocho", "nine|nueve", "ten|diez", "eleven|once", "twelve|doce"),
        ),
        start=1,
    )
    for word in words.split("|")
}
_SUFFIX = (
    r"am|pm|oclock|hrs|h(?! ?\d)|(?:in the|de la|por la) (?:morning|manana|afternoon|tarde|"
    r"evening|noche)|at night|ish"
)
_UNIT = (
    r"(?! ?(?:days?|weeks?|months?|years?|hours?|hrs?|minutes?|mins?|dias?|semanas?|mes(?:es)?|"
    r"anos?|horas?|teeth|tooth|times?|people|kids|of|point|more|x|%|\$|/|th\b|st\b|nd\b|rd\b|dollars?|"
    r"out of|de (?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|"
    r"noviembre|diciembre)))"
)


def _time(name: str) -> str:
    words = "|".join(_NUMBERS)
    return (
        rf"(?:las? )?(?P<{name}h>\d{{1,2}}|{words})(?![\w~])(?:[:.](?P<{name}m>[0-5]\d))?"
        rf"(?: ?(?P<{name}s>{_SUFFIX})\b)?{_UNIT}"
    )


_RANGE = re.compile(
    rf"(?P<led>\b(?:between|from|entre|desde|de) )?(?<![\d/~-]){_time('a')} ?"
    rf"(?:-|to|and|until|till|a|y|hasta) ?{_time('b')}(?![\d/-])"
)
_SINCE = re.compile(
    rf"\b(?:after|past|from|notbefore|later than|starting at|despues de|desde|a partir de|"
    rf"pasadas) (?:about |around )?{_time('a')}"
)
_UNTIL = re.compile(
    rf"\b(?:before|by|until|till|notafter|antes de|hasta) (?:about |around )?{_time('a')}"
)
_AT = re.compile(
    rf"(?:\bat |\b(?:around|about) (?=\d)|\b(?:sobre|como a|hacia|a) (?=las? )|@ ?){_time('a')}"
)
_BARE = re.compile(rf"(?<![\d/~$-])\b{_time('a')}")
_NAMED: tuple[tuple[re.Pattern[str], tuple[int | None, int | None]], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), span)
    for pattern, span in (
        (r"early (?:in the )?mornings?|first thing|a primera hora|temprano", (None, 10)),
        (r"late (?:in the )?mornings?", (10, NOON)),
        (r"late (?:in the )?afternoons?|end of (?:the )?day|ultima hora", (15, None)),
        (r"early (?:in the )?afternoons?", (NOON, 15)),
        (r"after (?:work|school|hours)|despues del? (?:trabajo|trabajar|cole\w*)", (17, None)),
        (r"lunch ?(?:time|hour|break)?|noon|midday|mediodia", (NOON, 14)),
        (r"mornings?|(?:por|en|de) las? mananas?|las mananas", (None, NOON)),
        (r"afternoons?|(?:por|en|de) las? tardes?|las tardes", (NOON, 20)),
        (r"evenings?|tonight|at night|(?:por|en|de) las? noches?|esta noche", (17, None)),
    )
)
_WEEKDAY_BEFORE = re.compile(rf"\b{WEEKDAY},? $")
_IS_MORNING = ("am", "morning", "manana")
_IS_LATER = ("pm", "afternoon", "tarde", "evening", "noche", "night")


@dataclass(frozen=True, slots=True)
class Clock:
    """Minutes of the day from `since` (inclusive) to `until` (exclusive)."""

    since: int | None
    until: int | None

    @property
    def interval(self) -> tuple[str | None, str | None]:
        """As a stored window has it."""
        return _as_text(self.since), _as_text(self.until)


@dataclass(frozen=True, slots=True)
class FoundClock(Mention):
    """A time of day where it stands; `is_exact`: one time and no part of the day."""

    clock: Clock
    is_exact: bool = False


def clocks_in(text: str, taken: list[tuple[int, int]]) -> list[FoundClock]:
    """Every time of day in folded words, in order; what stands in a `taken` span is a date."""
    found: list[FoundClock] = []
    for one in _every(text):
        spans = [*taken, *((other.start, other.end) for other in found)]
        if not any(one.start < end and start < one.end for start, end in spans):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def _every(text: str) -> Iterator[FoundClock]:
    """The longer wordings first: what they cover is not read again."""
    for match in _RANGE.finditer(text):
        if clock := _between(match):
            yield FoundClock(*match.span(), clock)
    for pattern in (_SINCE, _UNTIL):
        for match in pattern.finditer(text):
            if (minute := _minute(match, "a")) is not None:
                is_since = pattern is _SINCE
                clock = Clock(minute, None) if is_since else Clock(None, minute)
                yield FoundClock(*match.span(), clock)
    yield from _hours_in(text)
    for pattern, (since, until) in _NAMED:
        for match in pattern.finditer(text):
            yield FoundClock(*match.span(), Clock(_hours(since), _hours(until)))


def _hours_in(text: str) -> Iterator[FoundClock]:
    """One time: with "at", or written as nothing but a time is ("9:30", "3 pm")."""
    matches = [*_AT.finditer(text), *(m for m in _BARE.finditer(text) if _is_told(m))]
    for match in matches:
        if (minute := _minute(match, "a")) is not None:
            hour_later = min(minute + _MINUTES_AN_HOUR, _DAY)
            yield FoundClock(*match.span(), Clock(minute, hour_later), is_exact=True)


def _is_told(match: re.Match[str]) -> bool:
    return bool(match["am"]) or (match["as"] or "ish") not in {"h", "ish"}


def _between(match: re.Match[str]) -> Clock | None:
    follows_day = _WEEKDAY_BEFORE.search(match.string[: match.start()])
    is_told = match["led"] or follows_day or any(match[name] for name in ("am", "as", "bm", "bs"))
    since, until = _minute(match, "a", from_other=match["bs"]), _minute(match, "b")
    if not is_told or since is None or until is None:
        return None
    if until <= since and not match["bs"]:
        until += NOON * _MINUTES_AN_HOUR
    return Clock(since, until) if since < until <= _DAY else None


def _minute(match: re.Match[str], name: str, from_other: str | None = None) -> int | None:
    """The minute of the day; none where the hour is none, or could be two."""
    written = match[f"{name}h"]
    hour = int(written) if written.isdecimal() else _NUMBERS[written]
    suffix = match[f"{name}s"] or ""
    if not suffix and from_other and _says(from_other, _IS_LATER) and hour < _other_hour(match):
        suffix = "pm"
    whole = _on_24_hours(hour, suffix)
    if whole is None:
        return None
    return whole * _MINUTES_AN_HOUR + int(match[f"{name}m"] or 0)


def _other_hour(match: re.Match[str]) -> int:
    written = match["bh"]
    return int(written) % NOON if written.isdecimal() else _NUMBERS[written] % NOON


def _on_24_hours(hour: int, suffix: str) -> int | None:
    if hour > NOON or hour == 0:
        return hour if hour < 24 and suffix != "am" else None  # noqa: PLR2004 - a day's hours
    if _says(suffix, _IS_MORNING):
        return hour % NOON
    if _says(suffix, _IS_LATER) or hour <= _AFTERNOON_UP_TO:
        return hour % NOON + NOON
    return hour if hour >= _MORNING_FROM else None


def _says(suffix: str, words: tuple[str, ...]) -> bool:
    return any(word in suffix for word in words)


def _hours(hour: int | None) -> int | None:
    return None if hour is None else hour * _MINUTES_AN_HOUR


def _as_text(minute: int | None) -> str | None:
    if minute is None or minute == 0:
        return None
    return f"{minute // _MINUTES_AN_HOUR:02d}:{minute % _MINUTES_AN_HOUR:02d}"
