"""Reading the mailbox: every message stored once, before a cursor that only moves forward."""

import asyncio
from datetime import timedelta

import pytest

from app.db.repositories import Repositories
from app.demo.gmail.mailbox import FakeMessage, HandWritten, IncomingReply
from app.models.records import InboundEvent
from app.services.leases import Leases
from app.services.mail.gmail.errors import GmailRefusedError, GmailUnavailableError
from app.services.mail.gmail.sync import LEASE, MAX_PAGES, MailboxSync
from tests.fakes import NOON
from tests.gmail_parts import MAILBOX, Wired, make_mail, make_sync

pytestmark = pytest.mark.mongo


@pytest.fixture
async def sync(at_gmail: Wired, repositories: Repositories) -> MailboxSync:
    """A mailbox that was read before."""
    sync = make_sync(at_gmail, repositories)
    await sync.run()
    at_gmail.clock.advance(minutes=1)
    return sync


def arrive(at_gmail: Wired, wanted: int = 1, *, is_spam: bool = False) -> list[FakeMessage]:
    """Mail from patients."""
    return [
        at_gmail.fake.mailbox.reply(IncomingReply(f"p{n}@example.com", "Yes", is_spam=is_spam))
        for n in range(wanted)
    ]


async def stored(repositories: Repositories) -> list[InboundEvent]:
    """The events of messages."""
    return await repositories.inbound_events._find({}, sort=[("_id", 1)])


async def cursor(repositories: Repositories) -> int:
    """How far the mailbox was read."""
    mailbox = await repositories.mailboxes.with_address(MAILBOX)
    assert mailbox is not None
    return mailbox.history_id


def event_ids(messages: list[FakeMessage]) -> list[str]:
    """Under which they are stored."""
    return sorted(f"gmail:{MAILBOX}:{one.id}" for one in messages)


class TestRun:
    async def test_the_first_time_it_begins_at_the_present(
        self, at_gmail: Wired, repositories: Repositories
    ) -> None:
        arrive(at_gmail)

        assert await make_sync(at_gmail, repositories).run()

        assert await stored(repositories) == []
        assert await cursor(repositories) == at_gmail.fake.mailbox.history_id

    async def test_stores_what_came_and_moves_the_cursor(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        came = arrive(at_gmail, 3)

        await sync.run()
        await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(came)
        assert await cursor(repositories) == at_gmail.fake.mailbox.history_id

    async def test_many_pages(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        at_gmail.break_with(page_size=4)
        came = arrive(at_gmail, 15)

        await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(came)
        assert at_gmail.times("history.list") == 1 + 4

    async def test_what_left_is_stored_as_that_and_drafts_are_not(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        await at_gmail.gmail.transport.send(make_mail())
        await at_gmail.gmail.transport.send(make_mail(key="to-ourselves", to=MAILBOX))
        at_gmail.fake.mailbox.write(HandWritten("x@example.com", "Hello"))
        at_gmail.fake.mailbox.write(HandWritten("x@example.com", "Hello", keeps_id=True))

        await sync.run()

        left = [one for one in at_gmail.fake.mailbox.messages.values() if "SENT" in one.labels]
        events = await stored(repositories)
        assert [event.id for event in events] == event_ids(left)
        assert [event.payload["is_sent"] for event in events] == [True] * 4

    async def test_spam_and_archived_mail_is_looked_at_too(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        came = arrive(at_gmail, 1, is_spam=True) + arrive(at_gmail, 1)
        came[1].labels.discard("INBOX")

        await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(came)

    async def test_the_cursor_stays_while_something_fails(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        before = await cursor(repositories)
        came = arrive(at_gmail, 2)
        at_gmail.break_with(fail_rate=1)
        with pytest.raises(GmailUnavailableError):
            await sync.run()
        assert await cursor(repositories) == before

        at_gmail.break_with()
        await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(came)

    async def test_a_cursor_never_goes_back(
        self, repositories: Repositories, sync: MailboxSync
    ) -> None:
        now = await cursor(repositories)

        assert not await repositories.mailboxes.advance(MAILBOX, now - 1)
        assert not await repositories.mailboxes.advance(MAILBOX, now)
        assert await repositories.mailboxes.advance(MAILBOX, now + 1)
        assert await cursor(repositories) == now + 1

    async def test_numbers_are_compared_and_not_their_digits(
        self, repositories: Repositories, sync: MailboxSync
    ) -> None:
        await repositories.mailboxes.advance(MAILBOX, 9_999)

        assert await repositories.mailboxes.advance(MAILBOX, 10_000)

    async def test_of_many_replicas_one_reads(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        came = arrive(at_gmail, 5)
        replicas = [make_sync(at_gmail, repositories) for _ in range(6)]

        done = await asyncio.gather(*(replica.run() for replica in replicas))

        assert any(done)
        assert [event.id for event in await stored(repositories)] == event_ids(came)

    async def test_a_busy_mailbox_is_left_alone(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        asked = len(at_gmail.fake.api.calls)
        async with Leases(repositories.leases).hold(LEASE):
            assert not await sync.run()

        assert len(at_gmail.fake.api.calls) == asked


class TestCovers:
    async def test_old_notifications_tell_nothing(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        now = await cursor(repositories)

        assert await sync.covers(now, NOON)
        assert await sync.covers(now - 1, NOON)
        assert not await sync.covers(now + 1, NOON)

    async def test_before_the_first_look_nothing_is(
        self, at_gmail: Wired, repositories: Repositories
    ) -> None:
        assert not await make_sync(at_gmail, repositories).covers(0, NOON)


class TestExpiredHistory:
    async def test_everything_since_the_last_look_is_found_once(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        at_gmail.break_with(page_size=3)
        seen = arrive(at_gmail, 2)
        await sync.run()
        missed = arrive(at_gmail, 5)
        left = at_gmail.fake.mailbox.write(HandWritten("x@example.com", "Hello"))
        at_gmail.fake.mailbox.expire_history()

        await sync.run()

        found = event_ids([*seen, *missed, left])
        assert [event.id for event in await stored(repositories)] == found
        assert await cursor(repositories) == at_gmail.fake.mailbox.history_id

    async def test_the_look_is_bounded(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        arrive(at_gmail, 2)
        at_gmail.clock.advance(days=3)
        await repositories.mailboxes.note_sync(MAILBOX, at_gmail.clock.now())
        recent = arrive(at_gmail, 2)
        at_gmail.fake.mailbox.expire_history()

        await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(recent)

    async def test_afterwards_the_history_is_followed_again(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        at_gmail.fake.mailbox.expire_history()
        await sync.run()
        came = arrive(at_gmail)
        listed = at_gmail.times("messages.list")

        await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(came)
        assert at_gmail.times("messages.list") == listed


class TestALookThatOneRunCannotEnd:
    """The oldest come last: the cursor never moves past what was not stored."""

    @pytest.fixture
    async def begun(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> list[FakeMessage]:
        """Everything that came, of which the first run has stored the newest."""
        at_gmail.break_with(page_size=1)
        came = arrive(at_gmail, MAX_PAGES + 2)
        at_gmail.fake.mailbox.expire_history()
        before = await cursor(repositories)
        at_gmail.clock.advance(minutes=1)

        assert not await sync.run()

        assert len(await stored(repositories)) == MAX_PAGES
        assert await cursor(repositories) == before
        return came

    async def test_goes_on_where_it_stopped(
        self, at_gmail: Wired, repositories: Repositories, begun: list[FakeMessage]
    ) -> None:
        began_at = at_gmail.clock.now()
        listed = at_gmail.times("messages.list")
        at_gmail.clock.advance(seconds=1)

        await make_sync(at_gmail, repositories).poll()

        assert [event.id for event in await stored(repositories)] == event_ids(begun)
        assert at_gmail.times("messages.list") == listed + 2
        assert await cursor(repositories) == at_gmail.fake.mailbox.history_id
        mailbox = await repositories.mailboxes.with_address(MAILBOX)
        assert mailbox is not None
        assert (mailbox.look, mailbox.synced_at) == (None, began_at)

    async def test_what_comes_meanwhile_is_found_afterwards(
        self, at_gmail: Wired, repositories: Repositories, begun: list[FakeMessage]
    ) -> None:
        sync = make_sync(at_gmail, repositories)
        later = arrive(at_gmail, 1)

        assert await sync.run()
        assert await cursor(repositories) < at_gmail.fake.mailbox.history_id
        assert await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids([*begun, *later])

    async def test_begins_anew_where_gmail_knows_the_place_no_more(
        self, at_gmail: Wired, repositories: Repositories, begun: list[FakeMessage]
    ) -> None:
        sync = make_sync(at_gmail, repositories)
        mailbox = await sync.mailbox()
        assert mailbox.look is not None
        gone = mailbox.look.model_copy(update={"page": "forgotten"})
        await repositories.mailboxes.note_look(MAILBOX, gone)

        with pytest.raises(GmailRefusedError):
            await sync.run()
        assert await sync.run()

        assert [event.id for event in await stored(repositories)] == event_ids(begun)
        assert await cursor(repositories) == at_gmail.fake.mailbox.history_id


class TestPoll:
    async def test_looks_after_a_silence_and_not_before(
        self, at_gmail: Wired, repositories: Repositories, sync: MailboxSync
    ) -> None:
        came = arrive(at_gmail)
        at_gmail.clock.set(NOON + timedelta(minutes=4, seconds=59))
        await sync.poll()
        assert await stored(repositories) == []

        at_gmail.clock.advance(seconds=1)
        await sync.poll()

        assert [event.id for event in await stored(repositories)] == event_ids(came)

    async def test_begins_where_nothing_was_read_yet(
        self, at_gmail: Wired, repositories: Repositories
    ) -> None:
        await make_sync(at_gmail, repositories).poll()

        assert await cursor(repositories) == at_gmail.fake.mailbox.history_id
