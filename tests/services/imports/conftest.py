"""A furnished practice, and the way its files come in."""

import pytest

from app.core.config import Settings
from app.db.database import Database
from app.db.repositories import Repositories
from tests.fakes import FrozenClock
from tests.services.imports.bench import Bench, build_bench
from tests.services.scheduling.practice import build_practice, furnish


@pytest.fixture
async def bench(
    repositories: Repositories, settings: Settings, clock: FrozenClock, database: Database
) -> Bench:
    """One provider, one chair, two services, and an empty book."""
    await furnish(repositories)
    return build_bench(build_practice(repositories, settings, clock), database)
