"""The SMTP transport, against a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.services.mail.smtp import SmtpServer, SmtpTransport
from app.services.mail.transport import (
    PermanentMailError,
    SentMail,
    TransientMailError,
    UnknownOutcomeError,
)
from tests.services.mail.test_file import MAIL

OK = "250 OK"


class Mailbox:
    """The server's side: keeps what it got, and answers as it is told to."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.recipients: list[str] = []
        self.rcpt_answer = OK
        self.data_answer = OK
        self.hang_up: Callable[[], None] | None = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """See aiosmtpd."""
        if self.rcpt_answer == OK:
            envelope.rcpt_tos.append(address)
            self.recipients.append(address)
        return self.rcpt_answer

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """See aiosmtpd."""
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        if self.hang_up:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return self.data_answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def port(mailbox: Mailbox) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    sessions: list[SMTP] = []

    def new_session() -> SMTP:
        sessions.append(SMTP(mailbox, enable_SMTPUTF8=True, loop=loop))
        return sessions[-1]

    server = await loop.create_server(new_session, host="127.0.0.1", port=0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    running = [task for session in sessions if (task := session._handler_coroutine)]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for session in sessions:
        if isinstance(session.transport, asyncio.Transport):
            session.transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
def transport(port: int) -> SmtpTransport:
    server = SmtpServer("127.0.0.1", port, security="none", timeout_seconds=30)
    return SmtpTransport(server, "frontdesk@example.com")


class TestSend:
    async def test_hands_the_message_over(self, transport: SmtpTransport, mailbox: Mailbox) -> None:
        sent = await transport.send(MAIL)

        assert sent == SentMail(f"<{MAIL.key}@example.com>", "t-1")
        assert mailbox.recipients == ["dana@example.org"]
        assert f"X-Outbox-Key: {MAIL.key}".encode() in mailbox.received[0]

    async def test_reaches_an_international_address(
        self, transport: SmtpTransport, mailbox: Mailbox
    ) -> None:
        await transport.send(replace(MAIL, to="josé@ejemplo.example"))

        assert mailbox.recipients == ["josé@ejemplo.example"]

    @pytest.mark.parametrize(
        ("answer", "is_dead"),
        [
            ("550 5.1.1 No such user", True),
            ("550 No such user", True),
            ("550 5.7.1 Blocked by policy", False),
            ("554 Relay access denied", False),
        ],
    )
    async def test_a_refused_recipient_is_final_and_may_be_dead(
        self, transport: SmtpTransport, mailbox: Mailbox, answer: str, is_dead: bool
    ) -> None:
        mailbox.rcpt_answer = answer

        with pytest.raises(PermanentMailError) as caught:
            await transport.send(MAIL)

        assert caught.value.recipient_refused is is_dead
        assert mailbox.received == []

    async def test_a_recipient_refused_for_now_is_tried_again(
        self, transport: SmtpTransport, mailbox: Mailbox
    ) -> None:
        mailbox.rcpt_answer = "451 4.7.1 Greylisted"

        with pytest.raises(TransientMailError):
            await transport.send(MAIL)

    async def test_errors_do_not_repeat_the_servers_words(
        self, transport: SmtpTransport, mailbox: Mailbox
    ) -> None:
        mailbox.rcpt_answer = "550 5.1.1 <dana@example.org> unknown"

        with pytest.raises(PermanentMailError) as caught:
            await transport.send(MAIL)

        assert "dana" not in str(caught.value)

    @pytest.mark.parametrize(
        ("answer", "error"),
        [("451 Try later", TransientMailError), ("554 Spam", PermanentMailError)],
    )
    async def test_an_answer_after_the_message_is_known(
        self,
        transport: SmtpTransport,
        mailbox: Mailbox,
        answer: str,
        error: type[Exception],
    ) -> None:
        mailbox.data_answer = answer

        with pytest.raises(error):
            await transport.send(MAIL)

    async def test_a_connection_that_breaks_after_the_message_leaves_it_unknown(
        self, transport: SmtpTransport, mailbox: Mailbox
    ) -> None:
        mailbox.hang_up = lambda: None

        with pytest.raises(UnknownOutcomeError):
            await transport.send(MAIL)

        assert len(mailbox.received) == 1

    async def test_no_server_is_a_passing_failure(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        server = SmtpServer("127.0.0.1", free, security="none", timeout_seconds=1)

        with pytest.raises(TransientMailError):
            await SmtpTransport(server, "frontdesk@example.com").send(MAIL)

    async def test_a_server_without_the_encryption_asked_for_gets_nothing(
        self, port: int, mailbox: Mailbox
    ) -> None:
        server = SmtpServer("127.0.0.1", port, security="starttls", timeout_seconds=2)

        with pytest.raises(TransientMailError):
            await SmtpTransport(server, "frontdesk@example.com").send(MAIL)

        assert mailbox.recipients == []

    async def test_a_server_that_says_nothing_is_given_up_on_in_time(self) -> None:
        gone = asyncio.Event()

        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()
            gone.set()

        silent = await asyncio.start_server(silence, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        server = SmtpServer("127.0.0.1", port, security="none", timeout_seconds=0.2)
        started = asyncio.get_running_loop().time()

        with pytest.raises(TransientMailError):
            await SmtpTransport(server, "frontdesk@example.com").send(MAIL)

        assert asyncio.get_running_loop().time() - started < 2
        silent.close()
        await gone.wait()


class TestLookUp:
    async def test_smtp_cannot_tell(self, transport: SmtpTransport) -> None:
        with pytest.raises(UnknownOutcomeError):
            await transport.look_up(MAIL.key, MAIL.date)
