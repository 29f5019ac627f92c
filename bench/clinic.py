"""A practice's patients, campaigns and messages, drawn alike in every run: any number of them."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from app.db.database import Database, within
from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.campaign import (
    ACTIVE_STATUSES,
    FOLLOWED_UP_STATUSES,
    Attention,
    Campaign,
    CampaignOrigin,
    CampaignStatus,
    CampaignType,
    FollowUpDetails,
)
from app.models.decision import Urgency
from app.models.interaction import Delivery, DeliveryStatus, Direction, Interaction, MessageClass
from app.models.patient import Patient, PatientStatus, PatientType, name_key
from app.services.scheduling.claims import claims_for
from bench.practice import Practice, numbered

T = TypeVar("T")

_PATIENT, _CAMPAIGN, _MESSAGE = range(0x101, 0x104)
_BATCH = 500
_SAY_EVERY = 20
_FILL_SECONDS = 3600.0
_FIRST = ("Dana", "Lee", "Maria", "José", "Amina", "Piotr", "Mei", "Olu", "Ruth", "Sven", "Ana")
_LAST = ("Smith", "Wong", "Lopez", "García", "Okafor", "Nowak", "Chen", "Adeyemi", "Levy", "Berg")
_WORDS = (
    "Yes, please.",
    "When would you have time?",
    "Not just now, thank you.",
    "How much is it?",
)
_ENDED = (
    CampaignStatus.RECOVERED,
    CampaignStatus.RECOVERY_FAILED,
    CampaignStatus.RECOVERY_DECLINED,
)
_ONE_IN_ACTIVE = 4
_ONE_IN_ATTENTION = 20
_ONE_IN_FAILED = 50
_ONE_IN_UNMATCHED = 200


@dataclass(frozen=True)
class ClinicSize:
    """How many there are."""

    patients: int = 5000
    campaigns: int = 6000
    interactions: int = 30_000


class Clinic:
    """Its documents, one after the other; `now` is when it is looked at."""

    def __init__(self, size: ClinicSize, now: datetime, seed: int = 1) -> None:
        self._size = size
        self._now = now
        self._seed = seed

    def patients(self) -> Iterator[Patient]:
        """Half of them treated before, the rest leads."""
        draw = self._draw("patients")
        for number in range(self._size.patients):
            name = f"{draw.choice(_FIRST)} {draw.choice(_LAST)} {number:06d}"
            is_existing = draw.random() < 0.5  # noqa: PLR2004
            due = self._now + timedelta(days=draw.randrange(-400, 400))
            yield Patient(
                id=numbered(_PATIENT, number),
                name=name,
                name_key=name_key(name),
                email=f"patient.{number:06d}@example.com",
                phone=f"+1212{2_000_000 + number:07d}",
                patient_type=PatientType.EXISTING if is_existing else PatientType.COLD_LEAD,
                status=PatientStatus.INACTIVE if number % 25 == 0 else PatientStatus.ACTIVE,
                next_follow_up_date=due if is_existing else None,
                initial_inquiry=None if is_existing else "Asked about teeth whitening.",
                estimated_value=None if is_existing else float(draw.randrange(100, 3000)),
            )

    def campaigns(self) -> Iterator[Campaign]:
        """The first of each patient may still run; all further ones have ended."""
        draw = self._draw("campaigns")
        for number in range(self._size.campaigns):
            turn, patient = divmod(number, self._size.patients)
            runs = turn == 0 and number % _ONE_IN_ACTIVE == 0
            began = self._now - timedelta(minutes=draw.randrange(60, 500_000))
            status = draw.choice(sorted(ACTIVE_STATUSES) if runs else _ENDED)
            follow_up = FollowUpDetails(max_attempts=4, attempts_made=draw.randrange(5))
            if status in FOLLOWED_UP_STATUSES:
                in_days = timedelta(days=draw.randrange(-1, 10))
                follow_up.first_attempt_at, follow_up.next_attempt_at = began, self._now + in_days
            yield Campaign(
                id=numbered(_CAMPAIGN, number),
                patient_id=numbered(_PATIENT, patient),
                campaign_type=CampaignType.RECOVERY if turn == 0 else CampaignType.RECALL,
                due_date=None if turn == 0 else began + timedelta(days=turn),
                origin=CampaignOrigin.STAFF,
                status=status,
                follow_up_details=follow_up,
                attention=self._attention(began) if number % _ONE_IN_ATTENTION == 0 else None,
                ended_at=None if runs else began + timedelta(days=2),
                estimated_value=float(draw.randrange(100, 3000)),
                created_at=began,
                updated_at=began + timedelta(minutes=draw.randrange(50)),
            )

    def interactions(self) -> Iterator[Interaction]:
        """Letters and replies by turns, spread over the campaigns."""
        draw = self._draw("interactions")
        for number in range(self._size.interactions):
            campaign = number % self._size.campaigns
            at = self._now - timedelta(minutes=draw.randrange(60, 500_000))
            shared: dict[str, Any] = {
                "id": numbered(_MESSAGE, number),
                "patient_id": numbered(_PATIENT, campaign % self._size.patients),
                "campaign_id": numbered(_CAMPAIGN, campaign),
                "content": draw.choice(_WORDS),
                "timestamp": at,
                "created_at": at,
                "updated_at": at,
            }
            is_letter = number // self._size.campaigns % 2 == 0
            yield self._letter(shared, number, at) if is_letter else self._reply(shared, number)

    def visits(self, book: Practice) -> list[Appointment]:
        """What is booked, each time by one of the patients."""
        return [
            one.model_copy(
                update={
                    "patient_id": (who := numbered(_PATIENT, number % self._size.patients)),
                    "claims": claims_for(
                        place.provider_id,
                        place.chair_id,
                        who,
                        place.starts_at,
                        duration_minutes=one.duration_minutes,
                    ),
                }
            )
            for number, (one, place) in enumerate(zip(book.visits(), book.booked, strict=True))
        ]

    def _letter(self, shared: dict[str, Any], number: int, at: datetime) -> Interaction:
        failed = number % _ONE_IN_FAILED == 0
        return Interaction(
            **shared,
            direction=Direction.OUTGOING,
            subject="Your inquiry",
            dedupe_key=f"clinic:{number}",
            delivery=Delivery(
                status=DeliveryStatus.FAILED if failed else DeliveryStatus.SENT,
                message_class=MessageClass.OUTREACH,
                not_before=at,
                sent_at=None if failed else at,
                provider_message_id=f"<{number}@example.com>",
            ),
        )

    def _reply(self, shared: dict[str, Any], number: int) -> Interaction:
        is_unmatched = number % _ONE_IN_UNMATCHED == 0
        fields = {**shared, "patient_id": None, "campaign_id": None} if is_unmatched else shared
        return Interaction(
            **fields,
            direction=Direction.INCOMING,
            provider_id=f"clinic:{number}",
            sender="somebody@example.com",
            processed_at=shared["timestamp"],
            unmatched=True if is_unmatched else None,
        )

    def _attention(self, since: datetime) -> Attention:
        return Attention(
            reason="question", urgency=Urgency.NORMAL, summary="Asks about a price.", since=since
        )

    def _draw(self, what: str) -> random.Random:
        return random.Random(f"{what} {self._seed}")  # noqa: S311 - a practice, no secret


async def fill(
    database: Database, clinic: Clinic, say: Callable[[str], None] | None = None
) -> None:
    """Store all of it, in batches; nothing is kept in memory beside one. `say` hears how far it
    is.
    """
    documents: tuple[tuple[str, Iterator[Any]], ...] = (
        ("patients", clinic.patients()),
        ("campaigns", clinic.campaigns()),
        ("interactions", clinic.interactions()),
    )
    async with within(_FILL_SECONDS):
        for name, models in documents:
            for number, batch in enumerate(_batches(models), 1):
                stored = [model.to_stored() for model in batch]
                await database.collection(name).insert_many(stored, ordered=False)
                if say and number % _SAY_EVERY == 0:
                    say(f"  {name}: {number * _BATCH:,}")


def _batches(models: Iterator[T]) -> Iterator[Sequence[T]]:
    while batch := list(islice(models, _BATCH)):
        yield batch


def some_campaign() -> PyObjectId:
    """One that runs and has messages."""
    return numbered(_CAMPAIGN, 0)


def some_patient() -> PyObjectId:
    """One with a campaign."""
    return numbered(_PATIENT, 0)
