"""A small practice for the tests of scheduling."""

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from tests.fakes import FrozenClock
from tests.services.scheduling.practice import Practice, build_practice, furnish


@pytest.fixture
async def practice(repositories: Repositories, settings: Settings, clock: FrozenClock) -> Practice:
    """Furnished, and empty."""
    await furnish(repositories)
    return build_practice(repositories, settings, clock)
