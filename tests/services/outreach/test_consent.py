"""Opt-out, opt-in, dead addresses, and the unsubscribe link's token."""

from datetime import timedelta

import pytest

from app.models.campaign import CampaignStatus
from app.models.records import SuppressionReason
from app.services.tokens import InvalidLinkError, TokenPurpose
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts

R = SuppressionReason


class TestOptOut:
    @pytest.mark.parametrize(
        ("status", "after"),
        [
            ("ATTEMPTING_RECOVERY", "RECOVERY_DECLINED"),
            ("RE_ENGAGED", "RECOVERY_DECLINED"),
            ("HANDOFF_REQUIRED", "RECOVERY_DECLINED"),
            ("BOOKING_INITIATED", "BOOKING_INITIATED"),
            ("BOOKING_COMPLETED", "BOOKING_COMPLETED"),
        ],
    )
    async def test_ends_the_campaign_where_the_table_allows(
        self, parts: Parts, status: CampaignStatus, after: str
    ) -> None:
        patient = await parts.patient()
        campaign = await parts.campaign(patient, status=status)

        await parts.consent.opt_out(patient, reason=R.OPT_OUT, source="reply")

        assert (await parts.reread_campaign(campaign)).status == after
        suppression = await parts.repositories.suppressions.for_address(patient.email or "")
        assert suppression is not None
        assert (suppression.reason, suppression.source) == (R.OPT_OUT, "reply")

    async def test_the_first_one_keeps_its_date(self, parts: Parts, clock: FrozenClock) -> None:
        patient = await parts.patient()
        await parts.consent.opt_out(patient, reason=R.OPT_OUT, source="reply")
        clock.advance(days=1)

        await parts.consent.opt_out(patient, reason=R.UNSUBSCRIBE_LINK, source="link")

        stored = await parts.repositories.patients.get(patient.id)
        assert stored is not None
        assert (stored.consent.opted_out_at, stored.consent.source) == (NOON, "reply")

    async def test_works_without_an_address(self, parts: Parts) -> None:
        patient = await parts.patient(email=None)

        await parts.consent.opt_out(patient, reason=R.OPT_OUT, source="phone")

        stored = await parts.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.has_opted_out


class TestOptIn:
    async def test_lifts_an_opt_out(self, parts: Parts) -> None:
        patient = await parts.patient()
        await parts.consent.opt_out(patient, reason=R.OPT_OUT, source="reply")

        await parts.consent.opt_in(patient, source="staff", by="staff:1")

        stored = await parts.repositories.patients.get(patient.id)
        assert stored is not None
        assert not stored.has_opted_out
        assert (stored.consent.opted_in_at, stored.consent.opted_in_by) == (NOON, "patient")
        assert await parts.repositories.suppressions.for_address(patient.email or "") is None

    async def test_lifts_what_came_by_phone_too(self, parts: Parts) -> None:
        patient = await parts.patient(phone="+12125550142")
        await parts.consent.opt_out(
            patient, reason=R.OPT_OUT, source="reply", whole_mailbox=False, heard_from=patient.phone
        )

        await parts.consent.opt_in(patient, source="staff", by="staff:1")

        assert await parts.repositories.suppressions.for_address("+12125550142") is None

    async def test_does_not_revive_a_dead_address(self, parts: Parts) -> None:
        patient = await parts.patient()
        await parts.consent.opt_out(patient, reason=R.OPT_OUT, source="reply")
        await parts.consent.hard_bounce(f" {(patient.email or '').upper()} ", source="dsn")

        await parts.consent.opt_in(patient, source="staff", by="staff:1")

        suppression = await parts.repositories.suppressions.for_address(patient.email or "")
        assert suppression is not None
        assert suppression.reason == R.HARD_BOUNCE


class TestRecord:
    async def test_every_change_of_mind_is_kept_once(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        patient = await parts.patient()
        for _ in range(2):
            await parts.consent.opt_out(patient, reason=R.OPT_OUT, source="reply")
        clock.advance(days=1)
        opted_out = await parts.repositories.patients.get(patient.id)
        assert opted_out is not None
        await parts.consent.opt_in(
            opted_out, source="signed a form", by="staff:1", consented_by="mother"
        )

        yes, no = await parts.repositories.audit.about(str(patient.id))

        assert (no.action, no.actor, no.at) == ("opt_out", "patient", NOON)
        assert no.details == {"reason": "opt_out", "source": "reply"}
        assert (yes.action, yes.actor, yes.at) == ("opt_in", "staff:1", clock.now())
        assert yes.details == {
            "source": "signed a form",
            "consented_by": "mother",
            "opted_out_at": NOON,
        }


class TestUnsubscribe:
    async def test_a_link_opts_out_as_often_as_it_is_used(self, parts: Parts) -> None:
        patient = await parts.patient()
        token = parts.links.unsubscribe_link(patient.id).rsplit("/", 1)[1]

        for _ in range(2):
            await parts.consent.unsubscribe(token)

        stored = await parts.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.consent.reason == R.UNSUBSCRIBE_LINK

    async def test_looking_at_it_changes_nothing(self, parts: Parts) -> None:
        patient = await parts.patient()
        token = parts.links.unsubscribe_link(patient.id).rsplit("/", 1)[1]

        found = await parts.consent.patient_of(token)

        assert found == patient
        assert await parts.repositories.suppressions.for_address(patient.email or "") is None

    async def test_a_patient_who_is_gone_is_no_error(self, parts: Parts) -> None:
        patient = await parts.patient()
        token = parts.links.unsubscribe_link(patient.id).rsplit("/", 1)[1]
        await parts.repositories.patients.delete(patient.id)

        await parts.consent.unsubscribe(token)

    async def test_a_token_for_something_else_opens_nothing(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        patient = await parts.patient()
        booking = parts.tokens.issue(TokenPurpose.BOOKING, patient_id=str(patient.id))
        old = parts.links.unsubscribe_link(patient.id).rsplit("/", 1)[1]
        clock.set(NOON + timedelta(days=401))

        for token in (booking, old, "nonsense"):
            with pytest.raises(InvalidLinkError):
                await parts.consent.unsubscribe(token)
