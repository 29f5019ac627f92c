"""What columns a file may have, and what other systems call them.

Headings are compared without case, blanks and punctuation: "Appointment ID" is `appointment_id`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.models.imports import ImportKind


@dataclass(frozen=True)
class Columns:
    """The columns of one kind of file: what each is called here and elsewhere, and what it needs.

    `needs` holds groups of columns: of each group one must be there.
    """

    names: Mapping[str, tuple[str, ...]]
    needs: tuple[tuple[str, ...], ...]
    unique: str | None = None
    """The column that no two rows may share."""


def heading_key(heading: str) -> str:
    """A heading as it is compared."""
    return re.sub(r"[^0-9a-z]+", "_", heading.casefold()).strip("_")


_PERSON: dict[str, tuple[str, ...]] = {
    "name": ("patient_name", "patient", "full_name", "patient_full_name"),
    "first_name": ("patient_first_name", "given_name", "fname", "firstname"),
    "last_name": ("patient_last_name", "surname", "family_name", "lname", "lastname"),
    "email": ("patient_email", "e_mail", "email_address", "mail"),
    "phone": (
        "patient_phone",
        "mobile",
        "mobile_phone",
        "cell",
        "cell_phone",
        "phone_number",
        "telephone",
    ),
}
_NAMED = ("name", "last_name")

_APPOINTMENTS = Columns(
    names=MappingProxyType(
        {
            "external_id": ("appointment_id", "appt_id", "aptnum", "apt_num", "id", "visit_id"),
            **_PERSON,
            "provider": ("provider_name", "provider_id", "dentist", "doctor", "practitioner"),
            "chair": ("chair_name", "chair_id", "operatory", "op", "room", "treatment_room"),
            "service": (
                "service_id",
                "service_name",
                "procedure",
                "procedures",
                "treatment",
                "appointment_type",
                "type",
                "reason",
            ),
            "start": (
                "starts_at",
                "start_time",
                "start_date_time",
                "start_datetime",
                "appointment_date",
                "appointment_datetime",
                "datetime",
                "date_time",
                "aptdatetime",
            ),
            "date": ("start_date", "appt_date", "day"),
            "time": ("appt_time", "appointment_time"),
            "minutes": (
                "duration",
                "duration_minutes",
                "length",
                "length_minutes",
                "duration_min",
            ),
            "end": ("ends_at", "end_time", "end_date_time", "end_datetime"),
            "status": ("appointment_status", "apt_status", "appt_status", "state"),
        }
    ),
    needs=(("external_id",), _NAMED, ("provider",), ("start", "date"), ("minutes", "end")),
    unique="external_id",
)
_PATIENTS = Columns(
    names=MappingProxyType(
        {
            "external_id": ("patient_id", "patnum", "chart_number", "chart", "id"),
            **_PERSON,
            "patient_type": ("type",),
            "status": ("patient_status",),
            "language": ("preferred_language", "lang"),
            "next_follow_up_date": (
                "recall_date",
                "recall_due",
                "due_date",
                "next_recall",
                "next_visit_due",
                "recare_due",
            ),
            "initial_inquiry": ("inquiry", "interest"),
            "estimated_value": ("value", "estimate"),
            "opted_out": ("opt_out", "do_not_contact", "unsubscribed", "no_email"),
        }
    ),
    needs=(_NAMED, ("email", "phone")),
)

COLUMNS: Mapping[ImportKind, Columns] = MappingProxyType(
    {ImportKind.APPOINTMENTS: _APPOINTMENTS, ImportKind.PATIENTS: _PATIENTS}
)
