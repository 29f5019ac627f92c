"""Gmail's notifications: asked for at the start, renewed daily, and a warning before they end."""

import logging
from datetime import datetime, timedelta

import pytest

from app.db.repositories import Repositories
from app.models.mailbox import Mailbox
from app.services.health import NOT_READ, WATCH_ENDED, WATCH_ENDING, degraded
from app.services.leases import Leases
from app.services.mail.gmail.errors import GmailUnavailableError
from app.services.mail.gmail.watch import MailboxWatch
from tests.fakes import NOON
from tests.gmail_parts import MAILBOX, Wired, make_sync

pytestmark = pytest.mark.mongo


@pytest.fixture
def watch(at_gmail: Wired, repositories: Repositories) -> MailboxWatch:
    """As one replica has it."""
    return MailboxWatch(
        client=at_gmail.gmail.client,
        topic="projects/clinic/topics/gmail",
        sync=make_sync(at_gmail, repositories),
        mailboxes=repositories.mailboxes,
        leases=Leases(repositories.leases),
        clock=at_gmail.clock,
    )


async def mailbox(repositories: Repositories) -> Mailbox:
    """As it stands."""
    found = await repositories.mailboxes.with_address(MAILBOX)
    assert found is not None
    return found


class TestRenew:
    async def test_is_noted_with_its_end(
        self, watch: MailboxWatch, repositories: Repositories
    ) -> None:
        await watch.renew()

        found = await mailbox(repositories)
        assert found.watch_renewed_at == NOON
        assert found.watch_expires_at == NOON + timedelta(days=7)

    async def test_does_not_move_the_cursor(
        self, watch: MailboxWatch, at_gmail: Wired, repositories: Repositories
    ) -> None:
        """What came before the watch would be passed over."""
        await watch.renew()
        before = (await mailbox(repositories)).history_id
        at_gmail.fake.mailbox.expire_history()

        await watch.renew()

        assert (await mailbox(repositories)).history_id == before

    async def test_daily(self, watch: MailboxWatch, at_gmail: Wired) -> None:
        await watch.renew_if_due()
        at_gmail.clock.advance(hours=23, minutes=59)
        await watch.renew_if_due()
        assert at_gmail.times("watch") == 1

        at_gmail.clock.advance(minutes=1)
        await watch.renew_if_due()

        assert at_gmail.times("watch") == 2

    async def test_a_failure_is_tried_again_at_the_next_round(
        self, watch: MailboxWatch, at_gmail: Wired
    ) -> None:
        await watch.renew()
        at_gmail.clock.advance(hours=24)
        at_gmail.break_with(fail_rate=1)
        with pytest.raises(GmailUnavailableError):
            await watch.renew_if_due()
        at_gmail.break_with()
        at_gmail.clock.advance(minutes=15)

        await watch.renew_if_due()

        assert at_gmail.times("watch") == 3


async def said(repositories: Repositories, now: datetime) -> list[str]:
    """What readiness says about the watch; that nobody reads here is another matter."""
    found = await degraded(repositories, MAILBOX, now)
    return [sentence for sentence in found if sentence != NOT_READ]


class TestWarning:
    async def test_comes_before_the_end(
        self,
        watch: MailboxWatch,
        at_gmail: Wired,
        repositories: Repositories,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await watch.renew()
        clock = at_gmail.clock
        assert await said(repositories, clock.advance(days=5)) == []
        assert await said(repositories, clock.advance(seconds=1)) == [WATCH_ENDING]
        assert await said(repositories, clock.now() + timedelta(days=2)) == [WATCH_ENDED]

        with caplog.at_level(logging.WARNING):
            await watch.renew_if_due()

        assert "gmail watch ends soon" in caplog.text
        assert await said(repositories, clock.now()) == []

    async def test_without_a_mailbox_nothing_is_wrong(self, repositories: Repositories) -> None:
        assert await said(repositories, NOON) == []
