"""The knowledge base at the front door."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.models.base import new_id
from app.models.role import StaffRole
from app.services.agent.answering import NOT_FOUND
from app.services.container import Services
from tests.agent_fakes import ANSWER, ScriptedEngine, Stage
from tests.conftest import HeadersFor
from tests.fakes import NOON, FrozenClock
from tests.serving import replace_in_agent

pytestmark = pytest.mark.mongo

KNOWLEDGE = "/api/v1/admin/knowledge"
ASK = f"{KNOWLEDGE}/ask"
UNKNOWN_ID = "66f2a1b4c3d2e1f0a9b8c7d6"
ARTICLE: dict[str, Any] = {
    "title": "Teeth whitening",
    "body": "An in-office whitening takes about one hour and costs from $350.",
    "tags": ["whitening"],
}


@pytest.fixture
def engine(app: FastAPI, services: Services, clock: FrozenClock) -> ScriptedEngine:
    """A scripted engine behind the knowledge base."""
    stage = Stage(services.repositories, services.settings, clock)
    replace_in_agent(app, knowledge=stage.knowledge, agent=stage.agent)
    return stage.engine


async def add(client: httpx.AsyncClient, headers: dict[str, str], **given: Any) -> str:
    """The id of a new article."""
    answer = await client.post(KNOWLEDGE, json={**ARTICLE, **given}, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["knowledge_id"])


class TestCreate:
    async def test_keeps_the_article(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str], services: Services
    ) -> None:
        answer = await app_client.post(KNOWLEDGE, json=ARTICLE, headers=admin_headers)

        assert answer.status_code == 201
        body = answer.json()
        assert {name: body[name] for name in ARTICLE} == ARTICLE
        assert body["created_at"].endswith("Z")
        [stored] = await services.repositories.knowledge.every()
        assert str(stored.id) == body["knowledge_id"]

    @pytest.mark.parametrize(
        "change",
        [
            {"title": ""},
            {"title": "x" * 201},
            {"title": "two\nlines"},
            {"body": None},
            {"body": "x" * 10_001},
            {"tags": ["x"] * 21},
            {"tags": ["x" * 51]},
            {"language": "xx"},
            {"_id": "1"},
            {"title": {"$ne": None}},
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        services: Services,
        change: dict[str, Any],
    ) -> None:
        answer = await app_client.post(KNOWLEDGE, json={**ARTICLE, **change}, headers=admin_headers)

        assert answer.status_code == 422
        assert await services.repositories.knowledge.every() == []


class TestList:
    async def test_is_by_title_in_pages(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str]
    ) -> None:
        for title in ("Parking", "Braces", "Opening hours"):
            await add(app_client, admin_headers, title=title)

        answer = await app_client.get(KNOWLEDGE, params={"limit": 2}, headers=admin_headers)

        body = answer.json()
        assert [article["title"] for article in body["knowledge"]] == ["Braces", "Opening hours"]
        assert body["pagination"] == {"total_items": 3, "total_pages": 2, "current_page": 1}


class TestUpdate:
    async def test_changes_what_is_given(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str]
    ) -> None:
        article = await add(app_client, admin_headers)

        answer = await app_client.patch(
            f"{KNOWLEDGE}/{article}", json={"title": "Whitening"}, headers=admin_headers
        )

        assert answer.status_code == 200
        assert answer.json()["title"] == "Whitening"
        assert answer.json()["body"] == ARTICLE["body"]

    @pytest.mark.parametrize("change", [{}, {"title": None}, {"knowledge_id": "1"}])
    async def test_refuses_an_empty_change(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        change: dict[str, Any],
    ) -> None:
        article = await add(app_client, admin_headers)

        answer = await app_client.patch(
            f"{KNOWLEDGE}/{article}", json=change, headers=admin_headers
        )

        assert answer.status_code == 422


class TestDelete:
    async def test_forgets_the_article(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str], services: Services
    ) -> None:
        article = await add(app_client, admin_headers)

        answer = await app_client.delete(f"{KNOWLEDGE}/{article}", headers=admin_headers)

        assert answer.status_code == 204
        assert await services.repositories.knowledge.every() == []
        again = await app_client.delete(f"{KNOWLEDGE}/{article}", headers=admin_headers)
        assert again.status_code == 404


class TestAsk:
    async def test_answers_and_names_its_sources(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str], engine: ScriptedEngine
    ) -> None:
        engine.reply = ANSWER

        answer = await app_client.post(ASK, json={"question": "How long?"}, headers=admin_headers)

        [source] = ANSWER.sources
        assert answer.json() == {
            "found": True,
            "answer": ANSWER.text,
            "sources": [
                {
                    "knowledge_id": source.knowledge_id,
                    "title": source.title,
                    "score": source.score,
                }
            ],
        }

    async def test_says_so_where_it_would_hand_over(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str], engine: ScriptedEngine
    ) -> None:
        engine.reply = NOT_FOUND

        answer = await app_client.post(ASK, json={"question": "How long?"}, headers=admin_headers)

        assert answer.json() == {"found": False, "answer": None, "sources": []}

    async def test_the_index_follows_every_change_and_nothing_else(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        engine: ScriptedEngine,
        clock: FrozenClock,
    ) -> None:
        async def ask() -> None:
            await app_client.post(ASK, json={"question": "How long?"}, headers=admin_headers)

        article = await add(app_client, admin_headers, title="Old")
        await ask()
        await ask()
        clock.advance(seconds=1)
        await app_client.patch(
            f"{KNOWLEDGE}/{article}", json={"title": "New"}, headers=admin_headers
        )
        await ask()
        await app_client.delete(f"{KNOWLEDGE}/{article}", headers=admin_headers)
        await ask()

        assert engine.indexed == [["Old"], ["New"], []]

    @pytest.mark.parametrize("question", ["", "   ", "x" * 1001, 7])
    async def test_refuses_what_is_no_question(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str], question: object
    ) -> None:
        answer = await app_client.post(ASK, json={"question": question}, headers=admin_headers)

        assert answer.status_code == 422


OPERATIONS = [
    ("GET", KNOWLEDGE, None),
    ("POST", ASK, {"question": "How long?"}),
    ("POST", KNOWLEDGE, ARTICLE),
    ("PATCH", f"{KNOWLEDGE}/{UNKNOWN_ID}", {"title": "New"}),
    ("DELETE", f"{KNOWLEDGE}/{UNKNOWN_ID}", None),
]
READING = OPERATIONS[:2]


@pytest.mark.usefixtures("engine")
class TestAccess:
    @pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
    async def test_nobody_gets_in_without_signing_in(
        self, app_client: httpx.AsyncClient, method: str, path: str, body: object
    ) -> None:
        answer = await app_client.request(method, path, json=body)

        assert answer.status_code == 401

    async def test_reading_is_for_all_and_writing_for_the_desk(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        headers = await headers_for(StaffRole.READ_ONLY)

        for method, path, body in OPERATIONS:
            answer = await app_client.request(method, path, json=body, headers=headers)

            is_reading = (method, path, body) in READING
            assert answer.status_code == (200 if is_reading else 403)

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    @pytest.mark.parametrize(("article", "status"), [(UNKNOWN_ID, 404), ("nonsense", 422)])
    async def test_an_article_that_is_not_there_is_named_so(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        method: str,
        article: str,
        status: int,
    ) -> None:
        answer = await app_client.request(
            method, f"{KNOWLEDGE}/{article}", json={"title": "New"}, headers=admin_headers
        )

        assert answer.status_code == status


class TestUnanswered:
    async def test_groups_what_is_open_until_an_article_or_a_person_settles_it(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str], services: Services
    ) -> None:
        async def groups() -> list[dict[str, Any]]:
            answer = await app_client.get(f"{KNOWLEDGE}/unanswered", headers=admin_headers)
            assert answer.status_code == 200
            found: list[dict[str, Any]] = answer.json()["groups"]
            assert answer.json()["pagination"]["total_items"] == len(found)
            return found

        assert await groups() == []
        both = ["Do you validate parking?", "How much is a crown?"]
        first, second, older = new_id(), new_id(), new_id()
        await services.repositories.unanswered.record(first, " ".join(both), both)
        await services.repositories.unanswered.record(second, "Is there parking nearby?")
        await services.repositories.unanswered.record(older, "Is there any parking?")
        ago = {"at": NOON - timedelta(days=181)}
        await services.repositories.unanswered.update_fields(older, ago)

        parking, crown = await groups()

        assert parking["count"] == 2
        assert set(parking["question_ids"]) == {f"{first}-0", f"{second}-0"}
        assert {one["question"] for one in parking["examples"]} == {
            "Do you validate parking?",
            "Is there parking nearby?",
        }
        assert (crown["question"], crown["question_ids"]) == (
            "How much is a crown?",
            [f"{first}-1"],
        )
        ids = parking["question_ids"]
        await add(app_client, admin_headers, title="Parking", from_unanswered=ids)
        assert await groups() == [crown]
        body = {"question_ids": [f"{first}-1", f"{UNKNOWN_ID}-0"]}
        for _ in range(2):
            dismissed = await app_client.post(
                f"{KNOWLEDGE}/unanswered/dismiss", headers=admin_headers, json=body
            )
            assert dismissed.status_code == 204
        assert await groups() == []
        for wrong in ([], ["x"], [UNKNOWN_ID], [f"{UNKNOWN_ID}-$set"], [f"{UNKNOWN_ID}-0.1"]):
            refused = await app_client.post(
                f"{KNOWLEDGE}/unanswered/dismiss",
                headers=admin_headers,
                json={"question_ids": wrong},
            )
            assert refused.status_code == 422
