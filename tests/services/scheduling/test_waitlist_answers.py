"""Answering an offer: who is first has it, and however often, there is one visit."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.core.errors import AppError
from app.models.appointment import AppointmentStatus, CreatedFrom
from app.models.campaign import BookingFunnelStatus, CampaignStatus
from app.models.waitlist import WaitlistEntry
from app.services.container import Services
from app.services.scheduling.booking import PublicBooking
from app.services.scheduling.refusals import SlotTakenError
from app.services.scheduling.waitlist_answers import (
    NotOfferedError,
    NotWaitingError,
    OfferOverError,
)
from app.services.tokens import InvalidLinkError, TokenPurpose
from tests.factories import make_campaign
from tests.fakes import FrozenClock
from tests.services.scheduling.practice import overlaps
from tests.services.scheduling.test_waitlist_offers import time_off_removed
from tests.services.scheduling.waiting import NINE, Waiting, book

pytestmark = pytest.mark.mongo


@pytest.fixture
async def waiting(services: Services, clock: FrozenClock) -> Waiting:
    return await Waiting.build(services, clock)


async def offered(waiting: Waiting, number: int = 1, **given: Any) -> list[WaitlistEntry]:
    """So many people, each with the offer of nine o'clock in their hands."""
    entries = [await waiting.joins(**given) for _ in range(number)]
    await waiting.frees()
    await waiting.look()
    await waiting.send()
    return entries


async def live_visits(waiting: Waiting) -> list[object]:
    """Who is in the book."""
    return [
        one.patient_id
        for one in await waiting.every_visit()
        if one.status == AppointmentStatus.BOOKED
    ]


class TestAccept:
    async def test_books_as_the_booking_site_does(self, waiting: Waiting) -> None:
        patient = await waiting.patient()
        campaign = await waiting.services.repositories.campaigns.insert(
            make_campaign(patient_id=patient.id)
        )
        (entry,) = await offered(waiting, patient=patient)

        answer = await waiting.services.waiting.answers.accept(await waiting.token(entry), NINE)

        visit = await waiting.services.repositories.appointments.get(entry.visit_id)
        assert visit is not None
        assert answer["appointment_id"] == str(visit.id)
        assert (visit.patient_id, visit.appointment_date) == (patient.id, NINE)
        assert (visit.created_from, visit.campaign_id) == (CreatedFrom.AI_AGENT_FORM, campaign.id)
        stored = await waiting.services.repositories.campaigns.get(campaign.id)
        assert stored is not None
        assert stored.status == CampaignStatus.BOOKING_INITIATED
        assert stored.booking_funnel.status == BookingFunnelStatus.FORM_SUBMITTED
        assert (await waiting.entry(entry)).status == "booked"

    async def test_of_many_who_answer_at_once_one_has_it(self, waiting: Waiting) -> None:
        entries = await offered(waiting, 3)
        answers = waiting.services.waiting.answers
        tokens = [await waiting.token(one) for one in entries]

        results = await asyncio.gather(
            *(answers.accept(token, NINE) for token in tokens), return_exceptions=True
        )

        refused = [one for one in results if isinstance(one, AppError)]
        assert [type(one) for one in refused] == [SlotTakenError] * 2
        assert all(len(one.extra["alternatives"]) == 3 for one in refused)
        assert len(await live_visits(waiting)) == 1
        assert sorted([(await waiting.entry(one)).status for one in entries]) == [
            "booked",
            "waiting",
            "waiting",
        ]

    async def test_against_the_booking_site_one_has_it(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        other = await waiting.patient()
        request = PublicBooking(
            appointment_date=NINE,
            name=other.name,
            email=other.email,
            phone="+1 212-555-0199",
            service_id="whitening",
        )

        results = await asyncio.gather(
            waiting.services.waiting.answers.accept(await waiting.token(entry), NINE),
            waiting.services.scheduling.booking.book(request, body={}),
            return_exceptions=True,
        )

        assert len([one for one in results if isinstance(one, AppError)]) >= 1
        assert len(await live_visits(waiting)) <= 1
        assert overlaps(await waiting.every_visit()) == []

    async def test_a_double_click_is_one_visit_and_one_answer(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token, answers = await waiting.token(entry), waiting.services.waiting.answers

        results = await asyncio.gather(*(answers.accept(token, NINE) for _ in range(4)))
        results.append(await answers.accept(token, NINE))

        assert {one["appointment_id"] for one in results} == {str(entry.visit_id)}
        assert len(await live_visits(waiting)) == 1

    async def test_two_windows_with_two_times_are_one_visit(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await time_off_removed(waiting)
        await waiting.look()
        token, answers = await waiting.token(entry), waiting.services.waiting.answers
        starts = (await waiting.offer(entry)).starts

        results = await asyncio.gather(
            *(answers.accept(token, at) for at in starts), return_exceptions=True
        )

        assert len([one for one in results if isinstance(one, dict)]) == 1
        assert [type(one) for one in results if not isinstance(one, dict)] == [NotWaitingError] * 2
        mine = [one for one in await waiting.every_visit() if one.id == entry.visit_id]
        assert len(mine) == 1
        assert (await live_visits(waiting)).count(mine[0].patient_id) == 1

    async def test_only_what_was_offered_can_be_taken(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        tomorrow = NINE + timedelta(days=1)

        with pytest.raises(NotOfferedError):
            await waiting.services.waiting.answers.accept(await waiting.token(entry), tomorrow)

        assert await live_visits(waiting) == []

    async def test_not_after_the_offer_has_ended(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        waiting.clock.set((await waiting.offer(entry)).until)

        with pytest.raises(OfferOverError):
            await waiting.services.waiting.answers.accept(await waiting.token(entry), NINE)

        assert (await waiting.services.waiting.answers.view(await waiting.token(entry))).free == []

    async def test_a_visit_taken_in_time_is_shown_afterwards_too(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token, answers = await waiting.token(entry), waiting.services.waiting.answers
        first = await answers.accept(token, NINE)
        waiting.clock.advance(days=3)

        assert (await answers.accept(token, NINE))["appointment_id"] == first["appointment_id"]

    async def test_who_left_has_nothing_to_take(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token, answers = await waiting.token(entry), waiting.services.waiting.answers
        await answers.leave(token)

        with pytest.raises(NotWaitingError):
            await answers.accept(token, NINE)

        assert await live_visits(waiting) == []

    async def test_a_deleted_visit_is_not_made_again(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token, answers = await waiting.token(entry), waiting.services.waiting.answers
        await answers.accept(token, NINE)
        await waiting.services.scheduling.appointments.delete(entry.visit_id, by="staff:x")

        with pytest.raises(NotWaitingError):
            await answers.accept(token, NINE)

    async def test_a_visit_cancelled_since_is_not_said_to_be_booked(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token, answers = await waiting.token(entry), waiting.services.waiting.answers
        await answers.accept(token, NINE)
        assert (await answers.view(token)).visit is not None
        await waiting.services.scheduling.appointments.cancel(entry.visit_id, by="patient")

        with pytest.raises(NotWaitingError, match="cancelled"):
            await answers.accept(token, NINE)

        view = await answers.view(token)
        assert (view.visit, view.free) == (None, [])
        assert await live_visits(waiting) == []


class TestView:
    async def test_shows_only_what_can_still_be_taken(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await time_off_removed(waiting)
        await waiting.look()
        starts = (await waiting.offer(entry)).starts
        await book(waiting.services, await waiting.patient(), starts[1])

        view = await waiting.services.waiting.answers.view(await waiting.token(entry))

        assert view.free == [starts[0], starts[2]]


class TestLeave:
    async def test_may_be_repeated_and_a_visit_stays(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token, answers = await waiting.token(entry), waiting.services.waiting.answers
        await answers.accept(token, NINE)

        await answers.leave(token)
        view = await answers.leave(token)

        assert view.entry.status == "booked"
        assert len(await live_visits(waiting)) == 1


class TestTheLink:
    @pytest.mark.parametrize("forged", ["", "garbage", "a.b.c", "x" * 5000])
    async def test_a_forged_one_opens_nothing(self, waiting: Waiting, forged: str) -> None:
        with pytest.raises(InvalidLinkError):
            await waiting.services.waiting.answers.view(forged)

    async def test_neither_does_one_for_something_else_nor_of_another_entry(
        self, waiting: Waiting
    ) -> None:
        entries = await offered(waiting, 2)
        tokens = waiting.services.tokens
        key = (await waiting.offer(entries[1])).key
        for purpose, ids in [
            (TokenPurpose.BOOKING, {"waitlist_id": str(entries[1].id), "offer_key": key}),
            (TokenPurpose.WAITLIST, {"waitlist_id": str(entries[0].id), "offer_key": key}),
            (TokenPurpose.WAITLIST, {"patient_id": str(entries[1].id), "offer_key": key}),
            (TokenPurpose.WAITLIST, {"waitlist_id": str(entries[1].id)}),
        ]:
            with pytest.raises(InvalidLinkError):
                await waiting.services.waiting.answers.view(tokens.issue(purpose, **ids))

    async def test_nor_one_of_an_entry_that_staff_removed(self, waiting: Waiting) -> None:
        (entry,) = await offered(waiting)
        token = await waiting.token(entry)
        await waiting.services.waiting.entries.remove(entry.id, by="staff:x")

        for operation in (
            waiting.services.waiting.answers.view,
            waiting.services.waiting.answers.leave,
        ):
            with pytest.raises(InvalidLinkError):
                await operation(token)
