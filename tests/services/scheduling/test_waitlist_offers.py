"""Time that frees up is offered to who waits: to whom, when, how often, and whatever crashes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.core.config import Settings
from app.core.hours import SendingHours
from app.models.appointment import AppointmentStatus
from app.models.interaction import DeliveryStatus, MessageClass
from app.models.patient import Consent, PatientStatus
from app.models.schedule import Weekday
from app.models.waitlist import HeldBack, OfferOutcome, PartOfDay, WaitlistEntry, WaitlistStatus
from app.services.container import Services
from app.services.scheduling.appointments import VisitChange
from app.services.scheduling.booking import PublicBooking
from app.services.scheduling.claims import bucket_floor
from app.services.scheduling.waitlist_ranking import buckets_of
from tests.factories import make_campaign
from tests.fakes import FrozenClock
from tests.services.scheduling.practice import STAFF
from tests.services.scheduling.waiting import DAY, NINE, Waiting, book

pytestmark = pytest.mark.mongo

CLOSED = MessageClass.WAITLIST_CLOSED


@pytest.fixture
async def waiting(services: Services, clock: FrozenClock) -> Waiting:
    return await Waiting.build(services, clock)


async def cancelled(waiting: Waiting) -> None:
    await waiting.frees()


async def moved(waiting: Waiting) -> None:
    change = VisitChange(starts_at=NINE + timedelta(days=1))
    appointments = waiting.services.scheduling.appointments
    await appointments.change(waiting.visit.id, change, by=STAFF, staff=True)


async def deleted(waiting: Waiting) -> None:
    await waiting.services.scheduling.appointments.delete(waiting.visit.id, by=STAFF)


async def missed_before_its_start(waiting: Waiting) -> None:
    await waiting.services.scheduling.appointments.no_show(waiting.visit.id, by=STAFF)


async def time_off_removed(waiting: Waiting) -> None:
    await waiting.services.scheduling.settings.delete_time_off(waiting.closure.id)


async def time_off_shortened(waiting: Waiting) -> None:
    earlier = {"ends_at": datetime(2026, 8, 20, 20, 0, tzinfo=UTC)}
    await waiting.services.repositories.time_off.update_fields(waiting.closure.id, earlier)


async def hours_widened(waiting: Waiting) -> None:
    (provider,) = await waiting.services.repositories.providers.every()
    hours = {**provider.working_hours, Weekday.THU: [("08:00", "17:00")]}
    fields = {"working_hours": {str(day): spans for day, spans in hours.items()}}
    await waiting.services.repositories.providers.update_fields(provider.id, fields)


class TestWhatFreesTime:
    @pytest.mark.parametrize(
        "free",
        [
            cancelled,
            moved,
            deleted,
            missed_before_its_start,
            time_off_removed,
            time_off_shortened,
            hours_widened,
        ],
        ids=lambda free: free.__name__,
    )
    async def test_is_offered_to_who_waits(
        self, waiting: Waiting, free: Callable[[Waiting], Awaitable[None]]
    ) -> None:
        entry = await waiting.joins()
        assert await waiting.look() == 0
        await free(waiting)

        assert await waiting.look() == 1

        offer = await waiting.offer(entry)
        assert offer.starts
        assert {start.date() for start in offer.starts} == {DAY}
        (letter,) = await waiting.letters(entry)
        assert letter.dedupe_key == f"waitlist:{entry.id}:2026-08-19"
        await waiting.send()
        (letter,) = await waiting.letters(entry)
        assert letter.delivery is not None
        assert letter.delivery.status == DeliveryStatus.SENT

    async def test_a_change_of_a_visit_wakes_the_list(self, waiting: Waiting) -> None:
        signal = waiting.services.base.waitlist_signal
        signal._event.clear()

        await waiting.frees()

        assert signal._event.is_set()

    async def test_what_was_free_all_along_is_no_news(self, waiting: Waiting) -> None:
        await waiting.frees()
        entry = await waiting.joins()

        await waiting.look()

        assert await waiting.offers(entry) == [0]

    async def test_what_was_free_once_then_taken_and_frees_up_again_is(
        self, waiting: Waiting
    ) -> None:
        await waiting.frees()
        entry = await waiting.joins()
        visit = await book(waiting.services, await waiting.patient(), NINE)
        await waiting.look()

        await waiting.services.scheduling.appointments.cancel(visit.id, by=STAFF)
        await waiting.look()

        assert (await waiting.offer(entry)).starts == [NINE]

    async def test_what_is_too_near_to_be_booked_is_not_offered(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        waiting.services.waiting.offers._settings = _around_the_clock(waiting)
        waiting.clock.set(NINE - timedelta(minutes=119))
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(entry) == [0]

    async def test_nor_what_nobody_could_answer_in_time(self, waiting: Waiting) -> None:
        entry = await waiting.joins(last_day=None)
        waiting.clock.set(NINE - timedelta(minutes=179))
        waiting.services.waiting.offers._settings = _around_the_clock(waiting)
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(entry) == [0]

    async def test_what_others_booked_at_once_is_not_offered(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await book(waiting.services, await waiting.patient(), NINE)

        await waiting.look()

        assert await waiting.offers(entry) == [0]


def _around_the_clock(waiting: Waiting) -> Settings:
    hours = SendingHours(0, 24 * 60)
    return waiting.services.settings.model_copy(update={"sending_hours": hours})


class TestWhatSuits:
    @pytest.mark.parametrize(
        ("wish", "offered"),
        [
            ({"times": [PartOfDay.MORNING]}, True),
            ({"times": [PartOfDay.AFTERNOON]}, False),
            ({"times": [("09:00", "09:30")]}, True),
            ({"times": [("08:00", "09:15")]}, False),
            ({"times": [PartOfDay.EVENING, ("09:00", "12:00")]}, True),
            ({"weekdays": [Weekday.THU]}, True),
            ({"weekdays": [Weekday.FRI]}, False),
            ({"service_id": "whitening"}, False),
        ],
        ids=range(8),
    )
    async def test_a_time_is_offered_where_it_fits_the_wish_and_the_duration(
        self, waiting: Waiting, wish: dict[str, Any], offered: bool
    ) -> None:
        entry = await waiting.joins(**wish)
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(entry) == [int(offered)]

    async def test_not_while_the_person_has_another_visit(self, waiting: Waiting) -> None:
        patient = await waiting.patient()
        entry = await waiting.joins(patient)
        other = await waiting.services.repositories.providers.insert(
            (await waiting.services.repositories.providers.every())[0].model_copy(
                update={"id": patient.id, "name": "Dr. Other", "service_ids": ["whitening"]}
            )
        )
        room = (await waiting.services.repositories.chairs.every())[0]
        await waiting.services.repositories.chairs.insert(
            room.model_copy(update={"id": patient.id, "name": "Room 2"})
        )
        await waiting.services.repositories.time_off.delete(waiting.closure.id)
        await book(waiting.services, patient, NINE, service_id="whitening", provider_id=other.id)
        await waiting.frees()
        await waiting.look()

        assert NINE not in (await waiting.offer(entry)).starts


class TestOrder:
    async def test_three_at_once_longest_waiting_first_and_then_the_next(
        self, waiting: Waiting
    ) -> None:
        entries = [await waiting.joins() for _ in range(5)]
        await waiting.frees()
        await waiting.look()
        await waiting.look()
        assert await waiting.offers(*entries) == [1, 1, 1, 0, 0]
        await waiting.send()

        waiting.clock.advance(hours=1)
        await waiting.look()
        assert await waiting.offers(*entries) == [1, 1, 1, 0, 0]

    async def test_who_let_a_time_pass_is_not_offered_it_again(self, waiting: Waiting) -> None:
        later: dict[str, Any] = {
            "first_day": date(2026, 8, 24),
            "last_day": date(2026, 8, 24),
        }
        monday = datetime(2026, 8, 24, 13, 0, tzinfo=UTC)
        (provider,) = await waiting.services.repositories.providers.every()
        hours = {"working_hours": {"MON": [("09:00", "09:30")]}}
        await waiting.services.repositories.providers.update_fields(provider.id, hours)
        visit = await book(waiting.services, await waiting.patient(), monday)
        entries = [await waiting.joins(**later) for _ in range(4)]
        await waiting.services.scheduling.appointments.cancel(visit.id, by=STAFF)
        await waiting.look()
        await waiting.send()
        assert await waiting.offers(*entries) == [1, 1, 1, 0]

        waiting.clock.advance(hours=24)
        await waiting.look()
        await waiting.look()

        assert await waiting.offers(*entries) == [1, 1, 1, 1]
        first = await waiting.offer(entries[0])
        assert first.outcome == OfferOutcome.LAPSED
        assert bucket_floor(monday) in buckets_of((await waiting.entry(entries[0])).known)
        assert await waiting.letters(entries[0], CLOSED) == []

    async def test_one_offer_a_day_whatever_frees_up(self, waiting: Waiting) -> None:
        patient = await waiting.patient()
        entry = await waiting.joins(patient)
        other = await waiting.joins(patient, service_id="whitening")
        await waiting.frees()
        await waiting.look()
        await time_off_removed(waiting)

        await waiting.look()

        assert await waiting.offers(entry, other) == [1, 0]

    async def test_an_offer_stands_for_a_day_or_while_its_times_can_be_booked(
        self, waiting: Waiting
    ) -> None:
        entry = await waiting.joins()
        await waiting.frees()

        await waiting.look()

        assert (await waiting.offer(entry)).until == NINE - timedelta(minutes=120)

    async def test_runs_at_the_same_time_make_one_offer(self, waiting: Waiting) -> None:
        entries = [await waiting.joins() for _ in range(3)]
        await waiting.frees()

        await asyncio.gather(*(waiting.look() for _ in range(4)))
        await waiting.look()

        assert await waiting.offers(*entries) == [1, 1, 1]
        assert [len(await waiting.letters(one)) for one in entries] == [1, 1, 1]


class TestHours:
    async def test_nothing_is_offered_at_night(self, waiting: Waiting) -> None:
        entry = await waiting.joins(last_day=None)
        waiting.clock.set(datetime(2026, 8, 20, 2, 0, tzinfo=UTC))
        await time_off_removed(waiting)
        await waiting.look()
        assert await waiting.offers(entry) == [0]

        waiting.clock.set(datetime(2026, 8, 20, 13, 0, tzinfo=UTC))
        await waiting.look()

        assert await waiting.offers(entry) == [1]

    async def test_nothing_is_offered_while_outreach_is_off(self, waiting: Waiting) -> None:
        offers = waiting.services.waiting.offers
        offers._settings = offers._settings.model_copy(update={"outreach_enabled": False})
        entry = await waiting.joins()
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(entry) == [0]


class TestTheGate:
    async def test_drops_an_offer_whose_times_are_gone_and_it_may_come_again(
        self, waiting: Waiting
    ) -> None:
        entry = await waiting.joins(last_day=DAY + timedelta(days=60))
        await waiting.frees()
        await waiting.look()
        visit = await book(waiting.services, await waiting.patient(), NINE)

        await waiting.send()
        await waiting.look()

        (letter,) = await waiting.letters(entry)
        assert letter.delivery is not None
        assert letter.delivery.status == DeliveryStatus.SUPPRESSED
        assert letter.delivery.error == "time_gone"
        assert (await waiting.offer(entry)).outcome == OfferOutcome.DROPPED
        assert await waiting.letters(entry, CLOSED) == []
        waiting.clock.set(datetime(2026, 8, 20, 13, 0, tzinfo=UTC))
        await waiting.services.repositories.time_off.delete(waiting.closure.id)
        await waiting.services.scheduling.appointments.cancel(visit.id, by=STAFF)
        await waiting.look()
        assert await waiting.offers(entry) == [2]

    async def test_drops_what_is_for_somebody_who_left(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        await waiting.services.waiting.answers.leave(await waiting.token(entry))

        await waiting.send()

        (letter,) = await waiting.letters(entry)
        assert letter.delivery is not None
        assert letter.delivery.error == "time_gone"

    async def test_drops_an_offer_that_nobody_could_answer_in_time(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        waiting.clock.set((await waiting.offer(entry)).until - timedelta(minutes=59))

        message = (await waiting.letters(entry))[0]
        standing = waiting.services.waiting.offers._standing

        assert not await standing.is_true(message, waiting.clock.now())
        a_minute_before = waiting.clock.now() - timedelta(minutes=1)
        assert await standing.is_true(message, a_minute_before)

    async def test_a_person_who_keeps_the_conversation_silences_offers(
        self, waiting: Waiting
    ) -> None:
        patient = await waiting.patient()
        campaign = make_campaign(patient_id=patient.id, agent_silent_since=waiting.clock.now())
        await waiting.services.repositories.campaigns.insert(campaign)
        entry = await waiting.joins(patient)
        await waiting.frees()
        await waiting.look()

        await waiting.send()

        (letter,) = await waiting.letters(entry)
        assert letter.delivery is not None
        assert letter.delivery.error == "agent_silent"


class TestTheOthers:
    async def test_are_told_once_that_the_time_is_gone_and_keep_their_place(
        self, waiting: Waiting
    ) -> None:
        entries = [await waiting.joins() for _ in range(3)]
        await waiting.frees()
        await waiting.look()
        await waiting.send()
        answers = waiting.services.waiting.answers
        await answers.accept(await waiting.token(entries[1]), NINE)

        await asyncio.gather(waiting.look(), waiting.look())
        await waiting.look()
        await waiting.send()

        told = [
            [m.delivery.status for m in await waiting.letters(one, CLOSED) if m.delivery]
            for one in entries
        ]
        assert told == [[DeliveryStatus.SENT], [], [DeliveryStatus.SENT]]
        statuses = [(await waiting.entry(one)).status for one in entries]
        assert statuses == ["waiting", "booked", "waiting"]
        assert (await waiting.offer(entries[0])).outcome == OfferOutcome.GONE

    async def test_are_not_told_where_their_offer_never_left(self, waiting: Waiting) -> None:
        entries = [await waiting.joins() for _ in range(2)]
        await waiting.frees()
        await waiting.look()
        await waiting.services.waiting.answers.accept(await waiting.token(entries[0]), NINE)

        await waiting.look()
        await waiting.send()
        await waiting.look()

        assert await waiting.letters(entries[1], CLOSED) == []
        assert (await waiting.offer(entries[1])).outcome == OfferOutcome.DROPPED

    async def test_are_not_told_while_one_of_their_times_is_left(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await time_off_removed(waiting)
        await waiting.look()
        await waiting.send()
        starts = (await waiting.offer(entry)).starts
        assert len(starts) == 3
        assert all(b - a >= timedelta(minutes=30) for a, b in pairwise(starts))
        await book(waiting.services, await waiting.patient(), starts[0])

        await waiting.look()

        assert await waiting.letters(entry, CLOSED) == []
        assert (await waiting.offer(entry)).outcome is None

    @pytest.mark.parametrize("was_sent", [True, False])
    async def test_an_offer_of_a_service_that_is_switched_off_ends_without_a_letter(
        self, waiting: Waiting, *, was_sent: bool
    ) -> None:
        """Nobody was faster; and an offer that stays open keeps being looked at for ever."""
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        if was_sent:
            await waiting.send()
        services = waiting.services.repositories.services
        cleaning = await services.with_service_id("cleaning")
        assert cleaning is not None
        await services.update_fields(cleaning.id, {"active": False})

        await waiting.look()
        await waiting.send()
        await waiting.look()

        outcome = OfferOutcome.GONE if was_sent else OfferOutcome.DROPPED
        assert (await waiting.offer(entry)).outcome == outcome
        after = await waiting.entry(entry)
        assert (after.open_until, after.status) == (None, WaitlistStatus.WAITING)
        assert await waiting.letters(entry, CLOSED) == []

    async def test_an_offer_without_a_letter_ends_with_its_service_too(
        self, waiting: Waiting
    ) -> None:
        """A crash came between the offer and its letter."""
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        offer = await waiting.offer(entry)
        bare = offer.model_copy(update={"message_id": None})
        repositories = waiting.services.repositories
        await repositories.waitlist.update_fields(entry.id, {"offers": [bare.to_stored()]})
        cleaning = await repositories.services.with_service_id("cleaning")
        assert cleaning is not None
        await repositories.services.update_fields(cleaning.id, {"active": False})

        await waiting.look()

        assert (await waiting.offer(entry)).outcome == OfferOutcome.DROPPED

    async def test_who_booked_it_on_the_site_is_off_the_list_and_not_told(
        self, waiting: Waiting
    ) -> None:
        patient = await waiting.patient()
        entry = await waiting.joins(patient)
        await waiting.frees()
        await waiting.look()
        await waiting.send()
        request = PublicBooking(
            appointment_date=NINE,
            name=patient.name,
            email=patient.email,
            phone="+1 212-555-0199",
            service_id="cleaning",
        )
        await waiting.services.scheduling.booking.book(request, body={})

        await waiting.look()

        assert (await waiting.entry(entry)).status == WaitlistStatus.BOOKED
        assert await waiting.letters(entry, CLOSED) == []


class TestPeople:
    async def test_a_stranger_is_held_back_where_the_clinic_takes_none_online(
        self, waiting: Waiting
    ) -> None:
        entry = await waiting.joins(name="New Person", email="new@example.com")
        await waiting.frees()

        await waiting.look()

        stored = await waiting.entry(entry)
        assert (stored.offers, stored.held_back) == ([], HeldBack.STRANGER)
        assert await waiting.services.repositories.patients.with_email("new@example.com") == []

    async def test_a_stranger_becomes_a_lead_with_the_first_offer_where_it_does(
        self, waiting: Waiting
    ) -> None:
        await waiting.services.base.clinic.update({"allow_new_patient_booking": True})
        entry = await waiting.joins(name="New Person", email="new@example.com", language="es")
        patients = waiting.services.repositories.patients
        await waiting.look()
        assert await patients.with_email("new@example.com") == []
        await waiting.frees()

        await waiting.look()

        (lead,) = await patients.with_email("new@example.com")
        assert (await waiting.entry(entry)).patient_id == lead.id
        assert "Ahora está libre" in (await waiting.letters(entry))[0].content

    @pytest.mark.parametrize(
        "given",
        [
            {"consent": Consent(opted_out_at=NINE)},
            {"status": PatientStatus.INACTIVE},
            {"status": PatientStatus.DECEASED},
        ],
        ids=range(3),
    )
    async def test_who_may_not_be_written_to_takes_no_place(
        self, waiting: Waiting, given: dict[str, object]
    ) -> None:
        unwanted = [await waiting.joins(await waiting.patient(**given)) for _ in range(3)]
        entry = await waiting.joins()
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(*unwanted, entry) == [0, 0, 0, 1]
        assert (await waiting.entry(unwanted[0])).held_back == HeldBack.NOT_WANTED

    async def test_who_shares_a_mailbox_is_told_apart_by_name_or_not_at_all(
        self, waiting: Waiting
    ) -> None:
        for name in ("Ann Smith", "Bob Smith"):
            await waiting.patient(name=name, email="family@example.com")
        unclear = await waiting.joins(name="Cy Smith", email="family@example.com")
        bob = await waiting.joins(name="bob SMITH", email="Family@Example.com")
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(unclear, bob) == [0, 1]
        assert (await waiting.entry(unclear)).held_back == HeldBack.UNCLEAR

    async def test_a_letter_goes_to_the_address_on_file_alone(self, waiting: Waiting) -> None:
        patient = await waiting.patient(phone="+12125550142")
        entry = await waiting.joins(
            name="Any Body", email="attacker@example.com", phone="212 555 0142"
        )
        await waiting.frees()

        await waiting.look()

        assert (await waiting.entry(entry)).patient_id == patient.id
        (letter,) = await waiting.letters(entry)
        assert letter.patient_id == patient.id


class TestCrashes:
    async def test_an_offer_without_its_letter_gets_it(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        stored = await waiting.entry(entry)
        await undo_letter(waiting, stored)

        await waiting.look()
        await waiting.look()

        assert len(await waiting.letters(entry)) == 1
        assert (await waiting.offer(entry)).message_id is not None
        assert await waiting.offers(entry) == [1]

    async def test_a_letter_that_was_queued_but_not_noted_is_not_queued_again(
        self, waiting: Waiting
    ) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        await forget_message(waiting, await waiting.entry(entry))

        await waiting.look()

        (letter,) = await waiting.letters(entry)
        assert (await waiting.offer(entry)).message_id == letter.id

    async def test_a_visit_whose_entry_was_not_closed_closes_it(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        await waiting.services.waiting.answers.accept(await waiting.token(entry), NINE)
        await waiting.services.repositories.waitlist.update_fields(
            entry.id, {"status": WaitlistStatus.WAITING}
        )

        await waiting.look()

        assert (await waiting.entry(entry)).status == WaitlistStatus.BOOKED
        assert len(await waiting.letters(entry)) == 1

    async def test_one_entry_that_cannot_be_worked_on_keeps_no_other_waiting(
        self, waiting: Waiting
    ) -> None:
        broken = await waiting.joins()
        entry = await waiting.joins()
        await waiting.services.repositories.waitlist.update_fields(
            broken.id, {"first_day": "nonsense", "last_day": "zzz", "weekdays": ["MON"]}
        )
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(entry) == [1]


async def undo_letter(waiting: Waiting, entry: WaitlistEntry) -> None:
    """As if the process had died between storing the offer and queueing its letter."""
    (letter,) = await waiting.letters(entry)
    await waiting.services.repositories.interactions.delete(letter.id)
    await forget_message(waiting, entry)


async def forget_message(waiting: Waiting, entry: WaitlistEntry) -> None:
    """As if it had died right after queueing it."""
    offer = entry.offers[-1].model_copy(update={"message_id": None})
    await waiting.services.repositories.waitlist.update_fields(
        entry.id, {"offers": [offer.to_stored()]}
    )


class TestTheEnd:
    async def test_an_entry_ends_with_its_last_day(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        waiting.clock.set(datetime(2026, 8, 21, 3, 59, tzinfo=UTC))
        await waiting.look()
        assert (await waiting.entry(entry)).status == WaitlistStatus.WAITING

        waiting.clock.set(datetime(2026, 8, 21, 4, 0, tzinfo=UTC))
        await waiting.look()

        assert (await waiting.entry(entry)).status == WaitlistStatus.EXPIRED

    async def test_or_after_ninety_days(self, waiting: Waiting) -> None:
        entry = await waiting.joins(last_day=None)

        assert entry.last_day == "2026-11-17"

    async def test_a_service_that_is_gone_stops_nothing(self, waiting: Waiting) -> None:
        gone = await waiting.joins(service_id="whitening")
        entry = await waiting.joins()
        service = await waiting.services.repositories.services.with_service_id("whitening")
        assert service is not None
        await waiting.services.repositories.services.delete(service.id)
        await waiting.frees()

        await waiting.look()

        assert await waiting.offers(gone, entry) == [0, 1]

    async def test_a_cancelled_visit_of_the_list_brings_nobody_back(self, waiting: Waiting) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        await waiting.services.waiting.answers.accept(await waiting.token(entry), NINE)
        visits = [one for one in await waiting.every_visit() if one.id == entry.visit_id]
        await waiting.services.scheduling.appointments.cancel(visits[0].id, by="patient")

        await waiting.look()

        assert (await waiting.entry(entry)).status == WaitlistStatus.BOOKED
        assert {one.status for one in await waiting.every_visit()} == {AppointmentStatus.CANCELLED}
