"""The waitlist: what patients send and see, and what staff do."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from app.core.addresses import EmailAddress
from app.models.base import PyObjectId, UtcDatetime
from app.models.schedule import Clinic, LocalDate, ServiceSlug
from app.models.waitlist import (
    HeldBack,
    Offer,
    OfferOutcome,
    WaitlistEntry,
    WaitlistStatus,
    WishedTimes,
    WishedWeekdays,
)
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.text import PersonName, PhoneText
from app.schemas.times import ClientTime

_WISH: dict[str, Any] = {
    "service_id": "teeth_whitening",
    "name": "Maria Lopez",
    "email": "maria.lopez@example.com",
    "from": "2026-08-20",
    "to": "2026-09-20",
    "times": ["morning", ["13:00", "15:30"]],
}
JOINED_MESSAGE = (
    "Thank you. When a time that suits you frees up, we write to you or call you. Whoever answers "
    "first has it."
)
"""The same for everybody: it must not tell who is a patient."""


class _Wish(InputSchema):
    """What is waited for."""

    service_id: ServiceSlug
    provider_id: PyObjectId | None = None
    first_day: Annotated[date | None, Field(alias="from", examples=["2026-08-20"])] = None
    last_day: Annotated[
        date | None,
        Field(
            alias="to",
            description="At most 180 days ahead and within the booking horizon; without it the "
            "entry waits 90 days.",
            examples=["2026-09-20"],
        ),
    ] = None
    times: Annotated[
        WishedTimes,
        Field(
            description="Any of them fits: `morning`, `afternoon` (from noon) and `evening` (from "
            "17:00) by the start of the visit, or an interval that holds the whole visit."
        ),
    ] = Field(default_factory=list)
    weekdays: WishedWeekdays = Field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """What was sent, by the names that the service has for it."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class WaitlistJoin(_Wish):
    """What the form of the booking site sends."""

    model_config = ConfigDict(
        extra="forbid", serialize_by_alias=False, json_schema_extra={"example": _WISH}
    )

    name: PersonName
    email: EmailAddress
    phone: PhoneText | None = None


class WaitlistJoined(OutputSchema):
    """They wait."""

    message: str = Field(examples=[JOINED_MESSAGE])
    available_now: list[UtcDatetime] = Field(
        description="Times that suit and are free already, at most 12: book one at once.",
        examples=[["2026-08-20T13:00:00Z"]],
    )


class WaitlistAdd(_Wish):
    """Somebody whom staff put on the list: a patient, or a name with a contact."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"service_id": "teeth_whitening", "patient_id": EXAMPLE_ID, "times": []}
        },
    )

    patient_id: PyObjectId | None = None
    name: PersonName | None = None
    email: EmailAddress | None = None
    phone: PhoneText | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.patient_id is None and self.name is None:
            message = "patient_id or name is needed"
            raise ValueError(message)
        return self


class OfferedTime(OutputSchema):
    """A time of an offer that can still be taken."""

    starts_at: UtcDatetime = Field(examples=["2026-08-20T13:00:00Z"])
    local_time: str = Field(description="On the clinic's clock.", examples=["2026-08-20T09:00"])


class OfferRead(OutputSchema):
    """An offer as the person sees it to whom it was made. Holds nothing about who they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "waiting",
                "service_id": "teeth_whitening",
                "service_name": "Teeth Whitening",
                "times": [{"starts_at": "2026-08-20T13:00:00Z", "local_time": "2026-08-20T09:00"}],
                "until": "2026-08-19T16:00:00Z",
                "timezone": "America/New_York",
                "booked_for": None,
            }
        }
    )

    status: WaitlistStatus
    service_id: str
    service_name: str
    times: list[OfferedTime]
    until: UtcDatetime
    timezone: str
    booked_for: UtcDatetime | None

    @classmethod
    def of(
        cls,
        entry: WaitlistEntry,
        offer: Offer,
        clinic: Clinic,
        *,
        service_name: str,
        free: Sequence[datetime],
        booked_for: datetime | None,
    ) -> Self:
        """From the stored forms."""
        zone = clinic.zone
        return cls(
            status=entry.status,
            service_id=entry.service_id,
            service_name=service_name,
            times=[
                OfferedTime(starts_at=start, local_time=f"{start.astimezone(zone):%Y-%m-%dT%H:%M}")
                for start in free
            ],
            until=offer.until,
            timezone=clinic.timezone,
            booked_for=booked_for,
        )


class OfferAcceptance(InputSchema):
    """Which of the times is taken."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"appointment_date": "2026-08-20T09:00:00-04:00"}},
    )

    appointment_date: ClientTime


class MadeOffer(OutputSchema):
    """What somebody was offered."""

    starts: list[UtcDatetime]
    made_at: UtcDatetime
    until: UtcDatetime
    outcome: OfferOutcome | None


class WaitlistEntryRead(OutputSchema):
    """An entry as staff see it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "waitlist_id": EXAMPLE_ID,
                "status": "waiting",
                "service_id": "teeth_whitening",
                "provider_id": None,
                "patient_id": EXAMPLE_OTHER_ID,
                "name": "Maria Lopez",
                "email": "maria.lopez@example.com",
                "phone": None,
                "from": "2026-08-19",
                "to": "2026-09-20",
                "times": ["morning"],
                "weekdays": [],
                "held_back": None,
                "added_by": "form",
                "waiting_since": "2026-08-19T16:00:00Z",
                "last_offer": None,
            }
        },
    )

    waitlist_id: PyObjectId
    status: WaitlistStatus
    service_id: str
    provider_id: PyObjectId | None
    patient_id: PyObjectId | None
    name: str
    email: str | None
    phone: str | None
    first_day: LocalDate = Field(serialization_alias="from")
    last_day: LocalDate = Field(serialization_alias="to")
    times: WishedTimes
    weekdays: WishedWeekdays
    held_back: HeldBack | None = Field(
        description="Why nobody was told of a time that would suit them: please call."
    )
    added_by: str
    waiting_since: UtcDatetime
    last_offer: MadeOffer | None

    @classmethod
    def of(cls, entry: WaitlistEntry) -> Self:
        """From the stored form."""
        same = set(cls.model_fields) - {"waitlist_id", "waiting_since", "last_offer"}
        newest = entry.offers[-1] if entry.offers else None
        return cls(
            waitlist_id=entry.id,
            waiting_since=entry.created_at,
            last_offer=MadeOffer.model_validate(newest) if newest else None,
            **{name: getattr(entry, name) for name in same},
        )


class WaitlistPage(OutputSchema):
    """Longest waiting first."""

    pagination: Pagination
    waitlist: list[WaitlistEntryRead]
