"""The Gmail API: what is asked for, what is read, and which error stands for which trouble."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.demo.gmail.mailbox import IncomingReply
from app.services.mail.gmail.auth import AccessToken, AccessTokens
from app.services.mail.gmail.client import GmailClient
from app.services.mail.gmail.errors import (
    GmailRefusedError,
    GmailSignInError,
    GmailUnavailableError,
    HistoryGoneError,
    NotInMailboxError,
    RateLimitedError,
)
from tests.fakes import NOON, FrozenClock
from tests.gmail_parts import MAILBOX, Wired

RAW = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: Hi\r\nX-Outbox-Key: k1\r\n\r\nText\r\n"
FROM_MARIA = IncomingReply("maria@example.com", "Yes please")


def google_error(status: int, reason: str, message: str = "No.", **headers: str) -> httpx.Response:
    """As Google writes one."""
    errors = [{"message": message, "domain": "usageLimits", "reason": reason}]
    body = {"error": {"code": status, "message": message, "errors": errors}}
    return httpx.Response(status, json=body, headers=headers)


class HourGrant:
    """Tokens that never matter."""

    async def fetch(self) -> AccessToken:
        return AccessToken("token", NOON + timedelta(hours=1))


def client_answered(answer: httpx.Response | Exception, clock: FrozenClock) -> GmailClient:
    """A client that Gmail answers so."""

    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    tokens = AccessTokens(HourGrant(), clock)
    return GmailClient(http, tokens, base_url="http://gmail.test/", clock=clock)


class TestMessages:
    async def test_what_is_sent_can_be_read_again(self, at_gmail: Wired) -> None:
        client = at_gmail.gmail.client

        ref = await client.send(RAW, None)
        stored = await client.message(ref.id, ["X-Outbox-Key"])
        raw = await client.raw_message(ref.id)

        assert (ref.labels, ref.is_to_us) == (frozenset({"SENT"}), False)
        assert stored.headers == {"x-outbox-key": "k1"}
        assert stored.received_at == NOON
        assert raw.raw is not None
        assert b"Subject: Hi" in raw.raw

    async def test_a_message_that_is_gone(self, at_gmail: Wired) -> None:
        with pytest.raises(NotInMailboxError):
            await at_gmail.gmail.client.raw_message("18c0000000000fff")

    async def test_a_thread_that_is_gone(self, at_gmail: Wired) -> None:
        with pytest.raises(NotInMailboxError):
            await at_gmail.gmail.client.send(RAW, "18c0000000000fff")

    async def test_pages_are_followed(self, at_gmail: Wired) -> None:
        at_gmail.break_with(page_size=2)
        sent = [(await at_gmail.gmail.client.send(RAW, None)).id for _ in range(5)]

        listed, page = [], None
        while True:
            found = await at_gmail.gmail.client.messages(label="SENT", page=page)
            listed += [one.id for one in found.messages]
            if (page := found.next_page) is None:
                break

        assert listed == sent[::-1]

    async def test_spam_is_listed_unless_a_label_is_named(self, at_gmail: Wired) -> None:
        at_gmail.fake.mailbox.reply(IncomingReply("maria@example.com", "Hm", is_spam=True))

        assert len((await at_gmail.gmail.client.messages()).messages) == 1
        assert (await at_gmail.gmail.client.messages(label="INBOX")).messages == []


class TestHistory:
    async def test_tells_what_came_since(self, at_gmail: Wired) -> None:
        client = at_gmail.gmail.client
        before = (await client.profile()).history_id
        message = at_gmail.fake.mailbox.reply(FROM_MARIA)

        page = await client.history(before)

        assert [one.id for one in page.added] == [message.id]
        assert page.reaches == page.current == at_gmail.fake.mailbox.history_id
        assert (await client.history(page.current)).added == []

    async def test_one_that_expired(self, at_gmail: Wired) -> None:
        before = (await at_gmail.gmail.client.profile()).history_id
        at_gmail.fake.mailbox.expire_history()

        with pytest.raises(HistoryGoneError):
            await at_gmail.gmail.client.history(before)


class TestWatch:
    async def test_lasts_seven_days(self, at_gmail: Wired) -> None:
        watch = await at_gmail.gmail.client.watch("projects/clinic/topics/gmail")

        assert watch.expires_at == NOON + timedelta(days=7)
        assert watch.history_id == (await at_gmail.gmail.client.profile()).history_id

    async def test_a_topic_that_is_none(self, at_gmail: Wired) -> None:
        with pytest.raises(GmailRefusedError, match="400"):
            await at_gmail.gmail.client.watch("gmail")


class TestSignIn:
    async def test_a_token_that_ended_is_replaced_once(self, at_gmail: Wired) -> None:
        await at_gmail.gmail.client.profile()
        at_gmail.fake.sign_in.end_all()

        profile = await at_gmail.gmail.client.profile()

        assert profile.address == MAILBOX
        assert at_gmail.fake.sign_in.fetched == 2

    async def test_a_second_refusal_is_an_error(self, clock: FrozenClock) -> None:
        with pytest.raises(GmailRefusedError, match="401"):
            await client_answered(google_error(401, "authError"), clock).profile()

    async def test_a_revoked_refresh_token_tells_the_operator(self, at_gmail: Wired) -> None:
        at_gmail.break_with(revoked=True)

        with pytest.raises(GmailSignInError, match="gmail-authorize"):
            await at_gmail.gmail.client.profile()


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (429, "rateLimitExceeded"),
            (403, "rateLimitExceeded"),
            (403, "userRateLimitExceeded"),
            (403, "quotaExceeded"),
            (403, "dailyLimitExceeded"),
        ],
    )
    async def test_too_much(self, clock: FrozenClock, status: int, reason: str) -> None:
        with pytest.raises(RateLimitedError) as raised:
            await client_answered(google_error(status, reason), clock).profile()

        assert raised.value.retry_after is None

    @pytest.mark.parametrize(
        ("answer", "seconds"),
        [
            (google_error(429, "r", **{"Retry-After": "7"}), 7),
            (google_error(429, "r", **{"Retry-After": "Wed, 19 Aug 2026 16:01:00 GMT"}), 60),
            (google_error(429, "r", "Limit.  Retry after 2026-08-19T16:02:00.000Z (Mail)"), 120),
            (google_error(429, "r", "Limit.  Retry after 2026-08-19T15:00:00.000Z"), 0),
        ],
        ids=["seconds", "date", "sentence", "past"],
    )
    async def test_when_to_come_back(
        self, clock: FrozenClock, answer: httpx.Response, seconds: int
    ) -> None:
        with pytest.raises(RateLimitedError) as raised:
            await client_answered(answer, clock).profile()

        assert raised.value.retry_after == timedelta(seconds=seconds)

    @pytest.mark.parametrize(
        "answer",
        [
            google_error(500, "backendError"),
            google_error(503, "backendError"),
            httpx.Response(502, text="<html>"),
            httpx.ReadTimeout("slow"),
            httpx.ConnectError("down"),
            httpx.Response(200, text="<html>"),
            httpx.Response(200, json=[]),
            httpx.Response(200, json={"emailAddress": "a", "historyId": "-1"}),
            httpx.Response(200, json={"emailAddress": "a", "historyId": str(2**64)}),
        ],
        ids=["500", "503", "502", "timeout", "connect", "html", "list", "negative", "huge"],
    )
    async def test_for_later(self, clock: FrozenClock, answer: httpx.Response | Exception) -> None:
        with pytest.raises(GmailUnavailableError):
            await client_answered(answer, clock).profile()

    async def test_a_refusal_names_the_reason_and_no_address(self, clock: FrozenClock) -> None:
        answer = google_error(403, "insufficientPermissions", "maria@example.com may not")

        with pytest.raises(GmailRefusedError) as raised:
            await client_answered(answer, clock).profile()

        assert str(raised.value) == "Gmail answered 403 (insufficientPermissions)."

    @pytest.mark.parametrize(
        "body",
        [
            {"id": "../../x", "threadId": "1", "internalDate": "1", "raw": ""},
            {"id": "1", "threadId": "1", "internalDate": "1", "raw": "!!"},
            {"id": "1", "threadId": "1", "internalDate": "soon"},
            {"threadId": "1"},
        ],
        ids=["id", "raw", "date", "missing"],
    )
    async def test_what_is_no_message_is_not_believed(
        self, clock: FrozenClock, body: dict[str, Any]
    ) -> None:
        with pytest.raises(GmailUnavailableError, match="cannot be read"):
            await client_answered(httpx.Response(200, json=body), clock).raw_message("1")
