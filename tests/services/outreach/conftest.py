"""The outreach parts, ready to use."""

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from tests.fakes import FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport


@pytest.fixture
def transport() -> RecordingTransport:
    """Where the test's mail goes."""
    return RecordingTransport()


@pytest.fixture
def parts(
    repositories: Repositories,
    settings: Settings,
    clock: FrozenClock,
    transport: RecordingTransport,
) -> Parts:
    """One replica over the test's database."""
    return Parts.build(repositories, settings, clock, transport)
