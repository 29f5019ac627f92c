"""Repositories without a server: what they ask for, and what they make of the answer."""

from datetime import datetime, timedelta

import pytest

from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.campaigns import CampaignFilter
from app.db.repositories.patients import PatientFilter
from app.models.base import new_id
from app.models.campaign import CampaignStatus, CampaignType
from app.models.interaction import Delivery, Direction, Interaction, MessageClass
from app.models.patient import PatientStatus, PatientType
from app.models.records import Suppression, SuppressionReason, Sweep, SweepStatus
from tests.db.memory import MemoryDatabase
from tests.factories import make_campaign, make_patient, make_staff
from tests.fakes import FrozenClock


@pytest.fixture
def repositories(clock: FrozenClock) -> Repositories:
    return Repositories.over(MemoryDatabase(), clock)


class TestDocuments:
    async def test_what_goes_in_comes_out(self, repositories: Repositories) -> None:
        patient = await repositories.patients.insert(make_patient(estimated_value=12.5))

        assert await repositories.patients.get(patient.id) == patient

    async def test_an_insert_is_stamped_with_the_clock(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        patient = await repositories.patients.insert(make_patient())

        assert patient.created_at == patient.updated_at == clock.now()

    async def test_an_update_changes_the_named_fields_and_the_stamp_alone(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        clock.advance(minutes=5)

        await repositories.patients.update_fields(
            patient.id, {"language": "es"}, unset=["initial_inquiry"]
        )

        after = await repositories.patients.get(patient.id)
        assert after == patient.model_copy(
            update={"language": "es", "initial_inquiry": None, "updated_at": clock.now()}
        )

    async def test_an_unknown_field_of_a_newer_version_is_read_over(
        self, repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        await repositories.patients.update_fields(patient.id, {"from_the_future": 1})

        assert await repositories.patients.get(patient.id) is not None

    async def test_many_are_read_by_id_in_one_go(self, repositories: Repositories) -> None:
        first = await repositories.patients.insert(make_patient())
        second = await repositories.patients.insert(make_patient())

        found = await repositories.patients.get_many([first.id, second.id, first.id, new_id()])

        assert set(found) == {first.id, second.id}

    async def test_the_same_id_twice_is_named_as_such(self, repositories: Repositories) -> None:
        patient = await repositories.patients.insert(make_patient())

        with pytest.raises(DuplicateValueError):
            await repositories.patients.insert(patient)

    async def test_a_deleted_one_is_gone(self, repositories: Repositories) -> None:
        member = await repositories.staff.insert(make_staff())

        assert await repositories.staff.delete(member.id)
        assert not await repositories.staff.delete(member.id)
        assert await repositories.staff.is_empty()


class TestPages:
    async def test_patients_stand_in_the_order_of_their_names(
        self, repositories: Repositories
    ) -> None:
        for name in ("Zoe", "Ádám", "Bea"):
            await repositories.patients.insert(make_patient(name=name))

        first = await repositories.patients.page(PatientFilter(), page=1, limit=2)
        second = await repositories.patients.page(PatientFilter(), page=2, limit=2)

        assert [p.name for p in first.items + second.items] == ["Ádám", "Bea", "Zoe"]
        assert first.total_items == second.total_items == 3

    @pytest.mark.parametrize("q", ["adam", "ÁDÁM", "adam.k@", "+1212555"])
    async def test_the_beginning_of_name_address_or_phone_finds(
        self, repositories: Repositories, q: str
    ) -> None:
        wanted = make_patient(name="Ádám Kiss", email="adam.k@example.com", phone="+12125550142")
        await repositories.patients.insert(wanted)
        await repositories.patients.insert(make_patient(name="Bea"))

        found = await repositories.patients.page(PatientFilter(q=q), page=1, limit=20)

        assert [p.id for p in found.items] == [wanted.id]

    async def test_a_search_goes_by_beginnings_alone_and_follows_every_change(
        self, repositories: Repositories
    ) -> None:
        patients = repositories.patients
        maria = await patients.insert(
            make_patient(name="Maria Lopez", email="m.lopez@example.com", phone="+12125550142")
        )

        async def finds(q: str) -> bool:
            return bool((await patients.page(PatientFilter(q=q), page=1, limit=20)).items)

        for q in ("lop", "maria l", "m.lop", "m.lopez@ex", "212-555", "0142", "+1 212"):
            assert await finds(q), q
        for q in ("opez", "n", "maria z", "mlopez@", "+212", "99"):  # "n" lies between two keys
            assert not await finds(q), q
        changed = {"name": "Ann Ruiz", "name_key": "ann ruiz"}
        await patients.change(maria.id, changed, unset=["phone"])
        assert [q for q in ("ruiz", "lopez", "0142", "m.lopez") if await finds(q)] == [
            "ruiz",
            "m.lopez",
        ]

    async def test_whoever_was_stored_before_there_were_keys_is_found(
        self, repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(make_patient(name="Maria Lopez"))
        await repositories.patients.update_fields(patient.id, {}, unset=["search_keys"])

        assert await repositories.patients.complete_search_keys() == 1

        assert await repositories.patients.complete_search_keys() == 0
        found = await repositories.patients.page(PatientFilter(q="lopez"), page=1, limit=20)
        assert [one.id for one in found.items] == [patient.id]

    @pytest.mark.parametrize("q", [".*", "^", "a.am", "$where", "(", "\\"])
    async def test_a_pattern_is_only_text(self, repositories: Repositories, q: str) -> None:
        await repositories.patients.insert(make_patient(name="Adam"))

        found = await repositories.patients.page(PatientFilter(q=q), page=1, limit=20)

        assert found.items == []

    async def test_filters_narrow_together(self, repositories: Repositories) -> None:
        wanted = make_patient(patient_type=PatientType.EXISTING, status=PatientStatus.INACTIVE)
        await repositories.patients.insert(wanted)
        await repositories.patients.insert(make_patient(patient_type=PatientType.EXISTING))

        found = await repositories.patients.page(
            PatientFilter(patient_type=PatientType.EXISTING, status=PatientStatus.INACTIVE),
            page=1,
            limit=20,
        )

        assert [p.id for p in found.items] == [wanted.id]


class TestCampaigns:
    async def test_a_list_takes_several_statuses(self, repositories: Repositories) -> None:
        for status in (
            CampaignStatus.RE_ENGAGED,
            CampaignStatus.RECOVERED,
            CampaignStatus.RECOVERED,
        ):
            await repositories.campaigns.insert(make_campaign(status=status))

        wanted = CampaignFilter(statuses=[CampaignStatus.RECOVERED])
        found = await repositories.campaigns.page(wanted, newest_first=True, page=1, limit=9)

        assert found.total_items == 2

    async def test_those_that_ended_are_counted_by_how(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        now = clock.now()
        for status, days in ((CampaignStatus.RECOVERED, 1), (CampaignStatus.RECOVERY_FAILED, 200)):
            ended = now - timedelta(days=days)
            await repositories.campaigns.insert(make_campaign(status=status, ended_at=ended))

        counted = await repositories.campaigns.count_ended(
            CampaignType.RECOVERY, now - timedelta(days=90), now
        )

        assert counted == {CampaignStatus.RECOVERED: 1}


class TestSuppressions:
    async def test_those_among_many_addresses(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        stop = Suppression(
            address="a@example.com", reason=SuppressionReason.OPT_OUT, at=clock.now(), source="test"
        )
        await repositories.suppressions.add(stop)

        found = await repositories.suppressions.among(["a@example.com", "b@example.com"])

        assert set(found) == {"a@example.com"}


class TestSweeps:
    async def test_a_dry_run_is_not_the_latest(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        for name, dry_run in (("real", False), ("dry", True)):
            sweep = Sweep(
                id=name, trigger="manual", dry_run=dry_run, started_at=clock.now(), started_by="x"
            )
            await repositories.sweeps.start(sweep)
            clock.advance(minutes=1)

        latest = await repositories.sweeps.latest()

        assert latest is not None
        assert (latest.id, latest.status) == ("real", SweepStatus.RUNNING)


class TestQueues:
    async def test_a_message_of_a_newer_version_does_not_stop_the_outbox(
        self, repositories: Repositories, clock: FrozenClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        messages = [make_outgoing(not_before=clock.now()) for _ in range(3)]
        for message in messages:
            await repositories.interactions.insert(message)
        await repositories.interactions.update_fields(
            messages[0].id, {"delivery.message_class": "carrier_pigeon"}
        )

        due = await repositories.outbox.due(clock.now(), limit=2)

        assert {message.id for message in due} == {messages[1].id, messages[2].id}
        assert "unreadable document passed over" in caplog.text


def make_outgoing(not_before: datetime) -> Interaction:
    return Interaction(
        direction=Direction.OUTGOING,
        content="Hello.",
        timestamp=not_before,
        delivery=Delivery(message_class=MessageClass.OUTREACH, not_before=not_before),
    )
