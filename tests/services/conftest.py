"""A mailbox, for every service that reads it."""

from collections.abc import AsyncIterator

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from tests.agent_fakes import Stage
from tests.fakes import FrozenClock
from tests.gmail_desk import Desk
from tests.gmail_parts import Wired, make_mailbox_mail, make_sync, wired


@pytest.fixture
async def at_gmail(clock: FrozenClock, repositories: Repositories) -> AsyncIterator[Wired]:
    """A mailbox that was read before."""
    async with wired(clock) as parts:
        await make_sync(parts, repositories).run()
        yield parts


@pytest.fixture
def desk(at_gmail: Wired, repositories: Repositories, settings: Settings) -> Desk:
    """The whole inbound path over the test's database and a fake Gmail."""
    mailbox = make_mailbox_mail(at_gmail, repositories, settings)
    return Desk(Stage(repositories, settings, at_gmail.clock, mailbox=mailbox), at_gmail, settings)
