"""Every failure is a problem document that says nothing of the inside and echoes nothing."""

from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict, EmailStr, Field, field_validator

from app.core.errors import ConflictError, UnauthenticatedError
from app.db.database import UNAVAILABLE_ERRORS
from app.models.base import PyObjectId, new_id

pytestmark = pytest.mark.mongo

CANARY = "Zebedee-Canary-4711"


class Form(BaseModel):
    """Something to get wrong."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=5)
    email: EmailStr = "somebody@example.com"
    time: str = "09:00"

    @field_validator("time")
    @classmethod
    def _quotes_its_input(cls, value: str) -> str:
        if value != "09:00":
            message = f"{value} is no time"
            raise ValueError(message)
        return value


probe = APIRouter(prefix="/api/v1/probe")


@probe.get("/conflict")
async def conflict() -> None:
    """An expected failure with members of its own."""
    message = "This is taken."
    raise ConflictError(message, extra={"campaign_id": new_id()}, headers={"Retry-After": "9"})


@probe.get("/bug")
async def bug() -> None:
    """An unexpected failure."""
    raise ValueError(CANARY)


@probe.get("/locked")
async def locked() -> None:
    """No credentials."""
    message = "Please sign in."
    raise UnauthenticatedError(message)


@probe.get("/outage/{number}")
async def outage(number: int) -> None:
    """The database does not answer."""
    raise UNAVAILABLE_ERRORS[number](CANARY)


@probe.post("/form")
async def form(body: Form) -> None:
    """Takes a body."""


@probe.get("/things/{thing_id}")
async def thing(thing_id: PyObjectId, q: Annotated[str, Query(max_length=5)] = "") -> None:
    """Takes an id."""


@probe.patch("/things/{thing_id}")
async def change_thing(thing_id: PyObjectId) -> None:
    """A second method on one path."""


@probe.get("/links/{token}")
async def link(token: str) -> None:
    """A secret in the path."""
    message = "No."
    raise ConflictError(message)


@pytest.fixture
def client(app: FastAPI, app_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The real application with the routes above."""
    app.include_router(probe)
    return app_client


def is_problem(answer: httpx.Response, status: int, slug: str) -> bool:
    """Whether the answer is a complete problem document of this kind."""
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["type"] == f"http://127.0.0.1:8000/problems/{slug}"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"]
    return bool(body["detail"])


class TestExpectedFailures:
    async def test_carry_their_sentence_members_and_headers(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get("/api/v1/probe/conflict?name=someone")

        assert is_problem(answer, 409, "conflict")
        assert answer.json()["detail"] == "This is taken."
        assert len(answer.json()["campaign_id"]) == 24
        assert answer.headers["retry-after"] == "9"

    async def test_name_the_path_without_its_query(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/probe/conflict?name=someone")

        assert answer.json()["instance"] == "/api/v1/probe/conflict"

    async def test_never_repeat_a_token(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/probe/links/very-secret")

        assert answer.json()["instance"] == "/api/v1/probe/links/{token}"
        assert "very-secret" not in answer.text

    async def test_mask_what_may_be_a_token_where_no_route_fits(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get(f"/api/v1/nowhere/{'s' * 60}/x")

        assert is_problem(answer, 404, "not-found")
        assert "sss" not in answer.text

    async def test_a_401_names_the_scheme(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/probe/locked")

        assert is_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


class TestUnexpectedFailures:
    async def test_say_nothing_of_the_inside(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/probe/bug")

        assert is_problem(answer, 500, "internal-server-error")
        assert CANARY not in answer.text
        assert "ValueError" not in answer.text

    @pytest.mark.parametrize("number", range(len(UNAVAILABLE_ERRORS)))
    async def test_an_outage_of_the_database_asks_to_come_back(
        self, client: httpx.AsyncClient, number: int
    ) -> None:
        answer = await client.get(f"/api/v1/probe/outage/{number}")

        assert is_problem(answer, 503, "service-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert CANARY not in answer.text


class TestRouting:
    async def test_an_unknown_path_is_a_problem(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/nothing-here")

        assert is_problem(answer, 404, "not-found")

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "TRACE", "BREW"])
    async def test_an_unknown_method_is_told_every_allowed_one(
        self, client: httpx.AsyncClient, method: str
    ) -> None:
        answer = await client.request(method, f"/api/v1/probe/things/{new_id()}")

        assert is_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET, HEAD, PATCH"

    async def test_a_slash_too_many_is_not_redirected(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/probe/conflict/")

        assert is_problem(answer, 404, "not-found")


class TestValidation:
    async def test_names_the_field_and_the_rule_and_never_the_value(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/api/v1/probe/form", json={"name": CANARY})

        assert is_problem(answer, 422, "validation")
        assert answer.json()["errors"] == [
            {
                "loc": ["body", "name"],
                "msg": "String should have at most 5 characters",
                "type": "string_too_long",
            }
        ]
        assert CANARY not in answer.text

    async def test_drops_what_a_rule_quotes(self, client: httpx.AsyncClient) -> None:
        body = {"name": "ok", "time": CANARY, "email": f"{CANARY}@{CANARY}..!"}

        answer = await client.post("/api/v1/probe/form", json=body)

        assert is_problem(answer, 422, "validation")
        assert [error["loc"][-1] for error in answer.json()["errors"]] == ["email", "time"]
        assert CANARY.lower() not in answer.text.lower()
        assert "!" not in answer.text

    async def test_our_own_sentence_stands_alone(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/probe/form", json={"name": "ok", "time": "9"})

        assert answer.json()["errors"][0]["msg"] == "9 is no time"

    async def test_refuses_unknown_fields(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/probe/form", json={"name": "ok", "role": "ADMIN"})

        assert is_problem(answer, 422, "validation")
        assert answer.json()["errors"][0]["type"] == "extra_forbidden"

    async def test_an_id_of_the_wrong_form_is_refused_in_the_path(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get("/api/v1/probe/things/not-an-id")

        assert is_problem(answer, 422, "validation")
        assert answer.json()["errors"][0]["loc"] == ["path", "thing_id"]

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            pytest.param(b"{", 422, id="cut short"),
            pytest.param(b"\xff\xfe\x00", 400, id="not UTF-8"),
            pytest.param(b'{"name": "\\ud800"}', 422, id="half a surrogate pair"),
            pytest.param(b'{"name": NaN}', 422, id="not a number"),
            pytest.param(b"[" * 60_000, 400, id="too deep"),
            pytest.param(b'{"name": ' + b"9" * 5_000 + b"}", 400, id="a number beyond reading"),
            pytest.param(b"", 422, id="nothing"),
        ],
    )
    async def test_an_unreadable_body_is_the_callers_fault(
        self, client: httpx.AsyncClient, content: bytes, status: int
    ) -> None:
        answer = await client.post(
            "/api/v1/probe/form", content=content, headers={"Content-Type": "application/json"}
        )

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
