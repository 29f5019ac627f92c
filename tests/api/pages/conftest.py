"""A browser at the front door, and the whole database to compare."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.services.container import Services
from tests.api.pages.browser import Browser

Snapshot = Callable[[], Awaitable[dict[str, list[Any]]]]


@pytest.fixture
def browser(app_client: httpx.AsyncClient) -> Browser:
    """No script, no cookie."""
    return Browser(app_client)


@pytest.fixture
def snapshot(services: Services) -> Snapshot:
    """Everything that is stored, by collection, but for the record of who looked."""
    database = services.database._database

    async def take() -> dict[str, list[Any]]:
        stored = await database.list_collection_names()
        names = sorted(set(stored) - {"audit_log", "audit_chains"})
        return {name: await database[name].find().sort("_id").to_list(None) for name in names}

    return take
