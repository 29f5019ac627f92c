"""What tests of the admin operations have in common."""

from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import httpx

from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus, CreatedFrom
from app.models.base import new_id
from app.models.campaign import Attention, Campaign, CampaignStatus
from app.models.decision import Urgency
from app.models.interaction import (
    Delivery,
    DeliveryStatus,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.patient import Patient
from app.services.container import Services
from tests.factories import make_campaign, make_patient

V1 = "/api/v1"
ADMIN = f"{V1}/admin"
NOBODY = "66f2a1b4c3d2e1f0a9b8c7d6"
"""A well-formed id that nothing has."""

LEAD: dict[str, Any] = {
    "patient_name": "Maria Lopez",
    "patient_email": "Maria.Lopez@Example.com",
    "patient_phone": "(212) 555-0142",
    "initial_inquiry": "Asked about teeth whitening in September",
    "estimated_value": 450,
}
"""Somebody who asked once, as the desk enters them."""


def problem(answer: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, held to its form."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"]) == (status, status), body
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert body["detail"]
    if slug:
        assert body["type"].endswith(f"/problems/{slug}"), body["type"]
    return body


async def stored_campaign(
    repositories: Repositories, patient: Patient | None = None, **given: Any
) -> Campaign:
    """A campaign with its patient, both stored."""
    person = patient or await repositories.patients.insert(make_patient())
    campaign = make_campaign(patient_id=person.id, **given)
    return await repositories.campaigns.insert(campaign)


async def reload(repositories: Repositories, campaign: Campaign) -> Campaign:
    """The campaign as it is stored now."""
    found = await repositories.campaigns.get(campaign.id)
    assert found is not None
    return found


async def messages(repositories: Repositories, campaign: Campaign) -> list[Interaction]:
    """What was said in a campaign."""
    return await repositories.interactions.conversation(campaign.id)


async def send_all(services: Services) -> None:
    """Work the outbox off until nothing is due."""
    while await services.outreach.sender.work_off():
        pass


def make_attention(at: datetime, **given: Any) -> Attention:
    """Something that waits for a person."""
    fields: dict[str, Any] = {
        "reason": "question",
        "urgency": Urgency.NORMAL,
        "summary": "Asks about insurance.",
        "since": at,
    }
    return Attention(**(fields | given))


def make_message(at: datetime, **given: Any) -> Interaction:
    """An outgoing message that waits in the outbox."""
    status = given.pop("status", DeliveryStatus.PENDING)
    message_class = given.pop("message_class", MessageClass.OUTREACH)
    error, attempts = given.pop("error", None), given.pop("attempts", 0)
    fields: dict[str, Any] = {
        "patient_id": new_id(),
        "direction": Direction.OUTGOING,
        "subject": "A note from your dentist",
        "content": "Hello.",
        "timestamp": at,
        "dedupe_key": f"test:{new_id()}",
        "delivery": Delivery(
            status=status,
            message_class=message_class,
            not_before=at,
            error=error,
            attempts=attempts,
        ),
    }
    return Interaction(**(fields | given))


def make_reply(at: datetime, **given: Any) -> Interaction:
    """A patient's message."""
    fields: dict[str, Any] = {
        "direction": Direction.INCOMING,
        "content": "Please call me.",
        "timestamp": at,
    }
    return Interaction(**(fields | given))


def make_visit(at: datetime, **given: Any) -> Appointment:
    """A visit in the book."""
    fields: dict[str, Any] = {
        "patient_id": new_id(),
        "provider_id": new_id(),
        "chair_id": new_id(),
        "service_id": "filling",
        "service_name": "Filling",
        "appointment_date": at,
        "duration_minutes": 30,
        "status": AppointmentStatus.BOOKED,
        "created_from": CreatedFrom.MANUAL_ADMIN,
    }
    return Appointment(**(fields | given))


def letter(services: Services, message: Interaction) -> EmailMessage:
    """The mail that a message left as."""
    path = services.settings.data_dir / "outbox" / f"{message.id}.eml"
    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    assert isinstance(mail, EmailMessage)
    return mail


def text_of(mail: EmailMessage) -> str:
    """What a mail says, without its HTML."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def move(repositories: Repositories, campaign: Campaign, status: CampaignStatus) -> None:
    """Put a campaign into a status, whatever the life cycle says."""
    await repositories.campaigns.update_fields(campaign.id, {"status": status})


def iso(instant: datetime) -> str:
    """As the API answers an instant."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


DAY = timedelta(days=1)
