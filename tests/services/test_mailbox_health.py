"""What one process knows of Gmail's troubles is kept for whoever asks another."""

from datetime import timedelta

import pytest

from app.db.repositories import Repositories
from app.models.mailbox import Mailbox, Trouble, TroubleKind
from app.services.mail.gmail.errors import GmailError
from app.services.mail.transport import TransientMailError
from app.services.mailbox_health import MailboxHealth
from tests.gmail_desk import Desk
from tests.gmail_parts import MAILBOX, Wired, make_mail

pytestmark = pytest.mark.mongo


@pytest.fixture
def health(at_gmail: Wired, repositories: Repositories) -> MailboxHealth:
    return MailboxHealth(repositories, "gmail", at_gmail.gmail, at_gmail.clock)


async def kept(repositories: Repositories) -> Mailbox:
    found = await repositories.mailboxes.with_address(MAILBOX)
    assert found is not None
    return found


class TestTrouble:
    @pytest.mark.parametrize(
        ("faults", "kind"),
        [
            ({"fail_rate": 1}, TroubleKind.UNAVAILABLE),
            ({"rate_limit_rate": 1, "retry_after_seconds": 90}, TroubleKind.RATE_LIMITED),
        ],
    )
    async def test_is_kept_in_one_word(
        self,
        at_gmail: Wired,
        repositories: Repositories,
        health: MailboxHealth,
        faults: dict[str, float],
        kind: TroubleKind,
    ) -> None:
        at_gmail.break_with(**faults)
        with pytest.raises(GmailError):
            await at_gmail.gmail.client.profile()

        await health.keep()

        assert (await kept(repositories)).trouble == Trouble(kind=kind, at=at_gmail.clock.now())

    async def test_sign_in_is_the_operators(
        self, at_gmail: Wired, repositories: Repositories, health: MailboxHealth
    ) -> None:
        at_gmail.fake.sign_in.end_all()
        at_gmail.break_with(revoked=True)
        with pytest.raises(GmailError):
            await at_gmail.gmail.client.profile()

        trouble = (await health.report()).mailbox

        assert trouble is not None
        assert trouble.trouble is not None
        assert trouble.trouble.kind == TroubleKind.SIGN_IN

    async def test_an_older_one_of_another_process_changes_nothing(
        self, at_gmail: Wired, repositories: Repositories, health: MailboxHealth
    ) -> None:
        at_gmail.break_with(fail_rate=1)
        with pytest.raises(GmailError):
            await at_gmail.gmail.client.profile()
        newer = Trouble(kind=TroubleKind.SIGN_IN, at=at_gmail.clock.now() + timedelta(seconds=1))
        await repositories.mailboxes.note_trouble(MAILBOX, newer)

        await health.keep()

        assert (await kept(repositories)).trouble == newer

    async def test_a_message_that_is_gone_is_none(
        self, at_gmail: Wired, repositories: Repositories, health: MailboxHealth
    ) -> None:
        with pytest.raises(GmailError):
            await at_gmail.gmail.client.raw_message("18c0ffee")

        await health.keep()

        assert (await kept(repositories)).trouble is None

    async def test_a_pause_is_kept_until_its_end(
        self, at_gmail: Wired, repositories: Repositories, health: MailboxHealth
    ) -> None:
        at_gmail.break_with(rate_limit_rate=1, retry_after_seconds=90)
        with pytest.raises(TransientMailError):
            await at_gmail.gmail.transport.send(make_mail())

        await health.keep()

        until = at_gmail.clock.now() + timedelta(seconds=90)
        assert (await kept(repositories)).paused_until == until


class TestNotifications:
    async def test_are_noted_to_the_minute(self, desk: Desk) -> None:
        told = [await desk.notify() for _ in range(3)]
        await desk.drain()
        first = (await kept(desk.stage.repositories)).notified_at
        desk.stage.clock.advance(seconds=61)  # type: ignore[attr-defined]
        later = await desk.notify()
        await desk.drain()

        assert first == told[0].created_at
        assert (await kept(desk.stage.repositories)).notified_at == later.created_at
