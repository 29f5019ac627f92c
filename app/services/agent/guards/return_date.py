"""When somebody who is away says to be back: "back on 3 December", "hasta el 3 de diciembre"."""

import re
from datetime import date, timedelta

from app.services.agent.guards.wording import fold

_MONTHS = {
    1: "january jan enero ene janvier januar janner janeiro",
    2: "february feb febrero fevrier fev februar feber fevereiro",
    3: "march mar marzo mars marz maerz marco",
    4: "april apr abril abr avril avr",
    5: "may mayo mai maio",
    6: "june jun junio juin juni junho",
    7: "july jul julio juillet juil juli julho",
    8: "august aug agosto ago aout",
    9: "september sep sept septiembre setiembre septembre setembro set",
    10: "october oct octubre octobre oktober okt outubro out",
    11: "november nov noviembre novembre novembro",
    12: "december dec diciembre dic decembre dezember dez dezembro",
}
_MONTH_NUMBER = {name: number for number, names in _MONTHS.items() for name in names.split()}
_MONTH = "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True))
_CUE = re.compile(
    r"\b(?:back|return\w*|until|till|through|reachable|regres\w+|vuelv\w+|volv\w+|hasta|retour|"
    r"reviens|revien\w*|jusqu\w*|zuruck|bis|wieder|erreichbar|volt\w+|ate)\b"
)
_CUE_REACH = 60
_YEAR = r"(?:[ ,]{1,2}(?:de |of |del )?(?P<year>20\d\d))?"
_FORMS = (
    re.compile(r"\b(?P<year>20\d\d)-(?P<month>\d\d)-(?P<day>\d\d)\b"),
    re.compile(r"\b(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>20\d\d)?"),
    re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.|o|a)? (?:of |de |"
        rf"do )?(?P<month>{_MONTH})\b{_YEAR}"
    ),
    re.compile(rf"\b(?P<month>{_MONTH})\.? (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b{_YEAR}"),
)
_HORIZON = timedelta(days=366)


def return_date(text: str, today: date) -> date | None:
    """The last day named after a word of coming back, from today on and within a year; else none.

    A date without a year is the next such day. All-figure dates with slashes are not read: nobody
    can tell 3/12 of one country from 3/12 of another.
    """
    folded = " ".join(fold(text).split())
    found = (
        day
        for cue in _CUE.finditer(folded)
        for day in _dates(folded[cue.end() : cue.end() + _CUE_REACH], today)
    )
    return max((day for day in found if today <= day <= today + _HORIZON), default=None)


def _dates(words: str, today: date) -> list[date]:
    matches = (match for form in _FORMS for match in form.finditer(words))
    return [day for match in matches if (day := _as_date(match, today))]


def _as_date(match: re.Match[str], today: date) -> date | None:
    spelled = match["month"]
    month = int(spelled) if spelled.isdecimal() else _MONTH_NUMBER[spelled]
    year = int(match["year"]) if match["year"] else None
    try:
        day = date(year or today.year, month, int(match["day"]))
        return day if year or day >= today else day.replace(year=today.year + 1)
    except ValueError:  # 31 November, or 29 February of the wrong year
        return None
