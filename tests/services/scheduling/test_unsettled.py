"""Visits whose day has passed and of which nobody said what became."""

import pytest

from app.models.campaign import CampaignStatus
from app.services.scheduling.appointments import VisitChange
from app.services.scheduling.unsettled import REASON, UnsettledVisits
from tests.services.scheduling.practice import Practice, moment

pytestmark = pytest.mark.mongo

STAFF = "staff:test"


@pytest.fixture
def unsettled(practice: Practice) -> UnsettledVisits:
    return UnsettledVisits(practice.repositories, practice.lifecycle, practice.clock)


class TestAsk:
    async def test_a_person_is_asked_two_days_after_the_visit(
        self, practice: Practice, unsettled: UnsettledVisits
    ) -> None:
        patient = await practice.add_patient()
        campaign = await practice.add_campaign(patient)
        visit = await practice.book(patient, "2026-08-20T09:00")
        practice.clock.set(visit.appointment_date)

        practice.clock.advance(hours=47)
        assert await unsettled.ask() == 0
        practice.clock.advance(hours=2)
        assert await unsettled.ask() == 1

        after = await practice.campaign(campaign)
        assert after.status == CampaignStatus.BOOKING_INITIATED
        assert after.attention is not None
        assert after.attention.reason == REASON

    async def test_only_once_whatever_staff_answer(
        self, practice: Practice, unsettled: UnsettledVisits
    ) -> None:
        patient = await practice.add_patient()
        campaign = await practice.add_campaign(patient)
        visit = await practice.book(patient, "2026-08-20T09:00")
        practice.clock.set(visit.appointment_date)
        practice.clock.advance(days=3)
        await unsettled.ask()
        waiting = (await practice.campaign(campaign)).attention
        assert waiting is not None
        await practice.repositories.campaigns.resolve_attention(campaign.id, waiting)

        assert await unsettled.ask() == 0

        assert not (await practice.campaign(campaign)).needs_person

    async def test_one_that_was_moved_on_is_asked_about_again(
        self, practice: Practice, unsettled: UnsettledVisits
    ) -> None:
        visit = await practice.book(await practice.add_patient(), "2026-08-20T09:00")
        practice.clock.set(visit.appointment_date)
        practice.clock.advance(days=3)
        asked = [await unsettled.ask(), await unsettled.ask()]
        change = VisitChange(starts_at=moment("2026-08-27T09:00"))
        moved = await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        practice.clock.set(moved.appointment_date)
        practice.clock.advance(days=3)

        assert [*asked, await unsettled.ask()] == [1, 0, 1]

    @pytest.mark.parametrize("settled", ["complete", "cancel", "no_show"])
    async def test_nobody_is_asked_about_a_settled_visit(
        self, practice: Practice, unsettled: UnsettledVisits, settled: str
    ) -> None:
        patient = await practice.add_patient()
        visit = await practice.book(patient, "2026-08-20T09:00")
        await getattr(practice.appointments, settled)(visit.id, by=STAFF)
        practice.clock.set(visit.appointment_date)
        practice.clock.advance(days=3)

        assert await unsettled.ask() == 0


class TestWhoIsBooked:
    @pytest.mark.parametrize(("days", "is_booked"), [(1, True), (6, True), (8, False)])
    async def test_a_visit_of_the_last_days_counts_until_it_is_settled(
        self, practice: Practice, days: int, is_booked: bool
    ) -> None:
        patient = await practice.add_patient()
        visit = await practice.book(patient, "2026-08-20T09:00")
        practice.clock.set(visit.appointment_date)
        now = practice.clock.advance(days=days)

        booked = await practice.repositories.appointments.patients_with_live_visit(
            [patient.id], now
        )

        assert booked == ({patient.id} if is_booked else set())
