"""A furnished practice behind the front door."""

import pytest

from app.services.container import Services
from tests.services.scheduling.practice import furnish


@pytest.fixture
async def furnished(services: Services) -> Services:
    """Open on weekdays 9-12 and 13-17, one provider, one chair, two services."""
    await furnish(services.repositories)
    return services
