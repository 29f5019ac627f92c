"""Many documents in one trip, each standing or falling for itself."""

from datetime import UTC, datetime

import pytest

from app.db.indexes import APPOINTMENT_CLAIMS, APPOINTMENT_EXTERNAL_ID, PATIENT_EMAIL_NAME
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from tests.factories import make_appointment, make_patient

pytestmark = pytest.mark.mongo


def visit(**given: object) -> Appointment:
    return make_appointment(appointment_date=datetime(2026, 8, 24, 13, tzinfo=UTC), **given)


class TestInsertEach:
    async def test_names_by_id_the_index_that_refused_and_stores_the_others(
        self, repositories: Repositories
    ) -> None:
        visits = repositories.appointments
        there = await visits.insert(visit(external_id="A-1", claims=["p:1@1"]))
        taken = visit(external_id="A-2", claims=["p:1@1", "c:1@1"])
        named = visit(external_id="A-1", claims=["p:1@3"])
        again = visit(id=there.id, external_id="A-3", claims=["p:1@4"])
        first = visit(external_id="A-4", claims=["p:1@5"])
        second = visit(external_id="A-5", claims=["p:1@5"])
        free = visit(external_id="A-6", claims=["p:1@6"])

        refused = await visits.insert_each([taken, named, again, first, second, free])

        assert refused == {
            taken.id: APPOINTMENT_CLAIMS,
            named.id: APPOINTMENT_EXTERNAL_ID,
            again.id: "_id_",
            second.id: APPOINTMENT_CLAIMS,
        }
        stored = {one.external_id for one in await visits._find({})}
        assert stored == {"A-1", "A-4", "A-6"}

    async def test_refuses_namesakes_on_one_address(self, repositories: Repositories) -> None:
        one, other = make_patient(email="a@example.com"), make_patient(email="a@example.com")

        assert await repositories.patients.insert_each([one, other]) == {
            other.id: PATIENT_EMAIL_NAME
        }

    async def test_of_nothing_is_nothing(self, repositories: Repositories) -> None:
        assert await repositories.patients.insert_each([]) == {}
