"""Sending through Gmail: in its thread, once, and not when it wants to be left alone."""

import asyncio
import time
from datetime import timedelta

import httpx
import pytest

from app.demo.gmail.mailbox import IncomingReply
from app.demo.gmail.server import FakeGmail
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.transport import (
    FIRST_OUTAGE_PAUSE,
    LONGEST_PAUSE,
    SIGN_IN_PAUSE,
    Pace,
)
from app.services.mail.transport import PermanentMailError, TransientMailError
from tests.factories import make_settings
from tests.fakes import NOON, FrozenClock
from tests.gmail_parts import GMAIL_SETTINGS, MAILBOX, Wired, make_mail

SINCE = NOON


class TestSend:
    async def test_answers_what_gmail_calls_the_message(self, at_gmail: Wired) -> None:
        sent = await at_gmail.gmail.transport.send(make_mail())

        entry = at_gmail.fake.mailbox.ledger[0]
        assert sent.provider_message_id == entry["message_id"]
        assert sent.provider_message_id.endswith("@mail.gmail.com>")
        assert sent.thread_id == entry["thread_id"]
        assert entry["key"] == make_mail().key

    async def test_a_message_id_that_gmail_left_is_ours(self, at_gmail: Wired) -> None:
        at_gmail.break_with(replace_message_id=False)

        sent = await at_gmail.gmail.transport.send(make_mail())

        assert sent.provider_message_id == f"<{make_mail().key}@example.com>"

    async def test_the_next_one_stays_in_the_thread(self, at_gmail: Wired) -> None:
        first = await at_gmail.gmail.transport.send(make_mail())
        answer = at_gmail.fake.mailbox.reply(
            IncomingReply("maria.lopez@example.com", "Yes", thread_id=first.thread_id)
        )
        second = make_mail(
            key="second",
            thread_id=first.thread_id,
            subject="Re: Your visit",
            in_reply_to=answer.header("Message-ID"),
            references=(first.provider_message_id, answer.header("Message-ID")),
        )

        sent = await at_gmail.gmail.transport.send(second)

        assert sent.thread_id == answer.thread_id == first.thread_id

    async def test_our_own_thread_keys_are_not_sent_as_gmails(self, at_gmail: Wired) -> None:
        for number, own in enumerate(("t-66f2a1b4c3d2e1f0a9b8c7d7", "p-66f2", "staff-alerts")):
            await at_gmail.gmail.transport.send(make_mail(key=f"k{number}", thread_id=own))

        assert len(at_gmail.fake.mailbox.ledger) == 3

    async def test_a_thread_that_was_deleted_is_begun_anew(self, at_gmail: Wired) -> None:
        sent = await at_gmail.gmail.transport.send(make_mail(thread_id="18c0000000000fff"))

        assert sent.thread_id != "18c0000000000fff"
        assert len(at_gmail.fake.mailbox.ledger) == 1

    async def test_what_gmail_will_never_take_fails_for_good(self, at_gmail: Wired) -> None:
        with pytest.raises(PermanentMailError):
            await at_gmail.gmail.transport.send(make_mail(to="nobody"))


class TestOnce:
    """Before anything is sent again the mailbox is searched for our key."""

    @pytest.mark.parametrize("replaced", [True, False])
    async def test_a_try_that_got_through_is_found(self, at_gmail: Wired, replaced: bool) -> None:
        at_gmail.break_with(fail_after_rate=1, replace_message_id=replaced)
        with pytest.raises(TransientMailError):
            await at_gmail.gmail.transport.send(make_mail())
        at_gmail.break_with(replace_message_id=replaced)

        sent = await at_gmail.gmail.transport.send(make_mail(tried_since=SINCE))

        assert [entry["id"] for entry in at_gmail.fake.mailbox.ledger] == [sent.thread_id]
        assert sent.provider_message_id == at_gmail.fake.mailbox.ledger[0]["message_id"]

    async def test_a_try_that_did_not_get_through_is_sent(self, at_gmail: Wired) -> None:
        at_gmail.break_with(fail_rate=1)
        with pytest.raises(TransientMailError):
            await at_gmail.gmail.transport.send(make_mail())
        at_gmail.break_with()

        await at_gmail.gmail.transport.send(make_mail(tried_since=SINCE))

        assert len(at_gmail.fake.mailbox.ledger) == 1


class TestLookUp:
    async def test_finds_the_message_of_the_key_among_others(self, at_gmail: Wired) -> None:
        at_gmail.break_with(page_size=3)
        transport = at_gmail.gmail.transport
        sent = {f"k{n}": await transport.send(make_mail(key=f"k{n}")) for n in range(8)}

        assert {key: await transport.look_up(key, SINCE) for key in sent} == sent

    async def test_what_was_never_sent(self, at_gmail: Wired) -> None:
        await at_gmail.gmail.transport.send(make_mail(key="another"))

        assert await at_gmail.gmail.transport.look_up("k1", SINCE) is None

    async def test_does_not_look_further_back_than_it_can_be(self, at_gmail: Wired) -> None:
        transport, clock = at_gmail.gmail.transport, at_gmail.clock
        for number in range(30):
            await transport.send(make_mail(key=f"old-{number}"))
        clock.advance(hours=2)
        await transport.send(make_mail(key="new"))
        asked = at_gmail.times("messages.get")

        assert await transport.look_up("k1", clock.now()) is None

        assert at_gmail.times("messages.get") - asked <= 5

    async def test_asks_for_each_message_once(self, at_gmail: Wired) -> None:
        transport = at_gmail.gmail.transport
        for number in range(10):
            await transport.send(make_mail(key=f"k{number}"))
        await transport.look_up("none", SINCE)
        asked = at_gmail.times("messages.get")

        await transport.look_up("none", SINCE)

        assert at_gmail.times("messages.get") == asked

    async def test_cannot_tell_just_now(self, at_gmail: Wired) -> None:
        at_gmail.break_with(fail_rate=1)

        with pytest.raises(TransientMailError):
            await at_gmail.gmail.transport.look_up("k1", SINCE)

    async def test_a_hiccup_does_not_end_the_search(self, at_gmail: Wired) -> None:
        mail = make_mail()
        await at_gmail.gmail.transport.send(mail)
        at_gmail.break_with(fail_rate=1)

        searching = asyncio.create_task(at_gmail.gmail.transport.look_up(mail.key, SINCE))
        while not at_gmail.times("messages.list"):  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0)
        at_gmail.break_with()

        assert await searching is not None


class BadRequests(httpx.AsyncBaseTransport):
    """Gmail, but every question about what is there is a bad request."""

    def __init__(self, gmail: FakeGmail) -> None:
        self._gmail = httpx.ASGITransport(gmail.application())
        self.are_on = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        if request.method == "GET" and self.are_on:
            error = {"message": "No.", "errors": [{"reason": "invalidArgument"}]}
            return httpx.Response(400, json={"error": error})
        return await self._gmail.handle_async_request(request)


class TestBadRequest:
    """Only the sending itself can be refused because of the letter."""

    async def test_a_question_that_gmail_refuses_is_not_the_letters_fault(
        self, clock: FrozenClock
    ) -> None:
        fake = FakeGmail(MAILBOX, clock=clock, seed=1)
        broken = BadRequests(fake)
        async with httpx.AsyncClient(transport=broken) as http:
            transport = Gmail.build(make_settings(**GMAIL_SETTINGS), clock, http).transport

            sent = await transport.send(make_mail())
            with pytest.raises(TransientMailError) as looked_up:
                await transport.look_up(make_mail().key, SINCE)
            with pytest.raises(TransientMailError) as tried_again:
                await transport.send(make_mail(tried_since=SINCE))
            broken.are_on = False
            found = await transport.send(make_mail(tried_since=SINCE))

        assert sent.provider_message_id == f"<{make_mail().key}@example.com>"
        assert looked_up.value.retry_after is None
        assert tried_again.value.retry_after is None
        assert found.thread_id == sent.thread_id
        assert len(fake.mailbox.ledger) == 1


class TestPause:
    async def test_everything_waits_as_long_as_gmail_says(self, at_gmail: Wired) -> None:
        at_gmail.break_with(rate_limit_rate=1, retry_after_seconds=60)
        with pytest.raises(TransientMailError) as refused:
            await at_gmail.gmail.transport.send(make_mail())
        at_gmail.break_with()
        asked = len(at_gmail.fake.api.calls)
        at_gmail.clock.advance(seconds=59)

        with pytest.raises(TransientMailError) as paused:
            await at_gmail.gmail.transport.send(make_mail(key="another"))

        assert refused.value.retry_after == timedelta(seconds=60)
        assert paused.value.retry_after == timedelta(seconds=1)
        assert len(at_gmail.fake.api.calls) == asked
        at_gmail.clock.advance(seconds=1)
        await at_gmail.gmail.transport.send(make_mail())

    async def test_without_a_word_it_grows(self, at_gmail: Wired) -> None:
        at_gmail.break_with(rate_limit_rate=1)
        lengths = []
        for _ in range(8):
            with pytest.raises(TransientMailError) as raised:
                await at_gmail.gmail.transport.send(make_mail())
            assert raised.value.retry_after is not None
            lengths.append(raised.value.retry_after)
            at_gmail.clock.advance(hours=1)

        assert timedelta(seconds=15) <= lengths[0] <= timedelta(seconds=30)
        assert LONGEST_PAUSE / 2 <= lengths[-1] <= LONGEST_PAUSE

    async def test_one_failure_is_the_messages_own_try(self, at_gmail: Wired) -> None:
        at_gmail.break_with(fail_rate=1)

        with pytest.raises(TransientMailError) as raised:
            await at_gmail.gmail.transport.send(make_mail())

        assert raised.value.retry_after is None

    async def test_an_outage_is_no_messages_fault(self, at_gmail: Wired) -> None:
        at_gmail.break_with(fail_rate=1)
        waits = []
        for number in range(4):
            with pytest.raises(TransientMailError) as raised:
                await at_gmail.gmail.transport.send(make_mail(key=f"k{number}"))
            waits.append(raised.value.retry_after)

        assert waits[:2] == [None, None]
        assert all(waits[2:])

    async def test_many_that_fail_at_once_are_one_trouble(self, at_gmail: Wired) -> None:
        at_gmail.break_with(fail_rate=1)
        mails = [make_mail(key=f"k{number}") for number in range(20)]
        sending = (at_gmail.gmail.transport.send(mail) for mail in mails)

        failures = await asyncio.gather(*sending, return_exceptions=True)

        waits = [one.retry_after for one in failures if isinstance(one, TransientMailError)]
        assert len(waits) == 20
        assert max(wait for wait in waits if wait) <= FIRST_OUTAGE_PAUSE
        at_gmail.break_with()
        at_gmail.clock.advance(seconds=FIRST_OUTAGE_PAUSE.total_seconds())
        await at_gmail.gmail.transport.send(mails[0])

    async def test_an_outage_that_goes_on_is_waited_for_longer_and_longer(
        self, at_gmail: Wired
    ) -> None:
        at_gmail.break_with(fail_rate=1)
        waits = []
        for number in range(14):
            with pytest.raises(TransientMailError) as raised:
                await at_gmail.gmail.transport.send(make_mail(key=f"k{number}"))
            waits.append(raised.value.retry_after or timedelta(0))
            at_gmail.clock.advance(seconds=waits[-1].total_seconds())

        assert FIRST_OUTAGE_PAUSE < waits[6] < waits[-1]
        assert LONGEST_PAUSE / 2 <= waits[-1] <= LONGEST_PAUSE

    async def test_nothing_is_looked_up_meanwhile(self, at_gmail: Wired) -> None:
        at_gmail.break_with(rate_limit_rate=1, retry_after_seconds=60)
        with pytest.raises(TransientMailError):
            await at_gmail.gmail.transport.send(make_mail())
        at_gmail.break_with()
        asked = len(at_gmail.fake.api.calls)

        with pytest.raises(TransientMailError):
            await at_gmail.gmail.transport.look_up("some-key", SINCE)

        assert len(at_gmail.fake.api.calls) == asked

    async def test_a_revoked_token_waits_for_the_operator(self, at_gmail: Wired) -> None:
        at_gmail.break_with(revoked=True)

        with pytest.raises(TransientMailError, match="gmail-authorize") as raised:
            await at_gmail.gmail.transport.send(make_mail())

        assert raised.value.retry_after == SIGN_IN_PAUSE


class TestPace:
    async def test_is_kept_by_many_at_once(self) -> None:
        pace = Pace(per_second=200)
        began = time.monotonic()

        await asyncio.gather(*(pace.wait() for _ in range(20)))

        assert time.monotonic() - began >= 19 / 200
