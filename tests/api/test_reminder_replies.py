"""A reply to a reminder, from the webhook to where it is worked on."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.models.appointment import Appointment, AppointmentStatus
from app.models.campaign import CampaignStatus
from app.models.interaction import Direction, Interaction, MessageClass
from app.models.patient import Patient
from app.services.container import Services
from tests.conftest import Drain
from tests.factories import make_appointment, make_campaign, make_patient
from tests.fakes import FrozenClock
from tests.services.test_email_processor import push

pytestmark = pytest.mark.mongo

WEBHOOK = "/api/v1/webhooks/gmail"
STRANGER = "someone.else@example.com"


@pytest.fixture
async def patient(services: Services) -> Patient:
    """One of two who share a mailbox: by the sender alone nobody could tell who wrote."""
    sibling = await services.repositories.patients.insert(make_patient(name="Robin Smith"))
    return await services.repositories.patients.insert(make_patient(email=sibling.email))


async def reminded(
    services: Services, clock: FrozenClock, drain: Drain, patient: Patient, **given: Any
) -> Interaction:
    """The reminder that left two days before a visit booked long ago."""
    start = clock.now() + timedelta(days=30)
    visit = make_appointment(patient_id=patient.id, appointment_date=start, **given)
    await services.repositories.appointments.insert(visit)
    clock.set(start - timedelta(days=2))
    await services.jobs.remind()
    await drain()
    [sent] = await services.repositories.interactions._find(
        {"delivery.message_class": MessageClass.REMINDER, "delivery.status": "sent"}
    )
    return sent


async def reply(
    client: httpx.AsyncClient, reminder: Interaction, sender: str | None, text: str
) -> None:
    """What the relay pushes when somebody answers in the reminder's thread."""
    content = {
        "thread_id": reminder.thread_id,
        "message_id": "<r-1@mail.example.com>",
        "from": sender,
        "subject": f"Re: {reminder.subject}",
        "content": text,
    }
    assert (await client.post(WEBHOOK, content=push(content))).status_code == 200


async def came_in(services: Services) -> Interaction:
    """The one message that came."""
    [message] = await services.repositories.interactions._find({"direction": Direction.INCOMING})
    return message


async def visit_of(services: Services, reminder: Interaction) -> Appointment:
    """The visit it was about, as it stands."""
    assert reminder.appointment_id is not None
    visit = await services.repositories.appointments.get(reminder.appointment_id)
    assert visit is not None
    return visit


class TestReply:
    async def test_without_a_campaign_it_is_the_patients_and_waits_for_a_person(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
        drain: Drain,
        patient: Patient,
    ) -> None:
        reminder = await reminded(services, clock, drain, patient)

        await reply(app_client, reminder, patient.email, "Confirm. See you then!")
        await drain()

        message = await came_in(services)
        assert message.patient_id == patient.id
        assert message.unmatched
        assert (await visit_of(services, reminder)).status == AppointmentStatus.BOOKED

    async def test_with_a_booked_campaign_staff_are_asked(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
        drain: Drain,
        patient: Patient,
    ) -> None:
        campaign = await services.repositories.campaigns.insert(
            make_campaign(patient_id=patient.id, status=CampaignStatus.BOOKING_INITIATED)
        )
        reminder = await reminded(services, clock, drain, patient)
        assert reminder.campaign_id is None

        await reply(app_client, reminder, patient.email, "I cannot come, please move my visit.")
        await drain()

        stored = await services.repositories.campaigns.get(campaign.id)
        assert stored is not None
        assert (await came_in(services)).campaign_id == campaign.id
        assert stored.attention is not None
        assert stored.status == CampaignStatus.BOOKING_INITIATED

    async def test_stop_ends_the_reminders(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
        drain: Drain,
        patient: Patient,
    ) -> None:
        reminder = await reminded(services, clock, drain, patient)
        await reply(app_client, reminder, patient.email, "STOP")
        await drain()

        clock.advance(days=1, hours=22)
        await services.jobs.remind()
        await drain()

        messages = await services.repositories.interactions._find(
            {"delivery.message_class": MessageClass.REMINDER}, sort=[("timestamp", 1)]
        )
        states = [(one.delivery.status, one.delivery.error) for one in messages if one.delivery]
        assert states == [("sent", None), ("suppressed", "opted_out")]

    async def test_a_stranger_in_the_thread_stops_nothing(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
        drain: Drain,
        patient: Patient,
    ) -> None:
        reminder = await reminded(services, clock, drain, patient)

        await reply(app_client, reminder, STRANGER, "STOP")
        await drain()

        stored = await services.repositories.patients.get(patient.id)
        assert stored is not None
        assert not stored.has_opted_out
        assert await services.repositories.suppressions.for_address(patient.email or "") is None
        assert await services.repositories.suppressions.for_address(STRANGER)
        assert (await came_in(services)).unmatched
