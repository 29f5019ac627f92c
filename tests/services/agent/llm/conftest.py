"""A misbehaving model server, and the engine that has to live with it."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.services.agent.engine import LoadedModels, LocalEngine, load_models
from app.services.agent.llm.budget import TokenBudget
from app.services.agent.llm.build import LanguageModel
from app.services.metrics import Metrics
from tests.factories import make_settings
from tests.fakes import FrozenClock
from tests.model_server import model_server

DEADLINE_SECONDS = 20.0

Ask = Callable[..., LanguageModel]
Sent = Callable[[str], Awaitable[list[dict[str, Any]]]]


@functools.cache
def models() -> LoadedModels:
    """Loaded once for the process: it takes seconds."""
    return load_models()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Where the model server is."""
    with model_server() as url:
        yield url


@pytest.fixture
def local() -> Iterator[LocalEngine]:
    """The local engine as it ships."""
    engine = LocalEngine(models)
    yield engine
    engine.close()


@pytest.fixture
async def model_named(
    server: str,
    local: LocalEngine,
    repositories: Repositories,
    settings: Settings,
    clock: FrozenClock,
) -> AsyncIterator[Ask]:
    """Builds the engine for a model of the server."""
    async with AsyncExitStack() as stack:

        def build(name: str, metrics: Metrics | None = None, **given: object) -> LanguageModel:
            fields: dict[str, Any] = {
                "llm_base_url": f"{server}/v1",
                "llm_model": name,
                "llm_api_key": "key-of-the-test",
                "llm_deadline_seconds": DEADLINE_SECONDS,
            }
            chosen = make_settings(**{**settings.model_dump(), **fields, **given})
            days, limit = repositories.engine_days, chosen.llm_tokens_per_day
            model = LanguageModel.build(
                chosen,
                local=local,
                budget=TokenBudget(days, clock, limit),
                metrics=metrics or Metrics(),
                clock=clock,
            )
            assert model is not None
            stack.push_async_callback(model.close)
            return model

        yield build


@pytest.fixture
async def sent(server: str) -> Sent:
    """Asks the server what a model was sent."""

    async def ask(model: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{server}/requests/{model.replace('#', '%23')}")
        found: list[dict[str, Any]] = answer.json()
        return found

    return ask
