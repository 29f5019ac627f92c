"""Hostile input in every parameter and field there is: refused, and nothing is changed by it.

What to try where is read from the OpenAPI document, so that a new operation is tried without
anybody thinking of it. A body carries the same hostile value in all its fields at once; each of
them must be named in the refusal.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.db.database import Database
from app.services.container import Services
from tests.api.document import api_document, operations_of, resolved
from tests.factories import make_campaign, make_patient, make_staff

pytestmark = pytest.mark.mongo

DOCUMENT = api_document()
WEBHOOKS = "/api/v1/webhooks/"
"""Have corpora of their own (`tests/api/test_webhooks.py`, `test_incoming_message.py`)."""
LEAVES_US_OUT = {"/api/v1/auth/logout"}

COLLECTIONS = (
    *("patients", "campaigns", "interactions", "appointments", "waitlist", "role"),
    *("providers", "chairs", "services", "time_off", "clinic", "knowledge", "sweeps"),
    *("imports", "inbound_events", "suppressions", "idempotency_keys"),
)

OPERATORS: list[Any] = [
    {"$ne": None},
    {"$gt": ""},
    {"$regex": ".*"},
    {"$where": "sleep(1000)"},
    {"$expr": {"$function": {"body": "function() {}", "args": [], "lang": "js"}}},
    [{"$ne": 1}],
]
CONTROLS = ["a\x00b", "a\x1bb\x07", "a\ud800b"]
HEADER_BREAKS = [
    "Dana\r\nBcc: everybody@example.com",
    "Dana\nSubject: x",
    "Dana\rX: y",
    "Dana\u2028Bcc: a@example.com",
    "Dana\u2029b",
    "Dana\x85b",
]
VALUES = ['{"$ne": null}', "$where", ".*", "a\x00b"]
PATTERNS = ["(a+)+$", "[", "\\", "^.", "(?=a)*", "a{1,99999}", "*", *VALUES]
PATHS = ["../../../etc/passwd", "%00", "{$ne:1}", "a" * 3000, "*"]
SMUGGLED = {
    "_id": "66f2a1b4c3d2e1f0a9b8c7d6",
    "clinic_id": "another",
    "hashed_password": "!",
    "$set": {"role": "ADMIN"},
    "role.x": "ADMIN",
    "__proto__": {},
}
SEVERAL_LINES = {
    *("notes", "message", "content", "body", "initial_inquiry", "question", "reason", "address"),
    *("answer", "description"),
}
"""Texts in which lines are welcome; other control characters are not."""

OPAQUE = {"booking_token", "token", "current_password", "new_password"}
"""Compared as they are, whatever they hold, and never shown or stored."""


def json_fields(operation: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """The fields of an operation's JSON body; none where it takes none."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    fields: dict[str, dict[str, Any]] = resolved(
        DOCUMENT, content["application/json"]["schema"]
    ).get("properties", {})
    return fields


def takes_text(field: dict[str, Any]) -> bool:
    """Whether text of one's own choice may stand there."""
    options = [field, *field.get("anyOf", [])]
    return any(resolved(DOCUMENT, one).get("type") == "string" for one in options)


def corpus_of(parameter: dict[str, Any]) -> list[str]:
    """What to try in its place; a search gets every pattern."""
    if parameter["in"] == "path":
        return PATHS
    return PATTERNS if parameter["name"] == "q" else VALUES


BODIES = [
    (method, path, fields)
    for method, path, operation in operations_of(DOCUMENT)
    if (fields := json_fields(operation)) is not None and not path.startswith(WEBHOOKS)
]
PARAMETERS = [
    (method, path, operation["parameters"])
    for method, path, operation in operations_of(DOCUMENT)
    if operation.get("parameters") and not path.startswith(WEBHOOKS)
]


async def everything(database: Database) -> dict[str, list[str]]:
    """All that is stored, but for who asked (the audit log) and who waited for whom (`setup`)."""
    found = {}
    for name in COLLECTIONS:
        documents = await database.collection(name).find({}).to_list(None)
        found[name] = sorted(repr(one) for one in documents if one.get("key") != "setup")
    return found


@pytest.fixture
async def ids(furnished: Services) -> Mapping[str, str]:
    """Of what is there to be harmed, by the name of the path parameter."""
    stores = furnished.repositories
    await furnished.base.clinic.current()  # is stored when it is first asked for
    patient = await stores.patients.insert(make_patient(name="Dana Smith", phone="+12125550142"))
    campaign = await stores.campaigns.insert(make_campaign(patient_id=patient.id))
    member = await stores.staff.insert(make_staff())
    found = {"patient_id": patient.id, "campaign_id": campaign.id, "staff_id": member.id}
    return {name: str(value) for name, value in found.items()} | {"service_id": "cleaning"}


def filled(path: str, ids: Mapping[str, str], **given: str) -> str:
    """The path with what exists in its places, but for what is `given`."""
    known = {**ids, **{name: quote(value, safe="") for name, value in given.items()}}
    return re.sub(r"\{([^}]+)\}", lambda found: known.get(found[1], "0" * 24), path)


def named(answer: httpx.Response) -> set[str]:
    """The fields of the body that the refusal names."""
    assert answer.status_code == 422, (answer.request.url, answer.status_code, answer.text)
    errors = answer.json().get("errors", [])
    return {str(error["loc"][1]) for error in errors if len(error["loc"]) > 1}


async def send(
    client: httpx.AsyncClient, method: str, url: str, body: Any, headers: dict[str, str]
) -> httpx.Response:
    """A body as JSON, lone surrogates and all."""
    as_json = {**headers, "Content-Type": "application/json"}
    return await client.request(method, url, content=json.dumps(body), headers=as_json)


class TestEveryField:
    async def test_refuses_operators_control_characters_and_what_it_does_not_know(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        ids: Mapping[str, str],
        database: Database,
    ) -> None:
        before = await everything(database)
        accepted = []

        for method, path, fields in BODIES:
            url = filled(path, ids)
            texts = {name for name, field in fields.items() if takes_text(field)} - OPAQUE
            single = texts - SEVERAL_LINES
            tried = [(set(fields), value) for value in OPERATORS]
            tried += [(texts, value) for value in CONTROLS]
            tried += [(single, value) for value in HEADER_BREAKS]
            for names, value in ((names, value) for names, value in tried if names):
                body = dict.fromkeys(names, value)
                answer = await send(app_client, method, url, body, admin_headers)
                if taken := names - named(answer):
                    accepted.append((method, path, value, taken))
            answer = await send(app_client, method, url, SMUGGLED, admin_headers)
            assert set(SMUGGLED) <= named(answer), (method, path)

        assert len(BODIES) > 25
        assert accepted == []
        assert await everything(database) == before


class TestEveryParameter:
    async def test_takes_none_of_it_for_a_query_a_pattern_or_a_path(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        ids: Mapping[str, str],
        database: Database,
    ) -> None:
        before = await everything(database)

        for method, path, parameters in PARAMETERS:
            if path in LEAVES_US_OUT:
                continue
            for parameter in parameters:
                for value in corpus_of(parameter):
                    answer = await self._ask(
                        app_client, method, path, parameter, value, ids, admin_headers
                    )
                    where = (method, path, parameter["name"], value, answer.text[:300])
                    if parameter["name"] == "q" and answer.status_code == 200:
                        assert answer.json()["pagination"]["total_items"] == 0, where
                    else:
                        assert 400 <= answer.status_code < 500, where

        assert len(PARAMETERS) > 50
        assert await everything(database) == before

    @staticmethod
    async def _ask(  # noqa: PLR0917 - one request, described whole
        client: httpx.AsyncClient,
        method: str,
        path: str,
        parameter: dict[str, Any],
        value: str,
        ids: Mapping[str, str],
        headers: dict[str, str],
    ) -> httpx.Response:
        name = parameter["name"]
        if parameter["in"] == "path":
            return await client.request(method, filled(path, ids, **{name: value}), headers=headers)
        url = filled(path, ids)
        if parameter["in"] == "query":
            return await client.request(method, url, params={name: value}, headers=headers)
        raw = {key.encode(): text.encode() for key, text in headers.items()}
        raw[name.encode()] = value.encode()
        return await client.request(method, url, headers=raw)
