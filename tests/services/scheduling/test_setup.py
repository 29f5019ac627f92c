"""The practice's set-up in memory: never older than the last change, whoever made it."""

import asyncio

import pytest

from app.core.config import Settings
from app.db.database import Database
from app.db.repositories import Repositories
from app.models.schedule import Chair, Provider, Service
from app.services.clinic import ClinicService
from app.services.scheduling.setup import Setup, SetupReader
from tests.fakes import FrozenClock

SERVICE = {"service_id": "check_up", "name": "Check-up", "duration_minutes": 30}


@pytest.fixture
def reader(repositories: Repositories, settings: Settings) -> SetupReader:
    """One process."""
    return SetupReader(repositories, ClinicService(repositories, settings))


def another_process(database: Database, settings: Settings, clock: FrozenClock) -> SetupReader:
    """With repositories and a memory of its own."""
    repositories = Repositories.over(database, clock)
    return SetupReader(repositories, ClinicService(repositories, settings))


def names(setup: Setup) -> list[str]:
    return [one.name for one in setup.providers]


class TestCurrent:
    async def test_an_empty_database_gets_the_clinic_of_the_settings(
        self, reader: SetupReader, settings: Settings
    ) -> None:
        setup = await reader.current()

        assert setup.clinic.name == settings.clinic_name
        assert (setup.providers, setup.chairs, setup.services, setup.time_off) == ([], [], [], [])

    async def test_reads_the_lists_again_only_when_they_changed(
        self, reader: SetupReader, repositories: Repositories
    ) -> None:
        await repositories.providers.insert(Provider(name="Dr. Grey"))
        first, second = await reader.current(), await reader.current()
        assert first.providers is second.providers

        await repositories.chairs.insert(Chair(name="Room 1"))
        third = await reader.current()
        assert third.providers is not second.providers
        assert [chair.name for chair in third.chairs] == ["Room 1"]

    async def test_sees_every_kind_of_change_by_another_process_at_once(
        self,
        reader: SetupReader,
        database: Database,
        settings: Settings,
        clock: FrozenClock,
        repositories: Repositories,
    ) -> None:
        other = another_process(database, settings, clock)
        assert names(await other.current()) == []
        grey = await repositories.providers.insert(Provider(name="Dr. Grey"))
        assert names(await other.current()) == ["Dr. Grey"]
        await repositories.providers.update_fields(grey.id, {"name": "Dr. Green"})
        assert names(await other.current()) == ["Dr. Green"]
        await repositories.providers.delete(grey.id)
        assert names(await other.current()) == []

    async def test_the_clinics_own_fields_are_always_fresh(
        self, reader: SetupReader, repositories: Repositories, settings: Settings
    ) -> None:
        await reader.current()
        await ClinicService(repositories, settings).update({"booking_lead_minutes": 45})

        assert (await reader.current()).clinic.booking_lead_minutes == 45

    async def test_trusts_nothing_in_memory_while_a_change_is_under_way(
        self, reader: SetupReader, repositories: Repositories, database: Database
    ) -> None:
        """A process that died between the two notes of its change leaves it under way."""
        await repositories.providers.insert(Provider(name="Dr. Grey"))
        kept = await reader.current()
        await _note_under_way(repositories, database)
        await database.collection("providers").update_one({}, {"$set": {"name": "Dr. Green"}})

        assert names(kept) == ["Dr. Grey"]
        assert names(await reader.current()) == ["Dr. Green"]

    async def test_a_change_that_a_crash_cut_short_is_counted_after_a_minute(
        self,
        reader: SetupReader,
        repositories: Repositories,
        database: Database,
        clock: FrozenClock,
    ) -> None:
        await repositories.providers.insert(Provider(name="Dr. Grey"))
        await _note_under_way(repositories, database)
        _, before = await repositories.clinic.with_setup()
        await reader.current()
        _, still = await repositories.clinic.with_setup()
        assert still == before
        clock.advance(minutes=2)
        await reader.current()
        _, after = await repositories.clinic.with_setup()

        assert (list(after.changing), after.version) == ([], before.version + 1)
        assert (await reader.current()).providers is (await reader.current()).providers

    async def test_a_change_that_fails_is_counted_too(self, repositories: Repositories) -> None:
        await repositories.services.insert(Service.model_validate(SERVICE))
        _, before = await repositories.clinic.with_setup()
        with pytest.raises(Exception, match="service_id"):
            await repositories.services.insert(Service.model_validate(SERVICE))
        _, after = await repositories.clinic.with_setup()

        assert (after.changing, after.version) == ({}, before.version + 1)

    async def test_first_changes_at_once_are_all_counted(self, repositories: Repositories) -> None:
        chairs = [Chair(name=f"Room {number}") for number in range(12)]
        await asyncio.gather(*(repositories.chairs.insert(chair) for chair in chairs))
        _, setup = await repositories.clinic.with_setup()

        assert (setup.changing, setup.version) == ({}, len(chairs))


async def _note_under_way(repositories: Repositories, database: Database) -> None:
    now = (await repositories.providers.every())[0].created_at
    await database.collection("clinic").update_one(
        {"key": "setup"}, {"$set": {"changing.0123456789abcdef01234567": now}}
    )
