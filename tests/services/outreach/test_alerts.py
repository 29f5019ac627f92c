"""Alerts: urgent at once, the rest as a digest, and never a word about a patient."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.appointment import AppointmentStatus
from app.models.base import new_id
from app.models.campaign import Campaign
from app.models.decision import Urgency
from app.models.imports import ScheduleConflict
from app.models.interaction import Direction, Interaction, Settlement
from app.models.role import LiveSession
from app.services.mail.transport import Audience, TransientMailError, UnknownOutcomeError
from tests.factories import make_staff
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport

NEXT_DIGEST = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
STAFF = "staff@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def alerting(
    repositories: Repositories,
    settings: Settings,
    clock: FrozenClock,
    transport: RecordingTransport,
) -> Parts:
    with_address = settings.model_copy(update={"staff_alert_email": STAFF})
    return Parts.build(repositories, with_address, clock, transport)


async def raised(parts: Parts, urgency: Urgency) -> Campaign:
    campaign = await parts.campaign(await parts.patient(name="Dana Secret"))
    await parts.lifecycle.raise_attention(
        campaign.id, reason="emergency", summary="Dana has a fever.", urgency=urgency
    )
    return campaign


async def resolved(alerting: Parts, campaign: Campaign) -> None:
    """Somebody has dealt with what waited."""
    campaigns = alerting.repositories.campaigns
    current = await campaigns.get(campaign.id)
    assert current is not None
    assert current.attention is not None
    assert await campaigns.resolve_attention(campaign.id, current.attention)


class TestUrgent:
    async def test_is_told_at_once_and_once(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        campaign = await raised(alerting, Urgency.URGENT)

        await alerting.alerts.attention_raised(campaign.id, Urgency.URGENT)
        await alerting.alerts.attention_raised(campaign.id, Urgency.URGENT)
        await alerting.alerts.send_due()

        (mail,) = transport.sent
        assert (mail.to, mail.audience) == (STAFF, Audience.STAFF)
        assert f"/admin/campaigns/{campaign.id}" in mail.text
        assert "urgent" in mail.text
        stored = await alerting.reread_campaign(campaign)
        assert stored.attention is not None
        assert stored.attention.alerted_at == NOON

    async def test_holds_nothing_about_the_patient(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        campaign = await raised(alerting, Urgency.URGENT)

        await alerting.alerts.attention_raised(campaign.id, Urgency.URGENT)

        (mail,) = transport.sent
        for secret in ("Dana", "Secret", "fever", str(campaign.patient_id), "@example"):
            assert secret not in mail.text + mail.subject

    async def test_what_a_crash_left_untold_is_told_later(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        await raised(alerting, Urgency.URGENT)

        assert await alerting.alerts.send_due() == 1
        assert await alerting.alerts.send_due() == 0
        assert len(transport.sent) == 1

    async def test_a_mail_server_that_is_down_puts_it_off(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        transport.failures = [TransientMailError("down")]
        campaign = await raised(alerting, Urgency.URGENT)

        await alerting.alerts.attention_raised(campaign.id, Urgency.URGENT)
        assert transport.sent == []

        await alerting.alerts.send_due()
        assert len(transport.sent) == 1

    async def test_a_new_emergency_after_the_old_was_resolved_is_told_again(
        self, alerting: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        campaign = await raised(alerting, Urgency.URGENT)
        await alerting.alerts.send_due()
        await resolved(alerting, campaign)
        clock.advance(hours=1)
        await alerting.lifecycle.raise_attention(
            campaign.id, reason="emergency", summary="Again.", urgency=Urgency.URGENT
        )

        await alerting.alerts.send_due()

        assert len({mail.key for mail in transport.sent}) == 2


class TestUrgentOutsideCampaigns:
    @staticmethod
    async def arrived(alerting: Parts) -> Interaction:
        message = await alerting.repositories.interactions.record_incoming(
            Interaction(
                direction=Direction.INCOMING,
                sender="stranger@example.com",
                content="My face is swollen.",
                timestamp=NOON,
            )
        )
        await alerting.repositories.interactions.mark_unmatched(message.id)
        await alerting.alerts.unmatched_arrived(message.id, Urgency.URGENT)
        return message

    async def test_is_told_at_once_and_once(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        message = await self.arrived(alerting)

        assert await alerting.alerts.send_due() == 0
        (mail,) = transport.sent
        assert mail.subject.startswith("Urgent")
        assert "/admin/unmatched" in mail.text
        assert (await alerting.reread(message)).alert_due_at is None

    @pytest.mark.parametrize("error", [TransientMailError, UnknownOutcomeError])
    async def test_what_did_not_leave_is_owed_until_it_has(
        self, alerting: Parts, transport: RecordingTransport, error: type[Exception]
    ) -> None:
        transport.failures = [error("down"), error("still down")]
        message = await self.arrived(alerting)
        assert transport.sent == []
        assert (await alerting.reread(message)).alert_due_at == NOON

        assert await alerting.alerts.send_due() == 0
        assert await alerting.alerts.send_due() == 1
        assert await alerting.alerts.send_due() == 0
        assert [mail.key for mail in transport.sent] == [f"urgent-{message.id}"]

    async def test_what_somebody_settled_meanwhile_is_not_told(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        transport.failures = [TransientMailError("down")]
        message = await self.arrived(alerting)
        interactions = alerting.repositories.interactions

        assert await interactions.settle(message.id, Settlement(id=new_id(), by="s", at=NOON))
        await alerting.alerts.unmatched_arrived(message.id, Urgency.URGENT)

        assert transport.sent == []
        assert (await alerting.reread(message)).alert_due_at is None

    async def test_where_one_alert_fails_the_others_are_told(
        self, alerting: Parts, transport: RecordingTransport
    ) -> None:
        transport.failures = [TransientMailError("down"), TransientMailError("down")]
        await self.arrived(alerting)
        await raised(alerting, Urgency.URGENT)

        assert await alerting.alerts.send_due() == 1
        assert await alerting.alerts.send_due() == 1
        assert len({mail.key for mail in transport.sent}) == 2


class TestEmergencyAccess:
    async def test_is_owed_until_it_was_told_and_each_time_anew(
        self, alerting: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        staff, error = alerting.repositories.staff, TransientMailError("down")
        session = LiveSession(id=new_id(), ends_at=NOON + DAY)
        robin = await staff.insert(make_staff(sessions=[session]))
        until = NOON + timedelta(hours=1)
        transport.failures = [error, error]
        assert await staff.begin_emergency(robin, session, until, owed_since=NOON)

        await alerting.alerts.emergency_access_begun(robin.id)
        assert await alerting.alerts.send_due() == 0
        assert await staff.close(robin.id)
        assert await alerting.alerts.send_due() == 1
        assert await alerting.alerts.send_due() == 0

        (mail,) = transport.sent
        assert f"/admin/audit?staff_id={robin.id}" in mail.text
        again = await staff.insert(
            robin.model_copy(update={"id": new_id(), "email": "r@x.example"})
        )
        clock.advance(minutes=1)
        assert await staff.begin_emergency(again, session, until, owed_since=clock.now())
        assert not await staff.settle_emergency_alert(again.id, NOON)
        assert await alerting.alerts.send_due() == 1


class TestScheduleConflicts:
    async def test_what_an_import_could_not_tell_of_is_told_once_it_is_over(
        self, alerting: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        for name, starts_at in (("a", NOON + DAY), ("b", NOON + DAY), ("past", NOON)):
            await alerting.repositories.schedule_conflicts.put(
                ScheduleConflict(
                    external_id=name,
                    import_id=new_id(),
                    patient_id=new_id(),
                    provider_id=new_id(),
                    service_name="Check-up",
                    appointment_date=starts_at,
                    duration_minutes=30,
                    status=AppointmentStatus.CONFIRMED,
                    claims=[],
                    collides_with=[],
                )
            )
        clock.advance(minutes=29)
        assert await alerting.alerts.send_due() == 0
        clock.advance(minutes=2)
        transport.failures = [TransientMailError("down")]

        assert [await alerting.alerts.send_due() for _ in range(3)] == [0, 1, 0]

        (mail,) = transport.sent
        assert mail.subject == "2 imported visits without a place in the book"


class TestDigest:
    async def test_the_rest_waits_for_the_morning_and_comes_as_one(
        self, alerting: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        campaigns = [await raised(alerting, Urgency.NORMAL) for _ in range(3)]
        for campaign in campaigns:
            await alerting.alerts.attention_raised(campaign.id, Urgency.NORMAL)
        clock.set(NEXT_DIGEST - timedelta(seconds=1))
        await alerting.alerts.send_due()
        assert transport.sent == []

        clock.set(NEXT_DIGEST)
        await alerting.alerts.send_due()
        await alerting.alerts.send_due()

        (mail,) = transport.sent
        assert mail.subject == "Waiting for a person: 3 conversations"
        assert all(str(campaign.id) in mail.text for campaign in campaigns)

    async def test_what_was_resolved_meanwhile_is_not_told(
        self, alerting: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        campaign = await raised(alerting, Urgency.NORMAL)
        await resolved(alerting, campaign)
        clock.set(NEXT_DIGEST)

        assert await alerting.alerts.send_due() == 0
        assert transport.sent == []


class TestWithoutAnAddress:
    async def test_only_the_log_says_so_and_names_nobody(
        self, parts: Parts, transport: RecordingTransport, caplog: pytest.LogCaptureFixture
    ) -> None:
        campaign = await raised(parts, Urgency.URGENT)

        await parts.alerts.attention_raised(campaign.id, Urgency.URGENT)

        assert transport.sent == []
        record = next(r for r in caplog.records if r.message == "attention raised")
        assert record.__dict__["campaign_id"] == str(campaign.id)
        assert "Dana" not in caplog.text
