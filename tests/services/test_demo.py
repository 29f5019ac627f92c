"""The demo clinic: loaded once, into an empty database, whatever is cut short."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.config import Settings
from app.db.database import Database
from app.db.repositories import Repositories
from app.db.repositories.schedule import SETUP_KEY
from app.models.appointment import Appointment, AppointmentStatus
from app.models.patient import PatientType
from app.models.schedule import Chair
from app.services.bootstrap import Bootstrap
from app.services.container import Services
from app.services.demo.loader import DemoLoader
from app.services.demo.people import PEOPLE, Standing
from app.services.scheduling.booking import BookingService, StaffBooking
from tests.factories import make_patient, make_settings
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

LOADED = {
    "patients": 60,
    "providers": 3,
    "chairs": 3,
    "services": 8,
    "knowledge": 15,
    "appointments": 3,
    "interactions": 3,
    "clinic": 1,
}
INSERTS = 1 + 8 + 3 + 3 + 15 + 60 + 1
"""What one load stores itself, the two marks included."""


class CrashError(Exception):
    """The process ends here."""


class Crash:
    """Strikes when so many documents were stored."""

    def __init__(self, after: int) -> None:
        self.left = after

    def into(self, repository: Any, database: Database, clock: FrozenClock) -> Any:
        """The same repository, in a process that will crash."""
        crash = self

        class Crashing(type(repository)):  # type: ignore[misc] # a class that is only known here
            async def insert(self, document: Any) -> Any:
                if crash.left == 0:
                    raise CrashError
                crash.left -= 1
                return await super().insert(document)

        return Crashing(database, clock)


class CannotBook(BookingService):
    """A booking service in a process that ends before it books."""

    def __init__(self) -> None: ...

    async def staff_book(
        self,
        request: StaffBooking,
        *,
        by: str,
        idempotency_key: str | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Appointment:
        """See `BookingService`."""
        raise CrashError


def make_loader(services: Services, **parts: Any) -> DemoLoader:
    """A loader as each process has one."""
    given: dict[str, Any] = {
        "repositories": services.repositories,
        "clinic": services.base.clinic,
        "directory": services.scheduling.directory,
        "availability": services.scheduling.availability,
        "booking": services.scheduling.booking,
        "clock": services.clock,
    }
    return DemoLoader(**(given | parts))


def make_bootstrap(services: Services, settings: Settings) -> Bootstrap:
    """The start of a process."""
    return Bootstrap(
        settings=settings,
        repositories=services.repositories,
        security=services.security,
        demo=make_loader(services),
        leases=services.base.leases,
    )


async def counts(database: Database) -> dict[str, int]:
    """How many documents there are, by collection; the log of changes is not part of a clinic."""
    loaded = {"clinic": {"key": {"$ne": SETUP_KEY}}}
    return {
        name: await database.collection(name).count_documents(loaded.get(name, {}))
        for name in LOADED
    }


class TestLoad:
    async def test_makes_a_practice_to_try(
        self, services: Services, repositories: Repositories, database: Database
    ) -> None:
        assert await make_loader(services).load()

        assert await counts(database) == LOADED
        providers = await repositories.providers.every()
        assert len({str(provider.working_hours) for provider in providers}) == 3
        offered = {service.service_id for service in await repositories.services.every()}
        assert offered == {one for provider in providers for one in provider.service_ids}

    async def test_leaves_the_sweep_plenty_to_do_and_some_to_leave_alone(
        self, services: Services
    ) -> None:
        await make_loader(services).load()

        sweep = await services.outreach.sweeps.run_now(None, dry_run=True)

        assert sweep.counts.recovery_created > 0
        assert sweep.counts.recall_created > 10
        assert set(sweep.counts.skipped) >= {"opted_out", "visit_booked", "no_address"}

    async def test_books_those_who_are_booked(
        self, services: Services, repositories: Repositories, clock: FrozenClock
    ) -> None:
        await make_loader(services).load()

        booked = [person for person in PEOPLE if person.standing is Standing.BOOKED]
        for person in booked:
            address = f"{person.name.lower().replace(' ', '.')}@example.com"
            (patient,) = await repositories.patients.with_email(address)
            (visit,) = await repositories.appointments.all_for_patient(patient.id)
            assert visit.status is AppointmentStatus.BOOKED
            assert visit.claims
            assert visit.appointment_date > clock.now() + timedelta(days=3)
        assert len(booked) == LOADED["appointments"]

    async def test_twice_changes_nothing(
        self, services: Services, database: Database, clock: FrozenClock
    ) -> None:
        await make_loader(services).load()
        clock.advance(days=30)

        assert not await make_loader(services).load()
        assert await counts(database) == LOADED

    @pytest.mark.parametrize("after", [0, 1, 4, 10, 14, 20, 35, 42, 77, 83, 89, INSERTS - 1])
    async def test_a_load_that_was_cut_short_is_finished_by_the_next(
        self, services: Services, database: Database, clock: FrozenClock, after: int
    ) -> None:
        crash, repositories = Crash(after), services.repositories
        names = ("patients", "providers", "chairs", "services", "knowledge", "audit")
        doomed = {name: crash.into(getattr(repositories, name), database, clock) for name in names}
        with pytest.raises(CrashError):
            await make_loader(services, repositories=replace(repositories, **doomed)).load()
        clock.advance(minutes=10)

        assert await make_loader(services).load()

        assert await counts(database) == LOADED
        assert await make_loader(services).is_loaded()

    async def test_a_patient_stored_without_their_visit_gets_it_from_the_next(
        self, services: Services, database: Database
    ) -> None:
        with pytest.raises(CrashError):
            await make_loader(services, booking=CannotBook()).load()

        await make_loader(services).load()

        assert await counts(database) == LOADED

    async def test_two_at_once_store_nothing_twice(
        self, services: Services, database: Database
    ) -> None:
        await asyncio.gather(make_loader(services).load(), make_loader(services).load())

        assert await counts(database) == LOADED

    @pytest.mark.parametrize("there", ["patient", "chair"])
    async def test_leaves_a_practice_alone_that_holds_anything(
        self, services: Services, repositories: Repositories, database: Database, there: str
    ) -> None:
        if there == "patient":
            await repositories.patients.insert(make_patient(patient_type=PatientType.EXISTING))
        else:
            await repositories.chairs.insert(Chair(name="1"))
        before = await counts(database)

        assert not await make_loader(services).load()

        assert await counts(database) == before
        assert not await make_loader(services).is_loaded()


class TestBootstrap:
    async def test_two_processes_at_once_load_once_and_make_one_administrator(
        self, services: Services, repositories: Repositories, database: Database
    ) -> None:
        await database.collection("role").delete_many({})
        settings = make_settings(demo_data=True)

        told = await asyncio.gather(*(make_bootstrap(services, settings).run() for _ in range(2)))

        assert await counts(database) == LOADED
        assert (await repositories.staff.page(page=1, limit=10)).total_items == 1
        notices = [notice for notices in told for notice in notices]
        assert sum("demo" in notice for notice in notices) == 1
        assert sum("shown only now" in notice for notice in notices) == 1

    async def test_a_second_start_says_and_does_nothing(
        self, services: Services, database: Database
    ) -> None:
        settings = make_settings(demo_data=True)
        await make_bootstrap(services, settings).run()

        assert await make_bootstrap(services, settings).run() == []
        assert await counts(database) == LOADED

    async def test_loads_no_demo_where_none_is_wanted(
        self, services: Services, database: Database
    ) -> None:
        await make_bootstrap(services, make_settings(demo_data=False)).run()

        assert set((await counts(database)).values()) <= {0, 1}

    async def test_takes_the_administrator_it_is_told(
        self, services: Services, repositories: Repositories, database: Database
    ) -> None:
        await database.collection("role").delete_many({})
        settings = make_settings(
            first_admin_email="Boss@example.com", first_admin_password="a long enough one"
        )

        notices = await make_bootstrap(services, settings).run()

        assert notices == ["Created the first administrator, Boss@example.com."]
        boss = await services.security.login("boss@example.com", "a long enough one")
        assert boss.role == "ADMIN"
