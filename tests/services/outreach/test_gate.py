"""The send gate, column by column of product.md's table, and the races behind it."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.appointment import Appointment, CreatedFrom
from app.models.base import new_id
from app.models.campaign import Campaign, CampaignStatus
from app.models.decision import Urgency
from app.models.interaction import Interaction, MessageClass
from app.models.patient import Consent, Patient, PatientStatus
from app.models.records import Suppression, SuppressionReason
from app.services.mail.transport import TransientMailError
from app.services.outreach.gate import GateVerdict, Verdict
from app.services.outreach.outbox import Draft
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport

M = MessageClass
EVERY = list(MessageClass)
STOPPED_BY_OPT_OUT = {
    *(M.OUTREACH, M.WAITLIST_OFFER, M.WAITLIST_CLOSED),
    *(M.AGENT_ANSWER, M.HANDOFF_NOTICE, M.REMINDER),
}
OUTREACH = {M.OUTREACH, M.WAITLIST_OFFER}
SILENCED = {M.OUTREACH, M.WAITLIST_OFFER, M.WAITLIST_CLOSED, M.AGENT_ANSWER}
IN_SENDING_HOURS = {*OUTREACH, M.WAITLIST_CLOSED}
NIGHT = datetime(2026, 8, 20, 2, 0, tzinfo=UTC)
"""Ten in the evening of the 19th in New York."""


def _with(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


@pytest.fixture
async def patient(parts: Parts) -> Patient:
    return await parts.patient()


@pytest.fixture
async def campaign(parts: Parts, patient: Patient) -> Campaign:
    return await parts.campaign(patient)


async def decide(parts: Parts, message: Interaction, at: datetime | None = None) -> GateVerdict:
    patient = await parts.repositories.patients.get(message.patient_id or new_id())
    campaign = await parts.repositories.campaigns.get(message.campaign_id or new_id())
    return await parts.gate.decide(message, patient, campaign, at or parts.clock.now())


@pytest.mark.parametrize("kind", EVERY)
class TestEveryClass:
    async def test_leaves_where_nothing_is_in_the_way(
        self, parts: Parts, patient: Patient, campaign: Campaign, kind: MessageClass
    ) -> None:
        message = await parts.message(patient, kind, campaign)

        assert (await decide(parts, message)).verdict is Verdict.SEND

    @pytest.mark.parametrize(
        "reason", [SuppressionReason.OPT_OUT, SuppressionReason.UNSUBSCRIBE_LINK]
    )
    async def test_suppressed_address_stops_what_the_table_says(
        self,
        parts: Parts,
        patient: Patient,
        campaign: Campaign,
        kind: MessageClass,
        reason: SuppressionReason,
    ) -> None:
        message = await parts.message(patient, kind, campaign)
        entry = Suppression(address=patient.email or "", reason=reason, at=NOON, source="test")
        await parts.repositories.suppressions.add(entry)

        verdict = await decide(parts, message)

        assert (verdict.verdict is Verdict.DROP) == (kind in STOPPED_BY_OPT_OUT)

    async def test_patients_own_opt_out_stops_what_the_table_says(
        self, parts: Parts, kind: MessageClass
    ) -> None:
        patient = await parts.patient(consent=Consent(opted_out_at=NOON))
        message = await parts.message(patient, kind, await parts.campaign(patient))

        verdict = await decide(parts, message)

        assert (verdict.verdict is Verdict.DROP) == (kind in STOPPED_BY_OPT_OUT)

    async def test_hard_bounce_stops_everything(
        self, parts: Parts, patient: Patient, campaign: Campaign, kind: MessageClass
    ) -> None:
        message = await parts.message(patient, kind, campaign)
        await parts.consent.hard_bounce(patient.email or "", source="test")

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "bounced")

    @pytest.mark.parametrize("status", [PatientStatus.INACTIVE, PatientStatus.DECEASED])
    async def test_inactive_and_deceased_get_nothing(
        self, parts: Parts, kind: MessageClass, status: PatientStatus
    ) -> None:
        patient = await parts.patient(status=status)
        message = await parts.message(patient, kind, await parts.campaign(patient))

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, status.value.lower())

    async def test_without_an_address_nothing_leaves(
        self, parts: Parts, kind: MessageClass
    ) -> None:
        patient = await parts.patient(email=None)
        message = await parts.message(patient, kind, await parts.campaign(patient))

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "no_address")

    async def test_only_outreach_and_reminders_wait_for_the_morning(
        self, parts: Parts, patient: Patient, campaign: Campaign, kind: MessageClass
    ) -> None:
        message = await parts.message(patient, kind, campaign)

        verdict = await decide(parts, message, at=NIGHT)

        waits = kind in IN_SENDING_HOURS or kind is M.REMINDER
        assert (verdict.verdict is Verdict.DEFER) == waits
        if waits:
            opening = 7 if kind is M.REMINDER else 9
            assert verdict.until == datetime(2026, 8, 20, opening + 4, 0, tzinfo=UTC)

    async def test_agents_silence_stops_what_the_table_says(
        self, parts: Parts, patient: Patient, campaign: Campaign, kind: MessageClass
    ) -> None:
        message = await parts.message(patient, kind, campaign)
        silent = {"agent_silent_since": NOON}
        await parts.repositories.campaigns.update_fields(campaign.id, silent)

        verdict = await decide(parts, message)

        assert (verdict == GateVerdict(Verdict.DROP, "agent_silent")) == (kind in SILENCED)

    async def test_switch_holds_outreach_back_and_nothing_else(
        self,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
        transport: RecordingTransport,
        kind: MessageClass,
    ) -> None:
        off = _with(settings, outreach_enabled=False)
        parts = Parts.build(repositories, off, clock, transport)
        patient = await parts.patient()
        message = await parts.message(patient, kind, await parts.campaign(patient))

        verdict = await decide(parts, message)

        later = GateVerdict(Verdict.DEFER, "outreach_disabled", NOON + timedelta(minutes=10))
        assert (verdict == later) == (kind in OUTREACH)

    async def test_weekly_cap_counts_outreach_alone(
        self, parts: Parts, patient: Patient, campaign: Campaign, kind: MessageClass
    ) -> None:
        await _sent_on(parts, patient, "2026-08-13", "2026-08-15", "2026-08-18")
        message = await parts.message(patient, kind, campaign)

        verdict = await decide(parts, message)

        tomorrow = datetime(2026, 8, 20, 13, 0, tzinfo=UTC)
        capped = GateVerdict(Verdict.DEFER, "weekly_cap", tomorrow)
        assert (verdict == capped) == (kind in OUTREACH)


async def _sent_on(parts: Parts, patient: Patient, *days: str) -> None:
    for day in days:
        message = await parts.message(patient, M.OUTREACH, key=f"old {day}")
        slot = {"delivery.status": "sent", "delivery.day_slot": f"{patient.email}@{day}"}
        await parts.repositories.interactions.update_fields(message.id, slot)


class TestWeeklyCap:
    async def test_an_eighth_day_is_free_again(
        self, parts: Parts, patient: Patient, campaign: Campaign
    ) -> None:
        await _sent_on(parts, patient, "2026-08-12", "2026-08-15", "2026-08-18")
        message = await parts.message(patient, M.OUTREACH, campaign)

        assert (await decide(parts, message)).verdict is Verdict.SEND


class TestHandoffNotice:
    async def test_stops_once_a_person_claimed_the_task(
        self, parts: Parts, patient: Patient, campaign: Campaign
    ) -> None:
        await parts.lifecycle.hand_off(
            campaign, reason="question", summary="Asks.", by="agent", urgency=Urgency.NORMAL
        )
        message = await parts.message(patient, M.HANDOFF_NOTICE, campaign)
        assert (await decide(parts, message)).verdict is Verdict.SEND

        await parts.repositories.campaigns.claim_attention(campaign.id, new_id())

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "agent_silent")

    async def test_stops_once_staff_wrote(
        self, parts: Parts, clock: FrozenClock, patient: Patient, campaign: Campaign
    ) -> None:
        await parts.lifecycle.hand_off(
            campaign, reason="question", summary="Asks.", by="agent", urgency=Urgency.NORMAL
        )
        message = await parts.message(patient, M.HANDOFF_NOTICE, campaign)
        clock.advance(seconds=1)
        await parts.message(patient, M.STAFF, campaign, key="by staff")

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "agent_silent")


class TestOutreachStillWanted:
    @pytest.mark.parametrize(
        "status",
        sorted(set(CampaignStatus) - {"ATTEMPTING_RECOVERY", "RE_ENGAGED"}),
    )
    async def test_dropped_where_the_campaign_moved_on(
        self, parts: Parts, patient: Patient, status: CampaignStatus
    ) -> None:
        campaign = await parts.campaign(patient, status=status)
        message = await parts.message(patient, M.OUTREACH, campaign)

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "campaign_moved_on")

    async def test_dropped_where_the_patient_answered_meanwhile(
        self, parts: Parts, patient: Patient, campaign: Campaign
    ) -> None:
        message = await parts.message(patient, M.OUTREACH, campaign)
        replied = {"last_reply_at": NOON + timedelta(seconds=1), "status": "RE_ENGAGED"}
        await parts.repositories.campaigns.update_fields(campaign.id, replied)

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "patient_replied")

    async def test_an_answer_before_it_was_queued_is_no_reason(
        self, parts: Parts, patient: Patient, campaign: Campaign
    ) -> None:
        replied = {"last_reply_at": NOON - timedelta(days=3), "status": "RE_ENGAGED"}
        await parts.repositories.campaigns.update_fields(campaign.id, replied)
        message = await parts.message(patient, M.OUTREACH, campaign)

        assert (await decide(parts, message)).verdict is Verdict.SEND

    async def test_dropped_where_a_visit_is_ahead(
        self, parts: Parts, patient: Patient, campaign: Campaign
    ) -> None:
        message = await parts.message(patient, M.OUTREACH, campaign)
        await parts.repositories.appointments.insert(a_visit(patient, NOON + timedelta(days=2)))

        assert await decide(parts, message) == GateVerdict(Verdict.DROP, "visit_booked")


def a_visit(patient: Patient, at: datetime) -> Appointment:
    return Appointment(
        patient_id=patient.id,
        provider_id=new_id(),
        chair_id=new_id(),
        service_id="cleaning",
        service_name="Cleaning",
        appointment_date=at,
        duration_minutes=60,
        created_from=CreatedFrom.MANUAL_ADMIN,
    )


class TestNoticesOfOneVisit:
    async def notice(
        self, parts: Parts, patient: Patient, visit: Appointment, key: str
    ) -> Interaction:
        """One queued a second after whatever came before."""
        assert isinstance(parts.clock, FrozenClock)
        parts.clock.advance(seconds=1)
        draft = Draft(
            patient_id=patient.id,
            appointment_id=visit.id,
            subject=key,
            content="Hello.",
            message_class=M.VISIT_NOTICE,
            dedupe_key=key,
        )
        return (await parts.outbox.enqueue(draft))[0]

    async def test_one_that_was_held_up_is_not_the_last_word(
        self, parts: Parts, patient: Patient, transport: RecordingTransport, clock: FrozenClock
    ) -> None:
        visit = await parts.visit(patient)
        booked = await self.notice(parts, patient, visit, "booked")
        transport.failures = [TransientMailError("busy")]
        await parts.drain()
        await self.notice(parts, patient, visit, "cancelled")
        await parts.drain()
        clock.advance(hours=1)
        await parts.drain()

        assert [mail.subject for mail in transport.sent] == ["cancelled"]
        delivery = (await parts.reread(booked)).delivery
        assert delivery is not None
        assert (delivery.status, delivery.error) == ("suppressed", "superseded")

    async def test_all_leave_in_their_order(
        self, parts: Parts, patient: Patient, transport: RecordingTransport
    ) -> None:
        visit = await parts.visit(patient)
        for key in ("booked", "moved", "cancelled"):
            await self.notice(parts, patient, visit, key)
            await parts.drain()

        assert [mail.subject for mail in transport.sent] == ["booked", "moved", "cancelled"]

    async def test_what_left_about_another_visit_is_no_reason(
        self, parts: Parts, patient: Patient, transport: RecordingTransport
    ) -> None:
        first = await self.notice(parts, patient, await parts.visit(patient), "first")
        transport.failures = [TransientMailError("busy")]
        await parts.drain()
        await self.notice(parts, patient, await parts.visit(patient), "second")
        await parts.drain()

        assert (await decide(parts, first)).verdict is Verdict.SEND


class TestSendingHours:
    @pytest.mark.parametrize(
        ("instant", "sends"),
        [
            (datetime(2026, 8, 19, 12, 59, 59, tzinfo=UTC), False),
            (datetime(2026, 8, 19, 13, 0, tzinfo=UTC), True),
            (datetime(2026, 8, 19, 21, 59, 59, tzinfo=UTC), True),
            (datetime(2026, 8, 19, 22, 0, tzinfo=UTC), False),
            # The clocks went forward on 8 March 2026: nine o'clock came an hour sooner.
            (datetime(2026, 3, 7, 13, 30, tzinfo=UTC), False),
            (datetime(2026, 3, 8, 13, 30, tzinfo=UTC), True),
            # And back on 1 November.
            (datetime(2026, 10, 31, 13, 30, tzinfo=UTC), True),
            (datetime(2026, 11, 1, 13, 30, tzinfo=UTC), False),
        ],
    )
    async def test_follow_the_clinics_clock(
        self, parts: Parts, patient: Patient, campaign: Campaign, instant: datetime, sends: bool
    ) -> None:
        message = await parts.message(patient, M.OUTREACH, campaign)

        verdict = await decide(parts, message, at=instant)

        assert (verdict.verdict is Verdict.SEND) == sends
