"""Sixty patients who do not exist: names, and how each stands with the clinic.

Days are relative to the day the demo is loaded, so that it is never out of date. Addresses are in
`example.com` and numbers in the fictional range, which nobody can own.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.models.patient import PatientType


class Standing(StrEnum):
    """What is particular about a demo patient."""

    PLAIN = "plain"
    OPTED_OUT = "opted_out"
    INACTIVE = "inactive"
    DECEASED = "deceased"
    BOOKED = "booked"
    NO_EMAIL = "no_email"


@dataclass(frozen=True)
class DemoPatient:
    """One demo patient. `due_in_days` is negative where the check-up has passed."""

    name: str
    patient_type: PatientType
    inquiry: str | None = None
    estimated_value: float | None = None
    due_in_days: int | None = None
    treatment: str | None = None
    language: str = "en"
    standing: Standing = Standing.PLAIN
    email: str | None = None


def _lead(
    name: str,
    inquiry: str,
    value: float,
    *,
    language: str = "en",
    standing: Standing = Standing.PLAIN,
) -> DemoPatient:
    return DemoPatient(
        name,
        PatientType.COLD_LEAD,
        inquiry=inquiry,
        estimated_value=value,
        language=language,
        standing=standing,
    )


def _existing(
    name: str,
    due_in_days: int,
    treatment: str = "Check-up and Cleaning",
    *,
    language: str = "en",
    standing: Standing = Standing.PLAIN,
    email: str | None = None,
) -> DemoPatient:
    return DemoPatient(
        name,
        PatientType.EXISTING,
        due_in_days=due_in_days,
        treatment=treatment,
        language=language,
        standing=standing,
        email=email,
    )


LEADS = (
    _lead("Amelia Novak", "Asked about teeth whitening before a wedding", 399),
    _lead("Brandon Tully", "Asked what an implant would cost", 2400),
    _lead("Camila Ortega", "Preguntó por alineadores invisibles", 3200, language="es"),
    _lead("Derek Hollis", "Wanted a second opinion on a crown", 1150),
    _lead("Elena Petrova", "Asked about a first check-up after moving here", 189),
    _lead("Farid Rahmani", "Asked about replacing an old filling", 210),
    _lead("Grace Lindqvist", "Asked whether we treat anxious patients", 189),
    _lead("Hugo Barrera", "Preguntó por el blanqueamiento dental", 399, language="es"),
    _lead("Imani Clarke", "Asked about aligners for her teenage son", 2900),
    _lead("Jonas Weber", "Asked about a cleaning on a Saturday", 149),
    _lead("Keiko Tanaka", "Asked about an implant consultation", 2400, standing=Standing.OPTED_OUT),
    _lead("Lamar Jenkins", "Called about whitening", 399, standing=Standing.NO_EMAIL),
    _lead("Monica Duarte", "Asked about a crown in one visit", 1150),
    _lead("Nikhil Rao", "Asked about paying in instalments", 1500),
)

_DUE = (
    ("Olivia Marsh", -3),
    ("Patrick Doyle", -5),
    ("Quentin Abara", -8),
    ("Rosa Delgado", -11),
    ("Stephen Gallo", -15),
    ("Tamara Wynn", -18),
    ("Umar Siddiqui", -22),
    ("Valerie Chen", -27),
    ("Walter Novotny", -33),
    ("Ximena Fuentes", -38),
    ("Yusuf Demir", -44),
    ("Zoe Harrington", -52),
    ("Aaron Blythe", -60),
    ("Bianca Moretti", -71),
    ("Calvin Osei", -83),
    ("Dalia Haddad", -97),
    ("Edwin Castellano", -112),
    ("Fiona McAllister", -128),
    ("Gustavo Lima", -145),
    ("Helen Strand", 0),
)

_NOT_DUE = (
    ("Ivan Kostic", 6),
    ("Jasmine Ford", 14),
    ("Karl Brandt", 25),
    ("Leah Goldberg", 41),
    ("Marcus Bell", 58),
    ("Nora Sandoval", 73),
    ("Oscar Whitfield", 90),
    ("Priya Menon", 104),
    ("Rafael Costa", 119),
    ("Sophie Laurent", 133),
    ("Theo Lambert", 150),
    ("Ursula Kane", 161),
)

EXISTING = (
    *(
        _existing(name, due, language="es" if name in {"Rosa Delgado", "Ximena Fuentes"} else "en")
        for name, due in _DUE
    ),
    *(_existing(name, due) for name, due in _NOT_DUE),
    # A family on one mailbox: told apart by name.
    _existing("Victor Sandberg", -9, email="sandberg.family@example.com"),
    _existing("Wilma Sandberg", -40, email="sandberg.family@example.com"),
    _existing("Xander Sandberg", 80, email="sandberg.family@example.com"),
    # Whom the sweep must leave alone, each for a reason of its own.
    _existing("Yolanda Price", -20, standing=Standing.OPTED_OUT),
    _existing("Zachary Quill", -31, standing=Standing.OPTED_OUT),
    _existing("Agnes Thorne", -25, standing=Standing.INACTIVE),
    _existing("Bernard Voss", -47, standing=Standing.DECEASED),
    _existing("Clara Whitman", -12, standing=Standing.BOOKED),
    _existing("Dominic Ferrara", -29, "Filling", standing=Standing.BOOKED),
    _existing("Esther Nakamura", -66, standing=Standing.BOOKED),
    _existing("Felix Grant", -17, standing=Standing.NO_EMAIL),
    _existing("Gloria Baptiste", -240),
    _existing("Harold Pike", -310),
    _existing("Irene Vasquez", -36, language="es"),
)

PEOPLE = (*LEADS, *EXISTING)
