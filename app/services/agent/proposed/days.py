"""Days in folded words: "Thursday the 3rd", "next week", "not before the 15th", "del 3 al 10"."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from app.services.agent.proposed.calendar import WEEK, Calendar, FoundDays
from app.services.agent.proposed.stretches import bounded, stretches
from app.services.agent.proposed.wording import (
    MONTH,
    MONTH_NAMES,
    WEEKDAY,
    WEEKDAY_NAMES,
)

MAX_MENTIONS = 40

_NUMBER_WORDS = {
    "a": 1, "one": 1, "un": 1, "una": 1, "two": 2, "dos": 2, "couple of": 2, "a couple of": 2,
    "three": 3, "tres": 3, "four": 4, "cuatro": 4,
}  # fmt: skip
_COUNT = rf"(?P<count>\d{{1,2}}|{'|'.join(sorted(_NUMBER_WORDS, key=len, reverse=True))})"
_ORDINAL = r"(?:st|nd|rd|th)"
_NO_DAY = (
    r"(?! (?:time|floor|avenue|ave|street|grade|opinion|visit|appointment|tooth|molar|year|implant|"
    r"reminder|e?mail|message|one|quarter|anos?|horas?|dientes?|por ciento|dolares|pesos|euros|"
    r"minutos|(?:de )?la (?:manana|tarde|noche)|am|pm)\b|[\d:/%-])"
)
_YEAR = r"(?: ?(?:,|de|del|of)? ?(?P<year>20\d\d))?"


Builder = Callable[[re.Match[str], Calendar], FoundDays | None]


def days_in(text: str, known: Calendar, *, is_refused: bool = False) -> list[FoundDays]:
    """Every mention of days in folded words, in order, without past ones.

    `is_refused`: these are the days that do not suit; "away until Monday" leaves Monday free.
    """
    found: list[FoundDays] = []
    for pattern, build in _RULES:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other.end and other.start < end for other in found):
                continue
            one = build(match, known)
            if one is not None and len(found) < MAX_MENTIONS:
                found.append(one)
    ordered = sorted(found, key=lambda one: one.start)
    whole = list(stretches(text, ordered, known))
    moved = (bounded(text, one, known, is_refused=is_refused) for one in whole)
    return [one for one in moved if one.days]


def _found(
    match: re.Match[str],
    days: tuple[date, ...],
    *,
    is_scope: bool = False,
    is_point: bool = False,
    is_ambiguous: bool = False,
) -> FoundDays:
    start, end = match.span()
    return FoundDays(
        start, end, days, is_scope=is_scope, is_point=is_point, is_ambiguous=is_ambiguous
    )


def _point(match: re.Match[str], readings: set[date], known: Calendar) -> FoundDays:
    days = tuple(sorted(day for day in readings if known.holds(day)))
    return _found(match, days, is_point=len(days) == 1, is_ambiguous=len(days) > 1)


# Dates


def _iso(match: re.Match[str], known: Calendar) -> FoundDays | None:
    return _point(match, _dates(int(match["y"]), int(match["m"]), int(match["d"]), known), known)


def _slashed(match: re.Match[str], known: Calendar) -> FoundDays | None:
    """Month first or day first: a weekday beside it tells, else both readings stand."""
    if _PAIN.search(match.string[max(0, match.start() - 40) : match.start()]):
        return None
    one, other = int(match["a"]), int(match["b"])
    year = _year(match["y"])
    readings = _dates(year, one, other, known) | _dates(year, other, one, known)
    readings = {day for day in readings if known.holds(day)}
    if match["wd"]:
        wanted = _weekday(match["wd"])
        readings = {day for day in readings if day.weekday() == wanted} or readings
    return _point(match, readings, known)


def _dotted(match: re.Match[str], known: Calendar) -> FoundDays | None:
    return _point(match, _dates(_year(match["y"]), int(match["b"]), int(match["a"]), known), known)


def _spelled(match: re.Match[str], known: Calendar) -> FoundDays | None:
    month, year = _month(match["month"]), _year(match["year"])
    first = _dates(year, month, int(match["day"]), known)
    until = match["until"]
    if not until:
        return _checked(match, first, known)
    last = _dates(year, month, int(until), known)
    days = known.span(min(first), max(last)) if first and last else ()
    return _found(match, days)


def _ordinal(match: re.Match[str], known: Calendar) -> FoundDays | None:
    """The next day of that number: of this month, or of the one after."""
    number = int(match["day"])
    if match["later"]:
        return _point(match, _in_month(known.today, 1, number), known)
    following = _next_numbered(number, known)
    return _checked(match, {following} if following else set(), known)


def _numbered(match: re.Match[str], known: Calendar) -> FoundDays | None:
    """ "Tuesday 15" where that is a Tuesday; else the number is an hour, or anything."""
    following = _next_numbered(int(match["day"]), known)
    if following is None or following.weekday() != _weekday(match["wd"]):
        return None
    return _point(match, {following}, known)


def _next_numbered(number: int, known: Calendar) -> date | None:
    readings = (day for months in range(3) for day in _in_month(known.today, months, number))
    return next((day for day in readings if known.holds(day)), None)


def _checked(match: re.Match[str], readings: set[date], known: Calendar) -> FoundDays:
    """Where the weekday beside a date is not that day's, one of the two is a slip."""
    found = _point(match, readings, known)
    is_slip = bool(match["wd"]) and any(
        day.weekday() != _weekday(match["wd"]) for day in found.days
    )
    return replace(found, is_ambiguous=True, is_point=False) if is_slip else found


# Weekdays, and what is counted from today


def _weekdays(match: re.Match[str], known: Calendar) -> FoundDays | None:
    number = _weekday(match["wd"])
    word, lead, tail = match["wd"], match["lead"] or "", match["tail"] or ""
    if _LAST.search(f"{lead} {tail}"):
        return _found(match, ())
    if _is_plural(word, lead):
        days = tuple(day for day in known.soon() if day.weekday() == number)
        return replace(_found(match, days), weekdays=(number,))
    soonest = known.today + timedelta(days=(number - known.today.weekday()) % 7)
    shift = _shift(tail)
    if shift:
        return _point(match, {soonest + shift}, known)
    days = (soonest, soonest + WEEK) if _is_two(soonest, lead, known) else (soonest,)
    days = tuple(day for day in days if known.holds(day))
    is_point = len(days) == 1
    return replace(_found(match, days, is_point=is_point), weekdays=() if lead else (number,))


def _is_two(soonest: date, lead: str, known: Calendar) -> bool:
    """ "Next Tuesday" on a Monday, and "Tuesday" on a Tuesday, are each either of two."""
    if soonest == known.today:
        return True
    return "next" in lead and soonest in known.week(0)


def _weekday_range(match: re.Match[str], known: Calendar) -> FoundDays | None:
    first, last = _weekday(match["a"]), _weekday(match["b"])
    numbers = tuple((first + n) % 7 for n in range((last - first) % 7 + 1))
    days = tuple(day for day in known.soon() if day.weekday() in numbers)
    return replace(_found(match, days), weekdays=numbers)


def _working_days(match: re.Match[str], known: Calendar) -> FoundDays | None:
    numbers = (5, 6) if match["end"] else (0, 1, 2, 3, 4)
    if match["one"]:
        week = known.week(1 if "next" in match["one"] or "proximo" in match["one"] else 0)
        return _found(match, tuple(day for day in week if day.weekday() in numbers))
    days = tuple(day for day in known.soon() if day.weekday() in numbers)
    return replace(_found(match, days), weekdays=numbers)


def _week_from(match: re.Match[str], known: Calendar) -> FoundDays | None:
    number = _weekday(match["wd"])
    soonest = known.today + timedelta(days=(number - known.today.weekday()) % 7)
    return _point(match, {soonest + _number(match["count"]) * WEEK}, known)


def _in_days(match: re.Match[str], known: Calendar) -> FoundDays | None:
    count, unit = _number(match["count"]), match["unit"]
    if unit[0] == "d":
        return _point(match, {known.today + timedelta(days=count)}, known)
    if unit[0] in "ws":
        return _found(match, known.week(count), is_scope=True)
    target = known.today + timedelta(days=30 * count)
    monday = target - timedelta(days=target.weekday())
    return _found(match, known.span(monday, monday + timedelta(days=6)), is_scope=True)


def _within(match: re.Match[str], known: Calendar) -> FoundDays | None:
    days = _number(match["count"]) * (1 if match["unit"][0] == "d" else 7)
    last = known.today + timedelta(days=days)
    return _found(match, known.span(known.today, last), is_scope=True)


def _week_of(match: re.Match[str], known: Calendar) -> FoundDays | None:
    inner = next((one for one in days_in(match["what"], known) if one.is_point), None)
    if inner is None:
        return None
    monday = inner.days[0] - timedelta(days=inner.days[0].weekday())
    return _found(match, known.span(monday, monday + timedelta(days=6)), is_scope=True)


def _month_scope(match: re.Match[str], known: Calendar) -> FoundDays | None:
    days = known.month(_month(match["month"]), _year(match["year"]))
    return _found(match, _part(days, match["part"] or ""), is_scope=True)


def _relative(first: int, last: int) -> Builder:
    def build(match: re.Match[str], known: Calendar) -> FoundDays:
        days = known.span(known.today + timedelta(days=first), known.today + timedelta(days=last))
        return _found(match, days, is_point=first == last)

    return build


def _weeks(number: int) -> Builder:
    def build(match: re.Match[str], known: Calendar) -> FoundDays:
        return _found(match, _part(known.week(number), match["part"] or ""), is_scope=True)

    return build


def _months(number: int) -> Builder:
    def build(match: re.Match[str], known: Calendar) -> FoundDays:
        month = (known.today.month - 1 + number) % 12 + 1
        return _found(match, _part(known.month(month), match["part"] or ""), is_scope=True)

    return build


def _part(days: tuple[date, ...], part: str) -> tuple[date, ...]:
    """ "Early", "mid" and "late": a generous third or half."""
    third = -(-len(days) // 3)
    if re.search(r"early|beginning|start|first|principios|primera", part):
        return days[: third + 1]
    if re.search(r"end|late|finales|fin |ultima", part):
        return days[-third - 1 :]
    return days[third - 1 : -third + 1] if re.search(r"mid|mediados", part) else days


_PAIN = re.compile(r"pain|dolor|scale|rate|rating|level|score|out of|escala|\bold\b|born|birth")
_LAST = re.compile(r"last|past|pasad|since|previous|ultimo")
_PART = (
    r"(?P<part>(?:early|late|mid|(?:the )?(?:beginning|start|end|middle|first week) of|"
    r"(?:a )?(?:principios|finales|fin|mediados) de) ?-? ?)?"
)
_SLASH = r"(?<![\d/.:-])(?P<a>\d{1,2})/(?P<b>\d{1,2})(?:/(?P<y>\d{4}|\d{2}))?(?![\d/%]|-\d)"
_WD = rf"(?:\b(?P<wd>{WEEKDAY}),? (?:the |el |on )?(?:dia )?)?"
_HALF = r"(?! (?:an? |of|hour|day|off|price|dose|tooth|cup|pill|tab|hora))"
_RULES: tuple[tuple[re.Pattern[str], Builder], ...] = tuple(
    (re.compile(pattern), build)
    for pattern, build in (
        (r"\b(?P<y>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)\b", _iso),
        (rf"{_WD}(?!24/7){_SLASH}{_HALF}", _slashed),
        (r"(?<![\d~])(?P<a>\d{1,2})~(?P<b>\d{1,2})(?:~(?P<y>20\d\d))?", _dotted),
        (r"\b(?:the )?week (?:of|starting|beginning)(?: on)? (?P<what>[^,;]{1,30})", _week_of),
        (r"\bla semana del? (?P<what>[^,;]{1,30})", _week_of),
        (
            rf"{_WD}\b(?P<day>\d{{1,2}}){_ORDINAL}? ?(?:(?:to|-|al|a|through|until) ?"
            rf"(?P<until>\d{{1,2}}){_ORDINAL}? ?)?(?:of |de )(?P<month>{MONTH})\b{_YEAR}",
            _spelled,
        ),
        (
            rf"{_WD}\b(?P<day>\d{{1,2}}){_ORDINAL}? ?(?:(?:to|-|al|a|through|until) ?"
            rf"(?P<until>\d{{1,2}}){_ORDINAL}? ?)?(?P<month>(?!may\b){MONTH})\b{_YEAR}",
            _spelled,
        ),
        (
            rf"{_WD}(?<!i )(?<!we )(?<!you )(?<!it )\b(?P<month>{MONTH}) (?:the )?"
            rf"(?P<day>\d{{1,2}})(?!\d|:| ?(?:am|pm)\b){_ORDINAL}?"
            rf"(?: ?(?:to|-|through|until) ?(?P<until>\d{{1,2}})(?!\d|:| ?(?:am|pm)\b){_ORDINAL}?)?"
            rf"{_YEAR}",
            _spelled,
        ),
        (rf"\b{_COUNT} weeks? (?:from|after) (?P<wd>{WEEKDAY})\b", _week_from),
        (
            rf"{_WD}(?:\b(?:on|by|until|till|before|after|notbefore|notafter|from|or|and|to) )?"
            rf"(?:\bthe )?(?<![\d/.:])\b(?P<day>\d{{1,2}}){_ORDINAL}\b{_NO_DAY}"
            r"(?P<later> of next month)?",
            _ordinal,
        ),
        (rf"\b(?P<wd>{WEEKDAY}) (?:dia )?(?P<day>\d{{1,2}})\b{_NO_DAY}", _numbered),
        (
            rf"(?P<wd>\b)(?:\b(?:el|del|al|dia) )(?:dia )?(?P<day>\d{{1,2}})\b{_NO_DAY}"
            r"(?P<later> del? (?:mes que viene|proximo mes))?",
            _ordinal,
        ),
        (r"\b(?:the )?day after tomorrow\b|\bpasado manana\b", _relative(2, 2)),
        (
            r"\b(?:tomorrow|tmrw|tmr|tomorow|tommorow|tommorrow)\b|"
            r"(?<!la )(?<!las )(?<!cada )(?<!esta )(?<!una )\bmanana\b",
            _relative(1, 1),
        ),
        (r"\btoday\b|\bhoy\b|\bthis (?=morning|afternoon|evening)|(?=\btonight\b)|"
         r"\besta (?=manana|tarde)|(?=\besta noche\b)", _relative(0, 0)),
        (rf"\b(?:in|en|dentro de) {_COUNT} (?P<unit>days?|dias?|weeks?|semanas?|months?|"
         r"mes(?:es)?)\b", _in_days),
        (rf"\b(?:within|in|over) (?:the )?(?:next|coming) {_COUNT} (?P<unit>days?|weeks?)\b",
         _within),
        (r"\b(?:the )?next few days\b|\b(?:los )?proximos dias\b", _relative(0, 4)),
        (rf"\b{_PART}(?:the )?week after next\b", _weeks(2)),
        (rf"\b{_PART}(?:the )?(?:next|following) week(?!end)\b|"
         r"\b(?:la )?(?:semana que viene|proxima semana|semana proxima|semana siguiente)\b",
         _weeks(1)),
        (rf"\b{_PART}(?:later )?this week(?!end)\b|\besta (?:misma )?semana\b", _weeks(0)),
        (rf"\b{_PART}(?:next|the following) month\b|\b(?:el )?(?:mes que viene|proximo mes)\b",
         _months(1)),
        (rf"\b{_PART}(?:later )?(?:this|the) month\b|\beste mes\b", _months(0)),
        (r"\b(?P<one>this |next |este |el proximo )?"
         r"(?:(?P<end>weekends?|fin(?:es)? de semana)|weekdays?|entre semana)\b", _working_days),
        (rf"\b(?P<a>{WEEKDAY}) ?(?:to|through|thru|till|until|-|a|al|hasta) ?(?P<b>{WEEKDAY})\b",
         _weekday_range),
        (
            rf"(?P<lead>\b(?:last|past|since|previous|this(?: coming)?|next|coming|every|any|each|"
            r"el pasado|los|este|el proximo|proximo|cada|cualquier|todos los) )?"
            rf"\b(?P<wd>{WEEKDAY})\b"
            r"(?P<tail> (?:week\b|after next\b|pasado\b|in (?:a|one|two) weeks?\b|que viene\b))?",
            _weekdays,
        ),
        (rf"\b(?P<part>early|mid|late)[ -](?P<month>{MONTH})\b{_YEAR}", _month_scope),
        (
            rf"\b(?:in|by|for|during|until|till|before|after|en|sometime|throughout|notbefore|of|"
            rf"para|durante) (?:the )?{_PART}(?:of )?(?P<month>{MONTH})\b{_YEAR}",
            _month_scope,
        ),
    )
)  # fmt: skip


# Numbers and names


def _dates(year: int | None, month: int, day: int, known: Calendar) -> set[date]:
    """That day of the year, or without one the next that comes."""
    years = [year] if year else [known.today.year, known.today.year + 1]
    every = {made for one in years if (made := _made(one, month, day))}
    ahead = sorted(made for made in every if made >= known.today)
    return set(ahead[:1])


def _in_month(today: date, months: int, day: int) -> set[date]:
    years, month = divmod(today.month - 1 + months, 12)
    made = _made(today.year + years, month + 1, day)
    return {made} if made else set()


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _year(written: str | None) -> int | None:
    if not written:
        return None
    return int(written) + (2000 if len(written) == len("26") else 0)


def _number(written: str) -> int:
    return int(written) if written.isdecimal() else _NUMBER_WORDS[written]


def _index(word: str, names: tuple[str, ...]) -> int:
    return next(n for n, name in enumerate(names) if re.fullmatch(name, word))


def _month(word: str) -> int:
    return _index(word, MONTH_NAMES) + 1


def _weekday(word: str) -> int:
    return _index(word, WEEKDAY_NAMES)


def _is_plural(word: str, lead: str) -> bool:
    if re.search(r"every|any|each|los|cada|cualquier|todos", lead):
        return True
    return word.endswith("days") or word in {"sabados", "domingos"}


def _shift(tail: str) -> timedelta | None:
    """ "Tuesday week" is the Tuesday after the coming one."""
    if "two" in tail:
        return 2 * WEEK
    return WEEK if re.search(r"^ week|after next|in (?:a|one)", tail) else None
