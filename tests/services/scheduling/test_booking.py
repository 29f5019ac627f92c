"""Booking: who gets which time, who is refused, and what a retry is answered."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.errors import AppError
from app.db.errors import DuplicateValueError
from app.db.indexes import APPOINTMENT_CLAIMS
from app.models.appointment import Appointment, AppointmentStatus, CreatedFrom
from app.models.base import as_object_id, new_id
from app.models.campaign import BookingFunnelStatus, CampaignStatus
from app.models.interaction import Direction, Interaction
from app.models.patient import Channel, Patient, PatientStatus, PatientType
from app.models.schedule import Chair, Provider, Weekday
from app.services.idempotency import IdempotencyKeyReusedError
from app.services.patients import InvalidNameError, PatientNotFoundError
from app.services.phones import InvalidPhoneError
from app.services.scheduling.appointments import VisitChange
from app.services.scheduling.booking import (
    PUBLIC_ROUTE,
    CampaignMismatchError,
    StaffBooking,
)
from app.services.scheduling.engine import Pair
from app.services.scheduling.placement import Placing
from app.services.scheduling.refusals import (
    NotBookableError,
    PatientHasVisitError,
    SlotTakenError,
    UnknownChairError,
    UnknownProviderError,
    UnknownServiceError,
)
from app.services.tokens import TokenPurpose
from tests.services.scheduling.practice import (
    OPEN_DAY,
    STAFF,
    Practice,
    form,
    moment,
    overlaps,
)

pytestmark = pytest.mark.mongo

NINE = "2026-08-20T09:00"
PLACED = new_id()
"""The patient whom two want to book at once."""
NINE_UTC = datetime(2026, 8, 20, 13, 0, tzinfo=UTC)


async def second_team(practice: Practice) -> None:
    """Another provider with the same hours, and another chair."""
    await practice.repositories.providers.insert(
        Provider(
            name="Dr. Stern",
            service_ids=["cleaning"],
            working_hours=dict.fromkeys(list(Weekday)[:5], OPEN_DAY),
        )
    )
    await practice.repositories.chairs.insert(Chair(name="Room 2"))


async def set_minutes(practice: Practice, provider: Provider, minutes: int) -> None:
    """How long this provider takes for a cleaning."""
    fields = {"service_durations": {"cleaning": minutes}}
    await practice.repositories.providers.update_fields(provider.id, fields)


class TestBook:
    """A patient books on the booking site."""

    async def test_the_visit_is_linked_to_patient_and_campaign(self, practice: Practice) -> None:
        patient = await practice.add_patient()
        campaign = await practice.add_campaign(patient, status=CampaignStatus.RE_ENGAGED)

        visit = await practice.book(patient, NINE, notes="Mornings are best.")

        assert visit.patient_id == patient.id
        assert visit.campaign_id == campaign.id
        assert visit.appointment_date == NINE_UTC
        assert visit.status == AppointmentStatus.BOOKED
        assert visit.created_from == CreatedFrom.AI_AGENT_FORM
        assert visit.notes == "Mornings are best."
        assert visit.pending_event is None
        moved = await practice.campaign(campaign)
        assert moved.status == CampaignStatus.BOOKING_INITIATED
        assert moved.booking_funnel.status == BookingFunnelStatus.FORM_SUBMITTED
        assert moved.booking_funnel.submitted_at == practice.clock.now()
        assert await practice.letters() == [f"appointment:{visit.id}:visit_booked:0"]

    async def test_a_patient_without_a_campaign_books_too(self, practice: Practice) -> None:
        visit = await practice.book(await practice.add_patient(), NINE)

        assert visit.campaign_id is None

    async def test_an_instant_with_an_offset_means_the_same(self, practice: Practice) -> None:
        visit = await practice.book(await practice.add_patient(), "2026-08-20T15:00+02:00")

        assert visit.appointment_date == NINE_UTC

    async def test_the_service_is_found_by_name_whatever_its_case(self, practice: Practice) -> None:
        visit = await practice.book(
            await practice.add_patient(), NINE, service_id=None, service_name="teeth WHITENING"
        )

        assert visit.service_id == "whitening"
        assert visit.duration_minutes == 60

    async def test_the_answer_names_a_link_that_works(self, practice: Practice) -> None:
        patient = await practice.add_patient()
        answer = await practice.booking.book(form(patient, NINE), body={})

        assert answer["message"] == "Appointment booked successfully."
        view = await practice.self_service.view(answer["manage_url"].rpartition("/")[2])
        assert str(view.appointment.id) == answer["appointment_id"]

    async def test_the_next_provider_and_chair_are_taken_when_the_first_are_busy(
        self, practice: Practice
    ) -> None:
        await second_team(practice)

        first = await practice.book(await practice.add_patient(), NINE)
        second = await practice.book(await practice.add_patient(), NINE)

        assert first.provider_id != second.provider_id
        assert first.chair_id != second.chair_id


class TestRefusals:
    """Each refusal has its own type, and leaves nothing behind."""

    @pytest.mark.parametrize(
        ("when", "reason"),
        [
            ("2026-08-19T13:45", "too_soon"),
            ("2026-08-18T09:00", "too_soon"),
            ("2027-08-20T09:00", "too_far"),
            ("2026-08-20T09:05", "off_grid"),
            ("2026-08-20T09:00:30", "off_grid"),
            ("2026-08-20T12:15", "outside_hours"),
            ("2026-08-20T16:45", "outside_hours"),
            ("2026-08-22T09:00", "outside_hours"),
        ],
    )
    async def test_a_time_that_is_none(self, practice: Practice, when: str, reason: str) -> None:
        patient = await practice.add_patient()

        with pytest.raises(NotBookableError) as refused:
            await practice.book(patient, when)

        assert refused.value.extra["reason"] == reason
        assert "(America/New_York)" in refused.value.detail
        assert await practice.every_visit() == []

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"service_id": "surgery"}, UnknownServiceError),
            ({"service_id": None, "service_name": "Surgery"}, UnknownServiceError),
            ({"provider_id": new_id()}, UnknownProviderError),
            ({"email": "nobody@example.com"}, PatientNotFoundError),
            ({"phone": "not a number"}, InvalidPhoneError),
            ({"name": "Dana\r\nBcc: all"}, InvalidNameError),
            ({"name": "\u200b"}, InvalidNameError),
        ],
    )
    async def test_somebody_or_something_unknown(
        self, practice: Practice, given: dict[str, Any], error: type[AppError]
    ) -> None:
        patient = await practice.add_patient()

        with pytest.raises(error):
            await practice.book(patient, NINE, **given)

        assert await practice.every_visit() == []

    async def test_somebody_elses_time(self, practice: Practice) -> None:
        await practice.book(await practice.add_patient(), NINE)

        with pytest.raises(SlotTakenError):
            await practice.book(await practice.add_patient(), "2026-08-20T09:15")

        assert len(await practice.every_visit()) == 1

    async def test_buffers_are_time_too(self, practice: Practice) -> None:
        await practice.book(await practice.add_patient(), NINE, service_id="whitening")

        with pytest.raises(SlotTakenError):
            await practice.book(await practice.add_patient(), "2026-08-20T10:00")
        await practice.book(await practice.add_patient(), "2026-08-20T10:15")

    async def test_the_patients_own_other_visit(self, practice: Practice) -> None:
        await second_team(practice)
        patient = await practice.add_patient()
        await practice.book(patient, NINE)

        with pytest.raises(PatientHasVisitError) as refused:
            await practice.book(patient, "2026-08-20T09:15")

        assert len(refused.value.extra["alternatives"]) == 3


async def share_contact(practice: Practice, **contact: str | None) -> Patient:
    """Two patients on one contact, without a campaign; one of them."""
    await practice.add_patient(name="Jo Núñez", **contact)
    return await practice.add_patient(name="Ana Núñez", **contact)


async def told(practice: Practice, patient: Patient, **given: str) -> list[Interaction]:
    """What is in the unmatched list after a booking under a name that decides nothing."""
    with pytest.raises(PatientNotFoundError):
        await practice.book(patient, NINE, **({"name": "A. Nunez"} | given))
    page = await practice.repositories.interactions.unmatched_page(page=1, limit=10)
    return page.items


class TestWhoBooks:
    """By token, else e-mail, else phone; the name tells a family apart."""

    async def test_found_by_address_whatever_its_case_and_the_name_given(
        self, practice: Practice
    ) -> None:
        patient = await practice.add_patient(email="dana@example.com")

        visit = await practice.book(patient, NINE, email=" Dana@Example.COM", name="D. Smith-Jones")

        assert visit.patient_id == patient.id

    async def test_found_by_phone_where_the_address_is_unknown(self, practice: Practice) -> None:
        patient = await practice.add_patient(phone="+12125550142")

        visit = await practice.book(patient, NINE, email="new@example.com", phone="(212) 555-0142")

        assert visit.patient_id == patient.id

    async def test_found_by_another_contact_that_nobody_has_on_file(
        self, practice: Practice
    ) -> None:
        patient = await practice.add_patient(other_contacts=["old@example.com"])

        visit = await practice.book(patient, NINE, email="Old@example.com")

        assert visit.patient_id == patient.id
        other = await practice.add_patient(email="old@example.com")
        now = await practice.book(patient, "2026-08-20T11:00", email="old@example.com")
        assert now.patient_id == other.id

    async def test_the_name_tells_a_family_apart(self, practice: Practice) -> None:
        await practice.add_patient(name="José Núñez", email="family@example.com")
        mother = await practice.add_patient(name="Ana Núñez", email="family@example.com")

        visit = await practice.book(mother, NINE, name="ANA  nunez")

        assert visit.patient_id == mother.id

    async def test_a_name_that_decides_nothing_is_not_found_and_staff_are_told(
        self, practice: Practice
    ) -> None:
        await practice.add_patient(name="Jo Núñez", email="family@example.com")
        mother = await practice.add_patient(name="Ana Núñez", email="family@example.com")
        campaign = await practice.add_campaign(mother)
        nobody = await practice.add_patient()

        with pytest.raises(PatientNotFoundError) as unclear:
            await practice.book(mother, NINE, name="A. Nunez")
        with pytest.raises(PatientNotFoundError) as unknown:
            await practice.book(nobody, NINE, email="nobody@example.com")

        assert unclear.value.detail == unknown.value.detail
        stored = await practice.campaign(campaign)
        assert stored.attention is not None
        assert stored.attention.reason == "booking_patient_unclear"
        assert "Nunez" not in stored.attention.summary

    async def test_without_a_campaign_staff_are_told_in_the_unmatched_list(
        self, practice: Practice
    ) -> None:
        mother = await share_contact(practice, email="family@example.com")

        (note,) = await told(practice, mother, name="Somebody Else")

        assert (note.patient_id, note.campaign_id, note.sender) == (None, None, None)
        assert (note.channel, note.direction) == (Channel.EMAIL, Direction.INCOMING)
        assert note.timestamp == practice.clock.now()
        assert "several patients share" in note.content
        stored = str(note.to_stored())
        assert not any(said in stored for said in ("family@example.com", "Somebody Else", "Ana"))

    async def test_staff_are_told_once_a_local_day_and_contact(self, practice: Practice) -> None:
        mother = await share_contact(practice, email="family@example.com")
        await share_contact(practice, email=None, phone="+12125550142")

        assert len(await told(practice, mother)) == 1
        assert len(await told(practice, mother, email=" Family@Example.com")) == 1
        by_phone = {"email": "new@example.com", "phone": "(212) 555-0142"}
        assert len(await told(practice, mother, **by_phone)) == 2
        practice.clock.advance(hours=11)
        assert len(await told(practice, mother)) == 2
        practice.clock.advance(hours=2)
        assert len(await told(practice, mother)) == 3

    async def test_one_who_died_does_not_stand_in_the_familys_way(self, practice: Practice) -> None:
        await practice.add_patient(
            name="Jo Smith", email="family@example.com", status=PatientStatus.DECEASED
        )
        widow = await practice.add_patient(name="Dana Smith", email="family@example.com")

        visit = await practice.book(widow, NINE, name="Mrs Smith")

        assert visit.patient_id == widow.id

    async def test_a_token_outranks_address_and_phone(self, practice: Practice) -> None:
        patient = await practice.add_patient()
        other = await practice.add_patient()
        campaign = await practice.add_campaign(patient)
        token = _token(practice, patient.id, campaign.id)

        visit = await practice.book(other, NINE, booking_token=token)

        assert visit.patient_id == patient.id
        assert visit.campaign_id == campaign.id

    async def test_a_token_names_its_patient_after_its_campaign_ended(
        self, practice: Practice
    ) -> None:
        patient = await practice.add_patient()
        other = await practice.add_patient()
        campaign = await practice.add_campaign(patient, status=CampaignStatus.RECOVERY_FAILED)
        token = _token(practice, patient.id, campaign.id)

        visit = await practice.book(other, NINE, booking_token=token)

        assert visit.patient_id == patient.id
        assert visit.campaign_id is None
        assert (await practice.campaign(campaign)).status == CampaignStatus.RECOVERY_FAILED

    @pytest.mark.parametrize("kind", ["expired", "foreign", "garbage", "of nobody"])
    async def test_a_token_that_is_not_valid_decides_nothing(
        self, practice: Practice, kind: str
    ) -> None:
        named = await practice.add_patient()
        patient = await practice.add_patient()
        token = _bad_token(practice, kind, named.id)

        visit = await practice.book(patient, "2026-11-17T09:00", booking_token=token)

        assert visit.patient_id == patient.id


def _token(practice: Practice, patient_id: Any, campaign_id: Any) -> str:
    link = practice.links.booking_link(patient_id, campaign_id)
    return link.partition("booking_token=")[2]


def _bad_token(practice: Practice, kind: str, patient_id: Any) -> str:
    if kind == "expired":
        token = _token(practice, patient_id, new_id())
        practice.clock.advance(days=61)
        return token
    if kind == "foreign":
        ids = {"patient_id": str(patient_id), "campaign_id": str(new_id())}
        return practice.tokens.issue(TokenPurpose.UNSUBSCRIBE, **ids)
    return "garbage" if kind == "garbage" else _token(practice, new_id(), new_id())


class TestNewPatients:
    """Where the clinic lets people it does not know book."""

    async def _book(self, practice: Practice, when: str = NINE, **given: Any) -> str:
        known = await practice.add_patient(email=None)
        fields = {"name": "Noa New", "email": "Noa@Example.com", "phone": "212 555 0177"}
        request = form(known, when, **(fields | given))
        return str((await practice.booking.book(request, body={}))["appointment_id"])

    async def test_they_become_a_lead_with_everything_normalised(self, practice: Practice) -> None:
        await practice.change_clinic(allow_new_patient_booking=True)

        await self._book(practice)

        visit = (await practice.every_visit())[0]
        stored = (await practice.repositories.patients.with_email("noa@example.com"))[0]
        assert visit.patient_id == stored.id
        assert stored.patient_type == PatientType.COLD_LEAD
        assert stored.phone == "+12125550177"
        assert visit.pending_event is None

    async def test_a_refused_booking_leaves_nobody_behind(self, practice: Practice) -> None:
        await practice.change_clinic(allow_new_patient_booking=True)
        await practice.book(await practice.add_patient(), NINE)

        with pytest.raises(SlotTakenError):
            await self._book(practice)
        with pytest.raises(NotBookableError):
            await self._book(practice, "2026-08-22T09:00")

        assert await practice.repositories.patients.with_email("noa@example.com") == []

    async def test_twenty_at_once_make_one_patient_and_one_visit(self, practice: Practice) -> None:
        await practice.change_clinic(allow_new_patient_booking=True)
        await second_team(practice)
        known = await practice.add_patient(email=None)
        request = form(known, NINE, name="Noa New", email="noa@example.com")

        answers = await asyncio.gather(
            *(practice.booking.book(request, body={}) for _ in range(20)), return_exceptions=True
        )

        booked = [one for one in answers if isinstance(one, dict)]
        assert len(booked) == 1
        assert all(
            isinstance(one, SlotTakenError | PatientHasVisitError)
            for one in answers
            if not isinstance(one, dict)
        )
        stored = await practice.repositories.patients.with_email("noa@example.com")
        assert len(stored) == 1
        assert [one.patient_id for one in await practice.every_visit()] == [stored[0].id]

    async def test_two_times_at_once_are_two_visits_of_one_patient(
        self, practice: Practice
    ) -> None:
        await practice.change_clinic(allow_new_patient_booking=True)
        known = await practice.add_patient(email=None)
        given = {"name": "Noa New", "email": "noa@example.com"}
        hours = ["09:00", "10:00", "11:00", "13:00", "14:00"]

        await asyncio.gather(
            *(
                practice.booking.book(form(known, f"2026-08-20T{hour}", **given), body={})
                for hour in hours
            )
        )

        stored = await practice.repositories.patients.with_email("noa@example.com")
        assert len(stored) == 1
        visits = await practice.every_visit()
        assert [one.patient_id for one in visits] == [stored[0].id] * len(hours)
        wanted = f"u:{stored[0].id}@"
        assert all(any(claim.startswith(wanted) for claim in one.claims or []) for one in visits)


class TestRaces:
    """Many at once, judged by the spans that are stored and not by the claims."""

    async def test_sixty_overlapping_bookings_never_overlap(self, practice: Practice) -> None:
        await second_team(practice)
        patients = [await practice.add_patient() for _ in range(30)]
        starts = [f"2026-08-20T09:{minute:02d}" for minute in (0, 15, 30, 45)]
        requests = [form(patients[n % 30], starts[n % 4], service_id="cleaning") for n in range(60)]

        answers = await asyncio.gather(
            *(practice.booking.book(one, body={}) for one in requests), return_exceptions=True
        )

        booked = [one for one in answers if isinstance(one, dict)]
        refused = [one for one in answers if not isinstance(one, dict)]
        assert all(isinstance(one, SlotTakenError | PatientHasVisitError) for one in refused)
        visits = await practice.every_visit()
        assert len(visits) == len(booked) >= 2
        assert overlaps(visits) == []

    async def test_bookings_moves_and_cancellations_mixed(self, practice: Practice) -> None:
        await second_team(practice)
        patients = [await practice.add_patient() for _ in range(12)]
        hours = ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30"]
        visits = [
            await practice.book(patient, f"2026-08-20T{hour}")
            for patient, hour in zip(patients, hours * 2, strict=True)
        ]
        change = practice.appointments.change
        moves = [
            change(
                visit.id,
                _to(f"2026-08-20T{hours[(n + 1) % 6]}"),
                by=STAFF,
                staff=True,
            )
            for n, visit in enumerate(visits)
        ]
        cancels = [practice.appointments.cancel(visit.id, by=STAFF) for visit in visits[::3]]
        books = [
            practice.booking.book(form(patient, f"2026-08-20T{hour}"), body={})
            for patient, hour in zip(patients, hours[::-1] * 2, strict=True)
        ]

        answers = await asyncio.gather(*moves, *cancels, *books, return_exceptions=True)

        unexpected = [
            one
            for one in answers
            if isinstance(one, BaseException) and not isinstance(one, AppError)
        ]
        assert unexpected == []
        assert overlaps(await practice.every_visit()) == []


def _to(when: str) -> VisitChange:
    return VisitChange(starts_at=moment(when))


class TestIdempotency:
    """The same key and body get the same answer."""

    async def test_twenty_at_once_are_one_visit_and_one_answer(self, practice: Practice) -> None:
        await second_team(practice)
        patient = await practice.add_patient()
        request = form(patient, NINE)

        answers = await asyncio.gather(
            *(practice.booking.book(request, "key-1", body={"n": 1}) for _ in range(20))
        )

        assert all(answer == answers[0] for answer in answers)
        assert len(await practice.every_visit()) == 1
        assert len(await practice.letters()) == 1

    async def test_twenty_at_once_of_somebody_new(self, practice: Practice) -> None:
        """Each run has another id for the patient, so only the visit's own id tells."""
        await practice.change_clinic(allow_new_patient_booking=True)
        await second_team(practice)
        known = await practice.add_patient(email=None)
        request = form(known, NINE, name="Noa New", email="noa@example.com")

        answers = await asyncio.gather(
            *(practice.booking.book(request, "key-1", body={"n": 1}) for _ in range(20))
        )

        assert all(answer == answers[0] for answer in answers)
        assert len(await practice.every_visit()) == 1
        assert len(await practice.repositories.patients.with_email("noa@example.com")) == 1

    async def test_a_visit_that_exists_outranks_a_refusal_of_a_slower_run(
        self, practice: Practice
    ) -> None:
        request = form(await practice.add_patient(), NINE)
        answer = await practice.booking.book(request, "key-1", body={"n": 1})
        refusal = {"slug": "slot-taken", "title": "x", "detail": "x", "extra": {}}
        await practice.repositories.idempotency._collection.update_one(
            {"_id": f"{PUBLIC_ROUTE}:key-1"},
            {"$set": {"response_status": 409, "response_body": refusal}},
        )

        again = await practice.booking.book(request, "key-1", body={"n": 1})

        assert again["appointment_id"] == answer["appointment_id"]

    async def test_a_retry_later_gets_the_first_answer(self, practice: Practice) -> None:
        request = form(await practice.add_patient(), NINE)
        first = await practice.booking.book(request, "key-1", body={"n": 1})
        practice.clock.advance(hours=30)

        assert await practice.booking.book(request, "key-1", body={"n": 1}) == first

    async def test_the_same_key_with_another_body_is_refused(self, practice: Practice) -> None:
        request = form(await practice.add_patient(), NINE)
        await practice.booking.book(request, "key-1", body={"n": 1})

        with pytest.raises(IdempotencyKeyReusedError):
            await practice.booking.book(request, "key-1", body={"n": 2})

    async def test_another_key_is_another_request(self, practice: Practice) -> None:
        request = form(await practice.add_patient(), NINE)
        await practice.booking.book(request, "key-1", body={"n": 1})

        with pytest.raises(PatientHasVisitError):
            await practice.booking.book(request, "key-2", body={"n": 1})

    async def test_a_refusal_is_replayed_even_when_the_time_is_free_again(
        self, practice: Practice
    ) -> None:
        held = await practice.book(await practice.add_patient(), NINE)
        request = form(await practice.add_patient(), NINE)
        with pytest.raises(SlotTakenError) as first:
            await practice.booking.book(request, "key-1", body={"n": 1})
        await practice.appointments.cancel(held.id, by=STAFF)

        with pytest.raises(AppError) as again:
            await practice.booking.book(request, "key-1", body={"n": 1})

        assert (again.value.status, again.value.slug) == (409, "slot-taken")
        assert again.value.detail == first.value.detail
        assert again.value.extra == first.value.extra

    async def test_a_crash_after_the_visit_was_stored_is_finished_by_the_retry(
        self, practice: Practice
    ) -> None:
        """The key is known and the visit exists, and neither effects nor answer were stored."""
        patient = await practice.add_patient()
        campaign = await practice.add_campaign(patient)
        request = form(patient, NINE)
        answer = await practice.booking.book(request, "key-1", body={"n": 1})
        visit_id = as_object_id(answer["appointment_id"])
        records = practice.repositories.idempotency._collection
        await records.update_one(
            {"_id": f"{PUBLIC_ROUTE}:key-1"},
            {"$unset": {"response_status": "", "response_body": ""}},
        )

        again = await practice.booking.book(request, "key-1", body={"n": 1})

        assert as_object_id(again["appointment_id"]) == visit_id
        assert len(await practice.every_visit()) == 1
        assert (await practice.campaign(campaign)).status == CampaignStatus.BOOKING_INITIATED

    async def test_a_crash_before_the_visit_was_stored_is_run_again(
        self, practice: Practice
    ) -> None:
        patient = await practice.add_patient()
        request = form(patient, NINE)
        answer = await practice.booking.book(request, "key-1", body={"n": 1})
        visit_id = as_object_id(answer["appointment_id"])
        assert visit_id is not None
        await practice.repositories.appointments.delete(visit_id)
        records = practice.repositories.idempotency._collection
        await records.update_one(
            {"_id": f"{PUBLIC_ROUTE}:key-1"},
            {"$unset": {"response_status": "", "response_body": ""}},
        )

        again = await practice.booking.book(request, "key-1", body={"n": 1})

        assert as_object_id(again["appointment_id"]) == visit_id
        assert [one.id for one in await practice.every_visit()] == [visit_id]


class TestOwnTimes:
    """Providers who take longer or shorter than the service usually does."""

    async def test_the_visit_lasts_as_long_as_its_provider_takes(self, practice: Practice) -> None:
        await second_team(practice)
        slow, quick = await practice.repositories.providers.every()
        await set_minutes(practice, slow, 50)
        await set_minutes(practice, quick, 20)
        patient = await practice.add_patient()

        first = await practice.book(patient, NINE, provider_id=slow.id)
        second = await practice.staff_book(
            await practice.add_patient(), "2026-08-20T09:45", provider_id=quick.id
        )

        assert (first.duration_minutes, second.duration_minutes) == (50, 20)
        assert not first.duration_by_hand
        assert len(first.claims or ()) == 3 * 50 // 5
        with pytest.raises(SlotTakenError):
            await practice.book(
                await practice.add_patient(), "2026-08-20T09:45", provider_id=slow.id
            )
        with pytest.raises(PatientHasVisitError):
            await practice.book(patient, "2026-08-20T09:45", provider_id=quick.id)

    async def test_a_time_is_had_with_whoever_is_quick_enough_for_it(
        self, practice: Practice
    ) -> None:
        await second_team(practice)
        slow, quick = await practice.repositories.providers.every()
        await set_minutes(practice, slow, 50)

        free = await practice.availability.between("2026-08-20", "2026-08-20", "cleaning")
        by_time = {one.local_time[11:]: {who.id for who in one.providers} for one in free}
        assert by_time["11:00"] == {slow.id, quick.id}
        assert by_time["11:15"] == by_time["11:30"] == {quick.id}
        with pytest.raises(NotBookableError):
            await practice.book(
                await practice.add_patient(), "2026-08-20T11:30", provider_id=slow.id
            )
        visit = await practice.book(await practice.add_patient(), "2026-08-20T11:30")

        assert (visit.provider_id, visit.duration_minutes) == (quick.id, 30)

    async def test_the_length_staff_name_wins(self, practice: Practice) -> None:
        provider = (await practice.repositories.providers.every())[0]
        await set_minutes(practice, provider, 50)

        visit = await practice.staff_book(await practice.add_patient(), NINE, duration_minutes=25)

        assert (visit.duration_minutes, visit.duration_by_hand) == (25, True)
        assert len(visit.claims or ()) == 3 * 25 // 5


class TestHolidays:
    """A holiday closes the local day to everybody."""

    async def test_nobody_books_on_one(self, practice: Practice) -> None:
        holiday = {"name": "Feast", "day": "2024-08-20", "every_year": True}
        await practice.change_clinic(holidays=[holiday])
        patient = await practice.add_patient()

        with pytest.raises(NotBookableError, match="The practice is closed that day: Thu") as told:
            await practice.book(patient, NINE)
        with pytest.raises(NotBookableError):
            await practice.staff_book(patient, NINE)

        assert told.value.extra["reason"] == "closed"
        month = await practice.availability.month(2026, 8, "cleaning")
        assert "2026-08-20" not in month
        assert {"2026-08-19", "2026-08-21"} <= month.keys()


class TestStaffBook:
    """The front desk books by hand."""

    async def test_outside_lead_horizon_and_grid_but_within_hours(self, practice: Practice) -> None:
        patient = await practice.add_patient()

        soon = await practice.staff_book(patient, "2026-08-19T13:05")
        past = await practice.staff_book(patient, "2026-08-17T09:00")
        far = await practice.staff_book(patient, "2027-08-20T09:25")

        assert {one.created_from for one in (soon, past, far)} == {CreatedFrom.MANUAL_ADMIN}
        with pytest.raises(NotBookableError):
            await practice.staff_book(patient, "2026-08-20T09:02")
        with pytest.raises(NotBookableError):
            await practice.staff_book(patient, "2026-08-22T09:00")

    async def test_the_same_conflict_rules(self, practice: Practice) -> None:
        patient = await practice.add_patient()
        await practice.book(patient, NINE)

        with pytest.raises(SlotTakenError):
            await practice.staff_book(await practice.add_patient(), "2026-08-20T09:25")
        await second_team(practice)
        with pytest.raises(PatientHasVisitError):
            await practice.staff_book(patient, "2026-08-20T09:25")

    async def test_provider_chair_and_length_as_named(self, practice: Practice) -> None:
        await second_team(practice)
        provider = (await practice.repositories.providers.every())[1]
        chair = (await practice.repositories.chairs.every())[1]

        visit = await practice.staff_book(
            await practice.add_patient(),
            NINE,
            provider_id=provider.id,
            chair_id=chair.id,
            duration_minutes=45,
        )

        assert (visit.provider_id, visit.chair_id) == (provider.id, chair.id)
        assert visit.duration_minutes == 45
        with pytest.raises(SlotTakenError):
            await practice.staff_book(
                await practice.add_patient(), "2026-08-20T09:40", provider_id=provider.id
            )

    async def test_an_unknown_chair_or_patient_is_not_found(self, practice: Practice) -> None:
        patient = await practice.add_patient()

        with pytest.raises(UnknownChairError):
            await practice.staff_book(patient, NINE, chair_id=new_id())
        with pytest.raises(PatientNotFoundError):
            await practice.staff_book(patient, NINE, patient_id=new_id())

    async def test_a_new_patient_is_stored_with_the_visit_and_only_with_it(
        self, practice: Practice
    ) -> None:
        request = StaffBooking(
            appointment_date=moment(NINE),
            name="Noa New",
            email="noa@example.com",
            service_id="cleaning",
        )

        visit = await practice.booking.staff_book(request, by=STAFF)

        stored = (await practice.repositories.patients.with_email("noa@example.com"))[0]
        assert visit.patient_id == stored.id
        other = StaffBooking(
            appointment_date=moment(NINE),
            name="Other New",
            phone="212-555-0188",
            service_id="cleaning",
        )
        with pytest.raises(SlotTakenError):
            await practice.booking.staff_book(other, by=STAFF)
        assert await practice.repositories.patients.with_phone("+12125550188") == []

    async def test_the_patient_on_the_address_is_found(self, practice: Practice) -> None:
        patient = await practice.add_patient(email="dana@example.com")
        campaign = await practice.add_campaign(patient)

        visit = await practice.staff_book(
            patient, NINE, patient_id=None, name="Dana", email="DANA@example.com"
        )

        assert visit.patient_id == patient.id
        assert visit.campaign_id == campaign.id
        moved = await practice.campaign(campaign)
        assert moved.status == CampaignStatus.BOOKING_INITIATED
        assert moved.booking_funnel.status is None
        assert moved.history[-1].by == STAFF

    async def test_a_campaign_of_somebody_else_is_refused(self, practice: Practice) -> None:
        patient = await practice.add_patient()
        foreign = await practice.add_campaign(await practice.add_patient())

        with pytest.raises(CampaignMismatchError):
            await practice.staff_book(patient, NINE, campaign_id=foreign.id)
        assert await practice.every_visit() == []

    async def test_a_visit_of_the_past_is_told_to_nobody(self, practice: Practice) -> None:
        await practice.staff_book(await practice.add_patient(), "2026-08-17T09:00")

        assert await practice.letters() == []


class TestLateConflicts:
    """Somebody else is faster between the engine's proposal and the insert."""

    async def _place(self, practice: Practice, rival: Appointment) -> list[Pair]:
        """Place a visit of `rival`'s hour, the rival coming first; the pairs that were tried."""
        patient = await practice.add_patient()
        tried: list[Pair] = []

        async def write(pair: Pair, claims: list[str]) -> Appointment:
            tried.append(pair)
            if len(tried) == 1:
                await practice.repositories.appointments.insert(rival)
            mine = rival.model_copy(
                update={
                    "id": placing.appointment_id,
                    "patient_id": patient.id,
                    "provider_id": pair.provider_id,
                    "chair_id": pair.chair_id,
                    "claims": claims,
                }
            )
            return await practice.repositories.appointments.insert(mine)

        placing = Placing(
            appointment_id=new_id(),
            service=await practice.reader.service("cleaning"),
            patient_id=patient.id if rival.patient_id != PLACED else PLACED,
            starts_at=NINE_UTC,
        )
        await practice.placement.place(placing, write)
        return tried

    async def _rival(self, practice: Practice, **claims_of: Any) -> Appointment:
        """A visit at nine that holds only what is named; not in the book."""
        visit = await practice.staff_book(await practice.add_patient(), NINE)
        await practice.repositories.appointments.delete(visit.id)
        bucket = (visit.claims or [])[0].rpartition("@")[2]
        claims = [f"{kind}:{one}@{bucket}" for kind, one in claims_of.items()]
        update = {"id": new_id(), "claims": claims, "pending_event": None}
        return visit.model_copy(update=update)

    async def test_a_chair_that_went_leaves_the_other_one(self, practice: Practice) -> None:
        await practice.repositories.chairs.insert(Chair(name="Room 2"))
        first = (await practice.repositories.chairs.every())[0]

        tried = await self._place(practice, await self._rival(practice, c=first.id))

        assert [one.chair_id == first.id for one in tried] == [True, False]

    async def test_a_provider_who_went_is_not_tried_in_every_chair(
        self, practice: Practice
    ) -> None:
        await second_team(practice)
        first, second = await practice.repositories.providers.every()
        afternoon = "2026-08-20T15:00"
        await practice.staff_book(await practice.add_patient(), afternoon, provider_id=second.id)

        tried = await self._place(practice, await self._rival(practice, p=first.id))

        assert [one.provider_id for one in tried] == [first.id, second.id]

    async def test_ones_own_insert_is_recognised_whichever_index_names_it(
        self, practice: Practice
    ) -> None:
        """The acknowledgement was lost, and the retry met the claims before the id."""
        rival = await self._rival(practice)
        placing = Placing(
            appointment_id=rival.id,
            service=await practice.reader.service("cleaning"),
            patient_id=rival.patient_id,
            starts_at=NINE_UTC,
        )

        async def write(_pair: Pair, claims: list[str]) -> Appointment:
            stored = rival.model_copy(update={"claims": claims})
            await practice.repositories.appointments.insert(stored)
            raise DuplicateValueError(APPOINTMENT_CLAIMS)

        assert (await practice.placement.place(placing, write)).id == rival.id

    async def test_a_patient_who_is_booked_meanwhile_is_told_so(self, practice: Practice) -> None:
        await second_team(practice)
        rival = await self._rival(practice, u=PLACED)

        with pytest.raises(PatientHasVisitError):
            await self._place(practice, rival.model_copy(update={"patient_id": PLACED}))


class TestPairs:
    """Which provider and chair."""

    async def test_the_chair_that_is_busy_elsewhere_is_passed_over(
        self, practice: Practice
    ) -> None:
        """One provider more, no chair more: the second visit has no room."""
        await practice.repositories.providers.insert(
            Provider(
                name="Dr. Stern",
                service_ids=["cleaning"],
                working_hours=dict.fromkeys(list(Weekday)[:5], OPEN_DAY),
            )
        )
        await practice.book(await practice.add_patient(), NINE)

        with pytest.raises(SlotTakenError):
            await practice.book(await practice.add_patient(), NINE)

    async def test_visits_end_to_end_do_not_meet(self, practice: Practice) -> None:
        first = await practice.book(await practice.add_patient(), NINE)
        second = await practice.book(await practice.add_patient(), "2026-08-20T09:30")

        assert second.appointment_date - first.appointment_date == timedelta(minutes=30)
