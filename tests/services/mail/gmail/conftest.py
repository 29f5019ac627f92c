"""A fake Gmail for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes import FrozenClock
from tests.gmail_parts import Wired, wired


@pytest.fixture
async def at_gmail(clock: FrozenClock) -> AsyncIterator[Wired]:
    """A mailbox, and what talks to it."""
    async with wired(clock) as parts:
        yield parts
