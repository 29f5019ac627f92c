"""A schedule that another system keeps, night after night."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.core.errors import AppError
from app.models.appointment import AppointmentStatus, CreatedFrom
from app.models.campaign import CampaignStatus
from app.models.patient import PatientType
from app.models.schedule import Chair, Provider
from app.services.scheduling.appointments import VisitChange
from tests.services.imports.bench import Bench, file_of, many, row
from tests.services.scheduling.practice import STAFF, become, moment, overlaps

pytestmark = pytest.mark.mongo

MONDAY_NINE = datetime(2026, 8, 24, 13, 0, tzinfo=UTC)
A = AppointmentStatus


class TestANewVisit:
    async def test_stands_in_the_book_with_its_patient_and_claims(self, bench: Bench) -> None:
        assert await bench.outcomes(file_of(row())) == ["created"]

        visit = await bench.visit("A-1")
        patient = await bench.practice.repositories.patients.get(visit.patient_id)
        assert patient is not None
        assert (patient.name, patient.email) == ("Maria Lopez", "maria.lopez@example.com")
        assert patient.patient_type == PatientType.EXISTING
        assert visit.created_from == CreatedFrom.IMPORT
        assert visit.appointment_date == MONDAY_NINE
        assert (visit.service_id, visit.service_name) == ("cleaning", "Check-up and Cleaning")
        assert len(visit.claims or ()) == 18
        assert visit.wants_reminders is False
        assert visit.pending_event is None

    async def test_takes_its_time_from_patients(self, bench: Bench) -> None:
        await bench.run(file_of(row(start="2026-08-24T10:00", minutes="25")))

        patient = await bench.practice.add_patient()
        with pytest.raises(AppError):
            await bench.practice.book(patient, "2026-08-24T10:00")
        await bench.practice.book(patient, "2026-08-24T10:30")

    async def test_writes_to_nobody_unless_told_to(self, bench: Bench) -> None:
        await bench.run(file_of(row()))
        quiet = await bench.practice.letters()
        await bench.run(file_of(row(external_id="A-2", start="2026-08-25T09:00")), notify=True)

        assert quiet == []
        (letter,) = await bench.practice.letters()
        assert "visit_booked" in letter

    async def test_is_outside_hours_grid_and_services_as_it_is(self, bench: Bench) -> None:
        text = file_of(
            row(start="2026-08-23T21:03", minutes="12", service="Bone graft"),
            row(external_id="A-2", email="", phone="(212) 555-0142", start="2026-08-24T12:10"),
        )

        assert await bench.outcomes(text) == ["created", "created"]
        visit = await bench.visit("A-1")
        assert (visit.service_id, visit.service_name) == ("imported", "Bone graft")
        assert visit.duration_minutes == 15
        assert visit.appointment_date == datetime(2026, 8, 24, 1, 3, tzinfo=UTC)

    async def test_is_a_fact_with_whoever_and_whatever_is_out_of_use(self, bench: Bench) -> None:
        repositories = bench.practice.repositories
        provider = await repositories.providers.insert(Provider(name="Dr. Gone", active=False))
        chair = await repositories.chairs.insert(Chair(name="Old room", active=False))
        service = await repositories.services.with_service_id("cleaning")
        assert service is not None
        await repositories.services.update_fields(service.id, {"active": False})

        text = file_of(row(provider="dr gone", chair="OLD ROOM", service="Cleaning"))
        assert await bench.outcomes(text) == ["created"]

        visit = await bench.visit("A-1")
        assert (visit.provider_id, visit.chair_id) == (provider.id, chair.id)
        assert visit.service_id == "cleaning"

    async def test_without_a_chair_goes_into_none_that_is_out_of_use(self, bench: Bench) -> None:
        for chair in await bench.practice.repositories.chairs.every():
            await bench.practice.repositories.chairs.update_fields(chair.id, {"active": False})

        assert await bench.outcomes(file_of(row())) == ["refused:no_chair"]

    async def test_reminds_where_told_to(self, bench: Bench) -> None:
        await bench.run(file_of(row()), remind=True)

        assert (await bench.visit("A-1")).wants_reminders is True

    async def test_moves_the_active_campaign_as_a_booking_does(self, bench: Bench) -> None:
        patient = await bench.practice.add_patient(
            name="Maria Lopez", email="maria.lopez@example.com"
        )
        campaign = await bench.practice.add_campaign(
            patient, status=CampaignStatus.ATTEMPTING_RECOVERY
        )

        await bench.run(file_of(row()))

        assert (await bench.visit("A-1")).campaign_id == campaign.id
        moved = await bench.practice.campaign(campaign)
        assert moved.status == CampaignStatus.BOOKING_INITIATED
        assert await bench.practice.letters() == []

    async def test_of_the_past_claims_nothing_and_collides_with_nobody(self, bench: Bench) -> None:
        past = {"start": "2026-08-03T09:00", "status": "completed"}
        text = file_of(row(**past), row(external_id="A-2", name="Jo Park", email="", **past))

        assert await bench.outcomes(text) == ["created", "created"]
        assert (await bench.visit("A-1")).claims is None

    async def test_that_was_completed_makes_the_next_one_due(self, bench: Bench) -> None:
        later, earlier = "2026-08-03T09:00", "2026-01-05T09:00"
        text = file_of(
            row(start=later, status="Completed"),
            row(external_id="A-2", start=earlier, status="checked out"),
            row(external_id="A-3", start="2026-08-10T09:00", status="done", service="Filling"),
        )

        await bench.run(text)

        visit = await bench.visit("A-1")
        patient = await bench.practice.repositories.patients.get(visit.patient_id)
        assert patient is not None
        assert patient.next_follow_up_date == datetime(2027, 2, 3, 5, 0, tzinfo=UTC)
        assert len(patient.treatment_history) == 3
        assert visit.completed_at == datetime(2026, 8, 3, 13, 30, tzinfo=UTC)

    async def test_that_never_was_booked_is_left_out(self, bench: Bench) -> None:
        text = file_of(row(status="Canceled"), row(external_id="A-2", status="no-show"))

        assert await bench.outcomes(text) == ["skipped:never_booked"] * 2
        assert await bench.practice.every_visit() == []

    async def test_goes_into_a_chair_that_is_free(self, bench: Bench) -> None:
        await bench.practice.repositories.chairs.insert(Chair(name="Room 2"))
        await bench.practice.repositories.providers.insert(Provider(name="Dr. Chen"))
        text = file_of(
            row(),
            row(external_id="A-2", name="Jo Park", email="jo@example.com", provider="Dr Chen"),
        )

        assert await bench.outcomes(text) == ["created", "created"]
        first, second = await bench.visit("A-1"), await bench.visit("A-2")
        assert first.chair_id != second.chair_id


class TestWhoComes:
    async def test_known_by_address_and_name_however_it_is_written(self, bench: Bench) -> None:
        known = await bench.practice.add_patient(name="Dana M. Smith", email="dana@example.com")

        await bench.run(file_of(row(name="SMITH, Dana", email="Dana@Example.com")))

        assert (await bench.visit("A-1")).patient_id == known.id

    async def test_a_family_on_one_address_is_told_apart(self, bench: Bench) -> None:
        mother = await bench.practice.add_patient(name="Ana Lopez", email="fam@example.com")
        text = file_of(
            row(name="Ana Lopez", email="fam@example.com"),
            row(
                external_id="A-2",
                name="Luz Lopez",
                email="fam@example.com",
                start="2026-08-25T09:00",
            ),
        )

        await bench.run(text)

        assert (await bench.visit("A-1")).patient_id == mother.id
        assert (await bench.visit("A-2")).patient_id != mother.id

    async def test_known_by_number_and_name(self, bench: Bench) -> None:
        known = await bench.practice.add_patient(
            name="Dana Smith", email=None, phone="+12125550142"
        )

        await bench.run(file_of(row(name="Dana Smith", email="", phone="212 555 0142")))

        assert (await bench.visit("A-1")).patient_id == known.id

    async def test_of_an_address_and_a_number_that_disagree_the_address_counts(
        self, bench: Bench
    ) -> None:
        on_address = await bench.practice.add_patient(
            name="Maria Lopez", email="maria.lopez@example.com"
        )
        on_number = await bench.practice.add_patient(
            name="Maria Lopez", email="other@example.com", phone="+12125550142"
        )

        await bench.run(
            file_of(
                row(phone="(212) 555-0142"),
                row(external_id="A-2", email="", phone="(212) 555-0142", start="2026-08-25T09:00"),
            )
        )

        visits = [await bench.visit("A-1"), await bench.visit("A-2")]
        assert [one.patient_id for one in visits] == [on_address.id, on_number.id]

    async def test_rows_of_one_file_that_overlap_are_conflicts_of_the_later(
        self, bench: Bench
    ) -> None:
        other = {"name": "Jo Park", "email": "jo@example.com"}
        rows = [
            row(),
            row(external_id="A-2", start="2026-08-24T09:25", **other),
            row(external_id="A-3", start="2026-08-24T09:30", **other),
        ]

        done = await bench.run(file_of(*rows))

        assert [one.outcome for one in await bench.rows(done)] == ["created", "conflict", "created"]
        (conflict,) = await bench.open_conflicts()
        visit = await bench.visit("A-1")
        assert [one.appointment_id for one in conflict.collides_with] == [visit.id]

    async def test_contacts_that_are_none_are_noted_and_the_time_is_held(
        self, bench: Bench
    ) -> None:
        done = await bench.run(file_of(row(email="none", phone="n/a")))

        (result,) = await bench.rows(done)
        assert (result.outcome, result.notes) == ("created", ["email_left_out", "phone_left_out"])
        assert (await bench.visit("A-1")).claims

    async def test_an_id_that_was_given_away_twice_shows_nobody_anothers_visit(
        self, bench: Bench
    ) -> None:
        await bench.run(file_of(row()))

        again = await bench.outcomes(file_of(row(name="Jo Park", email="jo@example.com")))

        assert again == ["refused:other_patient"]


class TestEveryNight:
    async def test_the_same_file_changes_nothing_the_second_and_third_time(
        self, bench: Bench
    ) -> None:
        text = file_of(
            *many(12),
            row(start="2026-08-24T21:00", status="confirmed"),
            row(external_id="A-2", name="Jo Park", start="2026-08-24T21:00"),
            row(external_id="A-3", start="2026-08-01T09:00", status="completed"),
            row(external_id="A-4", start="2026-08-26T21:00", status="cancelled"),
        )
        first = await bench.outcomes(text)
        before = await bench.everything()

        bench.practice.clock.advance(hours=1)
        again = [await bench.run(text) for _ in range(2)]

        assert first == [
            *["created"] * 13,
            "conflict:time_taken",
            "created",
            "skipped:never_booked",
        ]
        assert [one.counts for one in again] == [{"unchanged": 14, "conflict": 1, "skipped": 1}] * 2
        assert await bench.everything() == before
        assert await bench.practice.letters() == []

    async def test_a_visit_that_moved_there_moves_here_in_one_write(self, bench: Bench) -> None:
        await bench.run(file_of(row()))
        before = await bench.visit("A-1")

        moved = await bench.outcomes(file_of(row(start="2026-08-24T09:15")))

        visit = await bench.visit("A-1")
        assert moved == ["updated"]
        assert visit.id == before.id
        assert visit.sequence == before.sequence + 1
        assert set(visit.claims or ()) & set(before.claims or ())
        await bench.practice.book(await bench.practice.add_patient(), "2026-08-24T09:45")
        with pytest.raises(AppError):
            await bench.practice.book(await bench.practice.add_patient(), "2026-08-24T09:30")

    @pytest.mark.parametrize(
        ("before", "after", "purposes"),
        [
            ({}, {"start": "2026-08-24T11:00"}, ["visit_changed"]),
            ({}, {"start": "2026-08-24T11:00", "status": "confirmed"}, ["visit_changed"]),
            ({}, {"status": "confirmed"}, []),
            ({}, {"minutes": "60", "status": "confirmed"}, []),
            ({}, {"status": "cancelled"}, ["visit_cancelled"]),
            ({}, {"start": "2026-08-24T11:00", "status": "cancelled"}, ["visit_cancelled"]),
            ({"status": "cancelled"}, {"start": "2026-08-24T11:00"}, ["visit_booked"]),
            ({"status": "no show"}, {"status": "confirmed"}, ["visit_booked"]),
        ],
        ids=[
            "moved",
            "moved and confirmed",
            "confirmed",
            "longer and confirmed",
            "cancelled",
            "moved and cancelled",
            "back",
            "back and confirmed",
        ],
    )
    async def test_with_notify_each_change_that_matters_makes_its_letter(
        self,
        *,
        bench: Bench,
        before: dict[str, str],
        after: dict[str, str],
        purposes: list[str],
    ) -> None:
        await bench.run(file_of(row()))
        await bench.run(file_of(row(**before)))

        assert await bench.outcomes(file_of(row(**after)), notify=True) == ["updated"]

        assert [key.split(":")[2] for key in await bench.practice.letters()] == purposes

    @pytest.mark.parametrize("start", ["2026-08-24T09:00", "2026-08-24T11:00"])
    async def test_a_confirmation_reaches_the_campaign_whether_the_visit_moved_or_not(
        self, bench: Bench, start: str
    ) -> None:
        patient = await bench.practice.add_patient(
            name="Maria Lopez", email="maria.lopez@example.com"
        )
        campaign = await bench.practice.add_campaign(
            patient, status=CampaignStatus.ATTEMPTING_RECOVERY
        )
        await bench.run(file_of(row()))

        await bench.run(file_of(row(start=start, status="confirmed")))

        stored = await bench.practice.campaign(campaign)
        assert stored.status == CampaignStatus.BOOKING_COMPLETED

    async def test_one_that_comes_in_confirmed_leads_its_campaign_all_the_way(
        self, bench: Bench
    ) -> None:
        patient = await bench.practice.add_patient(
            name="Maria Lopez", email="maria.lopez@example.com"
        )
        campaign = await bench.practice.add_campaign(
            patient, status=CampaignStatus.ATTEMPTING_RECOVERY
        )

        await bench.run(file_of(row(status="confirmed")))

        stored = await bench.practice.campaign(campaign)
        assert stored.status == CampaignStatus.BOOKING_COMPLETED

    async def test_a_visit_cancelled_there_frees_its_time(self, bench: Bench) -> None:
        await bench.run(file_of(row()))

        assert await bench.outcomes(file_of(row(status="cancelled"))) == ["updated"]

        assert (await bench.visit("A-1")).status == A.CANCELLED
        await bench.practice.book(await bench.practice.add_patient(), "2026-08-24T09:00")

    async def test_one_that_comes_back_takes_its_time_again(self, bench: Bench) -> None:
        await bench.run(file_of(row()))
        await bench.run(file_of(row(status="cancelled")))

        assert await bench.outcomes(file_of(row())) == ["updated"]

        visit = await bench.visit("A-1")
        assert (visit.status, len(visit.claims or ())) == (A.BOOKED, 18)

    async def test_completion_reaches_campaign_and_recall(self, bench: Bench) -> None:
        patient = await bench.practice.add_patient(
            name="Maria Lopez", email="maria.lopez@example.com"
        )
        campaign = await bench.practice.add_campaign(
            patient, status=CampaignStatus.ATTEMPTING_RECOVERY
        )
        await bench.run(file_of(row()))
        bench.practice.clock.set(datetime(2026, 8, 24, 22, 0, tzinfo=UTC))

        await bench.run(file_of(row(status="completed")))

        stored = await bench.practice.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.next_follow_up_date == datetime(2027, 2, 24, 5, 0, tzinfo=UTC)
        assert (await bench.practice.campaign(campaign)).status == CampaignStatus.RECOVERED

    async def test_a_confirmation_that_only_we_heard_of_stays(self, bench: Bench) -> None:
        await bench.run(file_of(row()))
        await bench.practice.appointments.confirm((await bench.visit("A-1")).id, by="patient")

        assert await bench.outcomes(file_of(row())) == ["unchanged"]
        assert (await bench.visit("A-1")).status == A.CONFIRMED

    async def test_a_visit_the_patient_cancelled_here_is_not_booked_again(
        self, bench: Bench
    ) -> None:
        await bench.run(file_of(row()))
        await bench.practice.appointments.cancel((await bench.visit("A-1")).id, by="patient")

        assert await bench.outcomes(file_of(row())) == ["skipped:changed_here"]
        assert (await bench.visit("A-1")).status == A.CANCELLED

    async def test_a_visit_moved_here_stays_until_the_file_says_something_new(
        self, bench: Bench
    ) -> None:
        await bench.run(file_of(row()))
        change = VisitChange(starts_at=moment("2026-08-25T10:00"))
        visit = await bench.visit("A-1")
        await bench.practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        same = await bench.outcomes(file_of(row()))
        new = await bench.outcomes(file_of(row(start="2026-08-26T10:00")))

        assert (same, new) == (["skipped:changed_here"], ["updated"])
        moved = await bench.visit("A-1")
        assert moved.appointment_date == datetime(2026, 8, 26, 14, 0, tzinfo=UTC)

    async def test_an_unknown_treatment_can_be_moved_by_staff(self, bench: Bench) -> None:
        await bench.run(file_of(row(service="Bone graft")))
        visit = await bench.visit("A-1")

        change = VisitChange(starts_at=moment("2026-08-25T10:00"))
        moved = await bench.practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        assert moved.appointment_date == datetime(2026, 8, 25, 14, 0, tzinfo=UTC)


class TestMissing:
    async def test_is_listed_and_left_as_it_is(self, bench: Bench) -> None:
        two = (row(), row(external_id="A-2", start="2026-08-24T10:00"))
        three = row(external_id="A-3", start="2026-08-24T11:00")
        await bench.run(file_of(*two, three))

        done = await bench.run(file_of(two[0], three))

        assert done.counts == {"unchanged": 2, "missing": 1}
        (missing,) = (one for one in await bench.rows(done) if one.outcome == "missing")
        assert (missing.external_id, missing.reason) == ("A-2", "kept")
        assert (await bench.visit("A-2")).status == A.BOOKED

    async def test_is_cancelled_where_asked_for_without_a_letter(self, bench: Bench) -> None:
        two = (row(), row(external_id="A-2", start="2026-08-24T10:00"))
        three = row(external_id="A-3", start="2026-08-24T11:00")
        await bench.run(file_of(*two, three))

        dry = await bench.run(file_of(two[0], three), missing="cancel", dry_run=True)
        before = (await bench.visit("A-2")).status
        await bench.run(file_of(two[0], three), missing="cancel")

        assert (dry.counts["missing"], before) == (1, A.BOOKED)
        visit = await bench.visit("A-2")
        assert (visit.status, visit.claims) == (A.CANCELLED, None)
        assert await bench.practice.letters() == []

    async def test_hundreds_are_listed_and_cancelled_too(self, bench: Bench) -> None:
        rows = many(250)
        await bench.run(file_of(*rows))

        done = await bench.run(file_of(rows[0], *rows[124:], rows[-1]), missing="cancel")

        assert done.counts["missing"] == 123
        statuses = [one.status for one in await bench.practice.every_visit()]
        assert statuses.count(A.CANCELLED) == 123
        listed = [one.number for one in await bench.rows(done) if one.outcome == "missing"]
        assert len(listed) == len(set(listed)) == 123

    async def test_one_that_the_patient_changes_meanwhile_is_left_to_the_next_file(
        self, bench: Bench
    ) -> None:
        two = (row(), row(external_id="A-2", start="2026-08-24T10:00"))
        three = row(external_id="A-3", start="2026-08-24T11:00")
        await bench.run(file_of(*two, three))
        sent = await bench.send(file_of(two[0], three), missing="cancel")
        await bench.processor.work_off()
        cancelled = await become(bench.practice, await bench.visit("A-2"), A.CANCELLED)

        while await bench.processor.work_off():
            pass

        assert (await bench.visit("A-2")).sequence == cancelled.sequence
        done = await bench.practice.repositories.imports.get(sent.id)
        assert done is not None
        assert done.counts == {"unchanged": 2}

    async def test_a_file_cut_short_cancels_nothing(self, bench: Bench) -> None:
        rows = many(30)
        await bench.run(file_of(*rows))

        done = await bench.run(file_of(rows[0], rows[-1]), missing="cancel")

        reasons = {one.reason for one in await bench.rows(done) if one.outcome == "missing"}
        assert reasons == {"too_many_missing"}
        assert {one.status for one in await bench.practice.every_visit()} == {A.BOOKED}

    async def test_a_file_whose_last_row_is_cut_cancels_nothing(self, bench: Bench) -> None:
        """Rows in another order than their times: what is missing lies among what is there."""
        rows = [row(), row(external_id="A-2", start="2026-08-24T10:00")]
        last = row(external_id="A-3", start="2026-08-24T11:00")
        await bench.run(file_of(rows[0], last, rows[1]))
        cut = file_of(rows[0], last, rows[1]).rpartition("2,")[0]

        done = await bench.run(cut.partition("A-2")[0] + "A-", missing="cancel")

        reasons = {one.reason for one in await bench.rows(done) if one.outcome == "missing"}
        assert reasons == {"file_cut_off"}
        assert {one.status for one in await bench.practice.every_visit()} == {A.BOOKED}

    async def test_other_providers_and_other_days_are_not_missed(self, bench: Bench) -> None:
        await bench.practice.repositories.providers.insert(Provider(name="Dr. Chen"))
        text = file_of(
            row(),
            row(external_id="A-2", start="2026-08-24T11:00", provider="Dr. Chen"),
            row(external_id="A-3", start="2026-08-26T09:00"),
            row(external_id="A-4", start="2026-08-25T09:00"),
        )
        await bench.run(text)

        later = row(external_id="A-4", start="2026-08-25T09:00")
        done = await bench.run(file_of(row(), later), missing="cancel")

        assert done.counts == {"unchanged": 2}

    async def test_one_that_was_moved_here_is_missed_where_the_files_had_it(
        self, bench: Bench
    ) -> None:
        """Moved into the span of a file that never had it, it is none that the file could name."""
        first, last = row(), row(external_id="A-2", start="2026-08-24T16:00")
        moved_in = row(external_id="A-3", start="2026-08-26T09:00")
        moved_out = row(external_id="A-4", start="2026-08-24T11:00")
        await bench.run(file_of(first, last, moved_in, moved_out))
        for external_id, start in (("A-3", "2026-08-24T14:00"), ("A-4", "2026-08-27T09:00")):
            change = VisitChange(starts_at=moment(start))
            visit = await bench.visit(external_id)
            await bench.practice.appointments.change(visit.id, change, by="patient", staff=False)

        done = await bench.run(file_of(first, last), missing="cancel")

        assert done.counts == {"unchanged": 2, "missing": 1}
        assert (await bench.visit("A-3")).status == A.BOOKED
        assert (await bench.visit("A-4")).status == A.CANCELLED


class TestDryRun:
    async def test_writes_nothing_and_tells_what_the_run_then_does(self, bench: Bench) -> None:
        await bench.run(file_of(row(), row(external_id="A-2", start="2026-08-24T10:00")))
        await bench.practice.book(await bench.practice.add_patient(), "2026-08-25T09:00")
        text = file_of(
            row(start="2026-08-24T09:30"),
            row(external_id="A-2", start="2026-08-24T10:00", status="cancelled"),
            row(
                external_id="A-3", name="Jo Park", email="jo@example.com", start="2026-08-25T09:15"
            ),
            row(external_id="A-4", name="Al Ray", email="al@example.com", start="2026-08-26T09:00"),
            row(external_id="A-5", name="Bo Ray", email="bo@example.com", start="2026-08-26T09:15"),
            row(external_id="A-6", provider="Dr. Nobody"),
        )
        before = await bench.everything()

        told = await bench.outcomes(text, dry_run=True)
        after = await bench.everything()
        done = await bench.outcomes(text)

        assert after == before
        assert told == done
        assert told == [
            "updated",
            "updated",
            "conflict:time_taken",
            "created",
            "conflict:time_taken",
            "refused:unknown_provider",
        ]

    async def test_sees_collisions_of_rows_that_lie_far_apart(self, bench: Bench) -> None:
        rows = many(150)
        clash = row(external_id="Z", name="Jo Park", email="jo@example.com", minutes="10")
        told = await bench.outcomes(
            file_of(*rows, {**clash, "start": rows[0]["start"]}), dry_run=True
        )

        assert told == [*["created"] * 150, "conflict:time_taken"]


class TestRows:
    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"external_id": ""}, "external_id"),
            ({"external_id": "x" * 101}, "external_id"),
            ({"name": ""}, "invalid_name"),
            ({"name": '=HYPERLINK("http://evil")'}, "name_is_formula"),
            ({"name": "Bad\u202eName"}, "invalid_name"),
            ({"name": "Nul\x00l"}, "control_characters"),
            ({"provider": "Dr. Who"}, "unknown_provider"),
            ({"provider": ""}, "unknown_provider"),
            ({"chair": "Room 9"}, "unknown_chair"),
            ({"start": "2026-08-24"}, "invalid_start"),
            ({"start": "24/08/2026 09:00"}, "invalid_start"),
            ({"start": "2026-11-01T01:30"}, "local_time_ambiguous"),
            ({"start": "2027-03-14T02:30"}, "local_time_nonexistent"),
            ({"start": "9999-12-31T23:59-12:00"}, "time_out_of_range"),
            ({"start": "2050-01-01T09:00"}, "start_too_far"),
            ({"minutes": "0"}, "invalid_minutes"),
            ({"minutes": "481"}, "invalid_minutes"),
            ({"minutes": "half an hour"}, "invalid_minutes"),
            ({"status": "who knows"}, "unknown_status"),
            ({"service": "x" * 1001}, "cell_too_long"),
        ],
    )
    async def test_that_cannot_be_taken_say_why_and_stop_no_other(
        self, bench: Bench, given: dict[str, str], reason: str
    ) -> None:
        good = row(external_id="A-2", name="Jo Park", start="2026-08-25T09:00")

        done = await bench.run(file_of(row(**given), good))

        first, second = await bench.rows(done)
        assert (first.outcome, first.reason) == ("refused", reason)
        assert first.detail
        assert second.outcome == "created"
        assert len(await bench.practice.every_visit()) == 1

    async def test_an_offset_settles_the_hour_that_comes_twice(self, bench: Bench) -> None:
        assert await bench.outcomes(file_of(row(start="2026-11-01T01:30-05:00"))) == ["created"]

    async def test_the_first_of_two_with_one_id_counts(self, bench: Bench) -> None:
        text = file_of(row(), row(start="2026-08-25T09:00"))

        assert await bench.outcomes(text) == ["created", "refused:repeated_external_id"]
        assert (await bench.visit("A-1")).appointment_date == MONDAY_NINE

    async def test_unknown_providers_and_chairs_are_made_where_asked_for(
        self, bench: Bench
    ) -> None:
        text = file_of(row(provider="Dr. New", chair="Op 7"))

        dry = await bench.outcomes(text, create_missing=True, dry_run=True)
        untouched = await bench.practice.repositories.providers.every()
        outcomes = [await bench.outcomes(text, create_missing=True) for _ in range(2)]

        assert (dry, outcomes) == (["created"], [["created"], ["unchanged"]])
        assert len(untouched) == 1
        providers = await bench.practice.repositories.providers.every()
        assert sorted(one.name for one in providers) == ["Dr. New", "Dr. Rivera"]


class TestTwoAtOnce:
    async def test_the_same_file_twice_makes_each_visit_once(self, bench: Bench) -> None:
        text = file_of(*many(40))
        await asyncio.gather(bench.send(text), bench.send(text))

        async def worker() -> None:
            while await bench.processor.work_off():
                pass

        await asyncio.gather(*(worker() for _ in range(4)))

        visits = await bench.practice.every_visit()
        assert len(visits) == 40
        assert await bench.practice.repositories.patients._collection.count_documents({}) == 40
        assert overlaps(visits) == []

    async def test_a_storm_of_bookings_meanwhile_never_makes_two_visits(self, bench: Bench) -> None:
        clinic = bench.practice
        hours = [f"2026-08-24T{hour:02d}:{half}" for hour in (9, 10, 11) for half in ("00", "30")]
        rows = [
            row(external_id=f"S-{n}", name=f"Storm Number{n}", email=f"s{n}@example.com", start=at)
            for n, at in enumerate(hours)
        ]
        await bench.send(file_of(*rows))
        people = [await clinic.add_patient() for _ in hours]

        async def book(number: int) -> bool:
            try:
                await clinic.book(people[number], hours[number])
            except AppError:
                return False
            return True

        results = await asyncio.gather(
            bench.processor.work_off(), *(book(number) for number in range(len(hours)))
        )
        while await bench.processor.work_off():
            pass

        visits = await clinic.every_visit()
        assert overlaps(visits) == []
        assert len(visits) == len(hours)
        assert len(await bench.open_conflicts()) == sum(
            1 for booked in results[1:] if booked is True
        )
