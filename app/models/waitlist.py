"""Who waits for a time to free up, what they wish for, and what they were offered.

Decisions:

- One waiting entry for each contact, name and service, held by a unique index: the same form sent
  twice is one entry, and nobody can change the wish of somebody else by sending theirs again.
- A wish is a span of local days, weekdays, and parts of the day: `morning` (until noon),
  `afternoon` (noon to 17:00) and `evening` go by the start of the visit; an interval such as
  ["09:00", "12:00"] must hold the whole visit. Several of them: any one fits.
- A wish ends at `last_day`: the day given, at most 180 days ahead and within the booking horizon,
  else 90 days after joining.
- `known` are the times that are no news to this person: those that were free when they joined and
  have been free ever since, and those that a sent offer named and they let pass. A time is *freed*
  for them where it can be booked, suits the wish and is not known.
- `visit_id` is the id that a visit booked from the list will have, made with the entry: however
  often and with whatever times an offer is accepted, the book takes one visit.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime, new_id
from app.models.schedule import LocalDate, LocalInterval, ServiceSlug, Weekday

MAX_WAIT_DAYS = 90
"""How long an entry without a last day waits."""
MAX_REACH_DAYS = 180
"""How far ahead a wish may reach, whatever the booking horizon."""
MAX_OFFERS_KEPT = 60


class WaitlistStatus(StrEnum):
    """Where an entry stands; only a waiting one is offered anything."""

    WAITING = "waiting"
    BOOKED = "booked"
    LEFT = "left"
    EXPIRED = "expired"


class PartOfDay(StrEnum):
    """A part of the day on the clinic's clock, by the start of the visit."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"


_PART_OF_DAY, _INTERVAL = "(part of day)", "(interval)"
WISHED_TIME_TAGS = frozenset({_PART_OF_DAY, _INTERVAL})
"""How pydantic names the two forms of a wish where it says what is wrong."""


def _form_of(wish: object) -> str:
    """One form is meant, and only that one's faults are told."""
    return _INTERVAL if isinstance(wish, (list, tuple)) else _PART_OF_DAY


_WishedTime = Annotated[
    Annotated[PartOfDay, Tag(_PART_OF_DAY)] | Annotated[LocalInterval, Tag(_INTERVAL)],
    Discriminator(_form_of),
]
WishedTimes = Annotated[
    list[_WishedTime],
    Field(max_length=14, examples=[["morning", ["13:00", "15:30"]]]),
]
WishedWeekdays = Annotated[list[Weekday], Field(max_length=7, examples=[["MON", "TUE"]])]


class HeldBack(StrEnum):
    """Why nobody was told of a time that would suit them; a person can call."""

    STRANGER = "stranger"
    """The practice does not know them and takes no new patients online."""
    UNCLEAR = "unclear"
    """Several patients share the contact, and the name does not tell them apart."""
    NO_ADDRESS = "no_address"
    NOT_WANTED = "not_wanted"
    """They opted out, their address is dead, or they are no active patient."""


class OfferOutcome(StrEnum):
    """How an offer ended without a visit."""

    DROPPED = "dropped"
    """It was never sent."""
    GONE = "gone"
    """Others had all of its times; they were told."""
    LAPSED = "lapsed"
    """It was not answered in time."""


class Offer(StoredModel):
    """Times that one person was offered; stored before its letter is written."""

    key: str
    """The letter's dedupe key: one offer an entry and local day."""
    starts: list[UtcDatetime]
    made_at: UtcDatetime
    until: UtcDatetime
    message_id: PyObjectId | None = None
    """The letter, once it is queued."""
    outcome: OfferOutcome | None = None


class SeenTimes(StoredModel):
    """A set of start times as bits: bit `n` of `mask`, lowest first, is bucket `base + n`."""

    base: int
    mask: bytes


class WaitlistEntry(Document):
    """A stored entry. `created_at` decides who has waited longest."""

    service_id: ServiceSlug
    provider_id: PyObjectId | None = None
    patient_id: PyObjectId | None = None
    name: str
    name_key: str
    contact: str
    """What the entry is known by: the e-mail address, else the number."""
    email: str | None = None
    phone: str | None = None
    language: str = "en"
    first_day: LocalDate
    last_day: LocalDate
    times: WishedTimes = Field(default_factory=list)
    weekdays: WishedWeekdays = Field(default_factory=list)
    status: WaitlistStatus = WaitlistStatus.WAITING
    revision: int = 0
    expires_at: UtcDatetime
    next_offer_at: UtcDatetime
    """Not offered anything before: one offer a local day."""
    last_offered_on: LocalDate | None = None
    open_until: UtcDatetime | None = None
    """Until when the newest offer stands; unset once it has ended."""
    offers: list[Offer] = Field(default_factory=list)
    known: SeenTimes | None = None
    held_back: HeldBack | None = None
    visit_id: PyObjectId = Field(default_factory=new_id)
    added_by: str
    closed_at: UtcDatetime | None = None

    @property
    def open_offer(self) -> Offer | None:
        """The offer that stands, if one does."""
        newest = self.offers[-1] if self.offers else None
        return newest if newest is not None and newest.outcome is None else None

    def offer_of(self, key: str) -> Offer | None:
        """The offer with this key."""
        return next((one for one in self.offers if one.key == key), None)
