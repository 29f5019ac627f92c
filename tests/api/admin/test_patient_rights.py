"""What a patient may ask for: all that is kept about them, and that it goes."""

import json
from typing import Any

import httpx
import pytest

from app.db.database import Database
from app.models.appointment import Appointment, AppointmentStatus
from app.models.campaign import Attention, Campaign, CampaignStatus
from app.models.interaction import (
    Delivery,
    DeliveryStatus,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.patient import Patient, name_key
from app.models.records import InboundEvent
from app.models.role import StaffRole
from app.models.waitlist import WaitlistEntry
from app.services.container import Services
from app.services.tokens import TokenPurpose
from tests.api.test_public import problem
from tests.conftest import HeadersFor
from tests.factories import make_appointment, make_campaign, make_patient
from tests.fakes import NOON, FrozenClock
from tests.services.scheduling.practice import furnish

pytestmark = pytest.mark.mongo

Headers = dict[str, str]
MARKS = ("Quennell", "quennell", "2125550147", "canary words", "canary note")


class Known:
    """A patient with something in every place that holds words or names."""

    def __init__(self, services: Services) -> None:
        self._stored = services.repositories
        self.patient: Patient = make_patient(
            name="Philippa Quennell",
            email="philippa.quennell@example.com",
            phone="+12125550147",
            other_contacts=["pip@quennell.example", "+442125550147"],
            initial_inquiry="canary words",
        )
        self.campaign: Campaign = make_campaign(
            patient_id=self.patient.id,
            status=CampaignStatus.RE_ENGAGED,
            engagement_summary="Quennell asked",
        )
        self.visit: Appointment = make_appointment(
            patient_id=self.patient.id, appointment_date=NOON, notes="canary note"
        )
        self.waiting = self._message(
            direction=Direction.OUTGOING,
            delivery=Delivery(
                message_class=MessageClass.OUTREACH, not_before=NOON, day_slot="quennell@day"
            ),
        )
        self.reply = self._message(
            direction=Direction.INCOMING,
            provider_id="file:1",
            sender="philippa.quennell@example.com",
            raw_content="canary words",
            short="canary words",
        )

    def _message(self, **given: Any) -> Interaction:
        shared: dict[str, Any] = {"patient_id": self.patient.id, "campaign_id": self.campaign.id}
        return Interaction(content="canary words", timestamp=NOON, **shared, **given)

    async def store(self) -> None:
        """Put all of it where it belongs."""
        stored = self._stored
        await stored.patients.insert(self.patient)
        await stored.campaigns.insert(self.campaign)
        await stored.appointments.insert(self.visit)
        await stored.interactions.insert(self.waiting)
        await stored.interactions.insert(self.reply)
        event: dict[str, Any] = {
            "id": "file:1",
            "source": "file",
            "payload": {"words": "canary words"},
        }
        at: dict[str, Any] = {"not_before": NOON, "created_at": NOON, "updated_at": NOON}
        await stored.inbound_events.store(InboundEvent(**event, **at))
        await stored.unanswered.record(self.reply.id, "canary words")

    async def store_unclaimed(self) -> None:
        """Messages of before they were on file, and another's."""
        for sender, words, is_open in (
            ("Pip <Philippa.Quennell@example.com>", "canary words", True),
            ("+12125550147", "canary words", False),
            ("else@example.com", "other words", True),
        ):
            await self._stored.interactions.insert(
                Interaction(
                    direction=Direction.INCOMING,
                    sender=sender,
                    content=words,
                    unmatched=is_open,
                    timestamp=NOON,
                )
            )


def a_wish(name: str, contact: str | None, phone: str | None) -> WaitlistEntry:
    """On the waitlist, of somebody whom nobody found on file."""
    return WaitlistEntry(
        service_id="checkup",
        name=name,
        name_key=name_key(name),
        contact=str(contact),
        phone=phone,
        first_day=NOON.date().isoformat(),
        last_day=NOON.date().isoformat(),
        expires_at=NOON,
        next_offer_at=NOON,
        added_by="patient",
    )


@pytest.fixture
async def known(services: Services) -> Known:
    known = Known(services)
    await known.store()
    return known


async def everything(database: Database, services: Services) -> str:
    """Every stored document, as text."""
    names = ["patients", "campaigns", "interactions", "appointments", "inbound_events"]
    names += ["unanswered_questions", "suppressions", "waitlist", "bounces", "audit_log"]
    await services.audit.trail.settle()
    found = [
        document
        for name in names
        for document in await database.collection(name).find({}).to_list(None)
    ]
    return json.dumps(found, default=str)


class TestExport:
    async def test_holds_all_there_is_and_is_for_administrators(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        headers_for: HeadersFor,
        known: Known,
        services: Services,
    ) -> None:
        path = f"/api/v1/admin/patients/{known.patient.id}"
        await app_client.patch(path, json={"language": "es"}, headers=admin_headers)
        manager = await headers_for(StaffRole.OFFICE_MANAGER)

        answer = await app_client.get(f"{path}/export-all", headers=admin_headers)

        body = answer.json()
        assert answer.status_code == 200
        assert body["patient"]["name"] == "Philippa Quennell"
        assert body["patient"]["language"] == "es"
        assert body["patient"]["other_contacts"] == known.patient.other_contacts
        assert [one["content"] for one in body["interactions"]] == ["canary words"] * 2
        assert body["appointments"][0]["notes"] == "canary note"
        assert body["campaigns"][0]["engagement_summary"] == "Quennell asked"
        assert body["audit"][0]["action"] == "update_patient"
        assert (await app_client.get(f"{path}/export-all", headers=manager)).status_code == 403
        nobody = path.replace(str(known.patient.id), "66f2a1b4c3d2e1f0a9b8c7d6")
        refused = await app_client.get(f"{nobody}/export-all", headers=admin_headers)
        assert problem(refused) == (404, "patient-not-found")


async def is_over(services: Services, known: Known) -> None:
    """The campaign has ended, nothing waits to leave, and the visit stands as it was."""
    stored = services.repositories
    campaign = await stored.campaigns.get(known.campaign.id)
    assert campaign is not None
    assert campaign.status == CampaignStatus.RECOVERY_DECLINED
    waiting = await stored.interactions.get(known.waiting.id)
    assert waiting is not None
    assert waiting.delivery is not None
    assert waiting.delivery.status == DeliveryStatus.SUPPRESSED
    visit = await stored.appointments.get(known.visit.id)
    assert visit is not None
    assert (visit.service_name, visit.patient_id) == ("Cleaning", known.patient.id)


class TestErase:
    async def test_leaves_facts_without_a_person_ends_what_runs_and_writes_no_more(
        self,
        *,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        known: Known,
        services: Services,
        database: Database,
    ) -> None:
        stored, patient_id = services.repositories, known.patient.id
        path = f"/api/v1/admin/patients/{patient_id}"
        confirmed = {"confirm_patient_id": str(patient_id)}

        wrong = await app_client.post(
            f"{path}/erase", json={"confirm_patient_id": str(known.visit.id)}, headers=admin_headers
        )
        live = await app_client.post(f"{path}/erase", json=confirmed, headers=admin_headers)
        assert problem(wrong) == (422, "not-confirmed")
        assert problem(live) == (409, "patient-has-visit")
        assert live.json()["appointment_ids"] == [str(known.visit.id)]
        assert (await stored.patients.get(patient_id)) is not None
        done = {"status": AppointmentStatus.COMPLETED}
        await stored.appointments.update_fields(known.visit.id, done)
        await known.store_unclaimed()

        answers = [
            await app_client.post(f"{path}/erase", json=confirmed, headers=admin_headers)
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["erased_at"] == "2026-08-19T16:00:00Z"
        left = await everything(database, services)
        assert [mark for mark in MARKS if mark in left] == []
        assert "other words" in left
        await is_over(services, known)
        erased = [one.action for one in await stored.audit.about(str(patient_id))]
        assert erased == ["patient_erased"]
        renamed = await app_client.patch(path, json={"name": "X Y"}, headers=admin_headers)
        assert problem(renamed) == (409, "patient-erased")

        assert len(known.patient.contacts) == 4
        for address in known.patient.contacts:
            found = await stored.suppressions.for_address(address)
            assert found is not None
            assert found.address.startswith("hmac-sha256:")
        assert await stored.suppressions.for_address("somebody@example.com") is None

    async def test_goes_on_after_a_crash_and_spares_whoever_shares_the_mailbox(
        self, known: Known, services: Services
    ) -> None:
        stored = services.repositories
        child = make_patient(name="Lee Quennell", email=known.patient.email)
        await stored.patients.insert(child)
        waiting = [
            await stored.waitlist.insert(a_wish(*whose))
            for whose in (
                (known.patient.name, child.email, None),
                (child.name, child.email, None),
                ("P. Quennell", "+12125550147", None),
                ("Pip Quennell", "elsewhere@example.com", "+12125550147"),
                ("Pip Quennell", "another@example.com", None),
            )
        ]
        await stored.appointments.delete(known.visit.id)
        await stored.patients.begin_erasure(known.patient, "staff:1")

        await services.jobs.reconcile()
        await services.jobs.reconcile()

        erased = await stored.patients.get(known.patient.id)
        assert erased is not None
        assert erased.erasure is not None
        assert erased.erasure.done_at == NOON
        assert erased.name == "Erased patient"
        assert await stored.suppressions.for_address(str(child.email)) is None
        assert await stored.suppressions.for_address("+12125550147") is not None
        assert len(await stored.audit.about(str(known.patient.id))) == 1
        left = await stored.waitlist.get_many(one.id for one in waiting)
        assert sorted(left) == sorted([waiting[1].id, waiting[4].id])

    async def test_what_was_being_written_meanwhile_goes_too(
        self, *, known: Known, services: Services, database: Database, clock: FrozenClock
    ) -> None:
        """The agent was about to say something about their last message."""
        stored = services.repositories
        await stored.appointments.delete(known.visit.id)
        await services.retention.erasure.erase(known.patient.id, by="staff:1")
        await stored.interactions.insert(
            Interaction(
                patient_id=known.patient.id,
                direction=Direction.OUTGOING,
                content="canary words",
                timestamp=NOON,
                delivery=Delivery(message_class=MessageClass.AGENT_ANSWER, not_before=NOON),
            )
        )
        asked = Attention(reason="question", summary="Quennell said: canary words", since=NOON)
        await stored.campaigns.set_attention(known.campaign.id, asked)

        await services.jobs.reconcile()
        early = await everything(database, services)
        clock.advance(minutes=10)
        await services.jobs.reconcile()
        await services.jobs.reconcile()

        assert "canary words" in early
        left = await everything(database, services)
        assert [mark for mark in MARKS if mark in left] == []
        erased = await stored.patients.get(known.patient.id)
        assert erased is not None
        assert erased.erasure is not None
        assert (erased.erasure.pending_since, erased.erasure.done_at) == (None, NOON)
        assert len(await stored.audit.about(str(known.patient.id))) == 1

    async def test_nobody_books_for_merges_with_or_writes_into_what_is_left(
        self,
        *,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        known: Known,
        services: Services,
    ) -> None:
        await furnish(services.repositories)
        stored, patient_id = services.repositories, known.patient.id
        other = await stored.patients.insert(make_patient(name="Lee Quennell"))
        token = services.tokens.issue(TokenPurpose.BOOKING, patient_id=str(patient_id))
        await stored.appointments.delete(known.visit.id)
        await services.retention.erasure.erase(patient_id, by="staff:1")
        visit = {"service_id": "cleaning", "appointment_date": "2026-08-20T09:00"}

        by_link = await app_client.post(
            "/api/v1/appointments/book",
            json={
                **visit,
                "name": "Philippa Quennell",
                "email": "philippa.quennell@example.com",
                "phone": "(212) 555-0147",
                "booking_token": token,
            },
        )
        by_staff = await app_client.post(
            "/api/v1/admin/appointments",
            json={**visit, "patient_id": str(patient_id)},
            headers=admin_headers,
        )
        merges = [
            await app_client.post(
                f"/api/v1/admin/patients/{stays}/merge",
                json={"patient_id": str(goes)},
                headers=admin_headers,
            )
            for stays, goes in ((patient_id, other.id), (other.id, patient_id))
        ]
        unmatched = await stored.interactions.insert(
            Interaction(
                direction=Direction.INCOMING, content="Hello", timestamp=NOON, unmatched=True
            )
        )
        assigned = await app_client.post(
            f"/api/v1/admin/unmatched/{unmatched.id}/assign",
            json={"patient_id": str(patient_id)},
            headers=admin_headers,
        )
        late = await stored.patients.change(patient_id, {"name": "Philippa Quennell"}, unset=[])

        assert problem(by_link) == (404, "patient-not-found")
        refused = [problem(one) for one in (by_staff, *merges, assigned)]
        assert refused == [(409, "patient-erased")] * 4
        assert not late
        assert await stored.appointments.all_for_patient(patient_id) == []
        assert (await stored.patients.get(other.id)) == other
