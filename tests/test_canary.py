"""The search for patients' data finds what would be a leak."""

import logging
from collections.abc import Iterator

import httpx
import pytest

from app.db.repositories import Repositories
from tests.canary import CANARY, Canary, candidates
from tests.factories import make_patient

NAME, PHONE = "Wilhelmina Featherstonehaugh", "+12125550177"
WORDS = "My crown fell out on Sunday and I am in a lot of pain"


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """What a test leaks on purpose is forgotten before the plugin looks."""
    yield
    CANARY.leaks()


@pytest.mark.usefixtures("nothing_left")
class TestALeak:
    async def test_of_what_is_stored_is_found_in_a_log_line(
        self, repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(
            make_patient(name=NAME, phone=PHONE, initial_inquiry=WORDS)
        )
        log = logging.getLogger("app.test")
        log.info("answered", extra={"patient_id": str(patient.id)})
        assert CANARY.leaks() == []

        log.info("answered %s", NAME)
        log.warning("answered", extra={"said": "... fell out on Sunday and I ..."})
        log.error("failed", exc_info=RuntimeError(NAME))

        assert [leak.split(" (", 1)[0] for leak in CANARY.leaks()] == [
            f"the log holds {NAME.casefold()!r}",
            "the log holds 'fell out on sunday and'",
            "the log holds 'out on sunday and i'",
            f"the log holds {NAME.casefold()!r}",
        ]

    def test_is_found_in_an_error_a_figure_and_an_address(self) -> None:
        canary = Canary()
        canary.marks = {("address", "dana@example.com"), ("name", "dana smith")}
        ours = {"X-Request-ID": "1"}
        problem = {"Content-Type": "application/problem+json", **ours}
        answers = {
            "/a": httpx.Response(409, json={"detail": "Dana  Smith is there."}, headers=problem),
            "/metrics": httpx.Response(200, text='sent{to="dana@example.com"} 1.0', headers=ours),
            "/b": httpx.Response(303, headers={"Location": "/v?to=dana%40example.com", **ours}),
            "/c": httpx.Response(200, json={"name": "Dana Smith"}, headers=ours),
            "/d": httpx.Response(404, json={"detail": "Dana Smith"}, headers={"Server": "another"}),
        }

        for path, answer in answers.items():
            answer.request = httpx.Request("GET", f"http://testserver{path}")
            canary.answer(answer)

        assert [leak.split(" holds ")[0] for leak in canary.leaks()] == [
            "an error (409)",
            "a figure",
            "an address we send to",
        ]

    def test_is_seen_through_other_ways_to_write_it(self) -> None:
        found = set(
            candidates("tel:+1 (212) 555-0177, DANA@Example.com; wilhelmina+featherstonehaugh")
        )

        assert ("phone", "125550177") in found
        assert ("address", "dana@example.com") in found
        assert ("name", "wilhelmina featherstonehaugh") in found

    def test_is_neither_an_id_of_digits_nor_the_number_of_the_practice(self) -> None:
        canary = Canary()
        document = {"name": "Dana Smith", "phone": "+1 212-555-0100", "email": "0100@example.com"}

        canary.learn("patients", document | {"_id": "6b048daf079073228ad61dc8"})

        assert canary.marks == {("name", "dana smith"), ("address", "0100@example.com")}
        assert list(candidates("6b048daf079073228ad61dc8")) == []
