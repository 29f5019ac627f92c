"""Mail over SMTP (RFC 5321), one connection a message.

The steps are taken one by one because it matters where one fails: before the message was handed
over it may be tried again, after that nobody can tell whether it left.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

import aiosmtplib

from app.services.mail.mime import build_message
from app.services.mail.transport import (
    OutgoingMail,
    PermanentMailError,
    SentMail,
    TransientMailError,
    UnknownOutcomeError,
)

GOODBYE_SECONDS = 2.0
PERMANENT_FROM = 500
NO_SUCH_MAILBOX = frozenset({550, 551, 553})
POLICY_SUBJECT = "5.7."
"""Enhanced status of a refusal for policy's sake (RFC 3463): it says nothing of the mailbox."""


@dataclass(frozen=True)
class SmtpServer:
    """Where and how to hand mail over. `security`: `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str = "starttls"
    username: str | None = None
    password: str | None = None
    timeout_seconds: float = 20.0


class SmtpTransport:
    """Hands mail to a server."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender

    @property
    def deadline_seconds(self) -> float:
        """The connection and the hand-over have the configured time each."""
        return 2 * self._server.timeout_seconds + GOODBYE_SECONDS

    async def send(self, mail: OutgoingMail) -> SentMail:
        """See `Transport.send`."""
        message = build_message(mail, self._sender)
        client = self._client()
        try:
            await self._prepare(client, mail.to)
            await self._hand_over(client, message)
            await _say_goodbye(client)
        finally:
            client.close()
        return SentMail(str(message["Message-ID"]), mail.thread_id)

    async def look_up(self, key: str, since: datetime) -> SentMail | None:
        """SMTP has no memory to ask."""
        del since
        message = f"SMTP cannot tell what became of {key}."
        raise UnknownOutcomeError(message)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            username=server.username,
            password=server.password,
            timeout=server.timeout_seconds,
        )

    async def _prepare(self, client: aiosmtplib.SMTP, recipient: str) -> None:
        """Everything before the message itself: nothing has left when this fails."""
        options = [] if recipient.isascii() else ["SMTPUTF8"]
        encoding = "ascii" if recipient.isascii() else "utf-8"
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                await client.connect()
                await client.mail(self._sender, options=options, encoding=encoding)
                await client.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as error:
            is_dead = _says_no_such_mailbox(error)
            _raise_for(error.code, "recipient", error, recipient_refused=is_dead)
        except aiosmtplib.SMTPAuthenticationError as error:
            # Wrong credentials are the operator's to mend, and no message's fault.
            message = f"The mail server refused the sign-in ({error.code})."
            raise TransientMailError(message) from error
        except aiosmtplib.SMTPResponseException as error:
            _raise_for(error.code, "message", error)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            message = f"The mail server cannot be reached ({type(error).__name__})."
            raise TransientMailError(message) from error

    async def _hand_over(self, client: aiosmtplib.SMTP, message: EmailMessage) -> None:
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                await client.data(bytes(message))
        except aiosmtplib.SMTPResponseException as error:
            _raise_for(error.code, "message", error)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            sentence = f"The connection broke during the hand-over ({type(error).__name__})."
            raise UnknownOutcomeError(sentence) from error


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """Courtesy only: the message is the server's by now, whatever becomes of the connection."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=GOODBYE_SECONDS)


def _says_no_such_mailbox(error: aiosmtplib.SMTPResponseException) -> bool:
    return error.code in NO_SUCH_MAILBOX and POLICY_SUBJECT not in error.message


def _raise_for(code: int, what: str, error: Exception, *, recipient_refused: bool = False) -> None:
    """4yz replies are for now, 5yz for good (RFC 5321, section 4.2.1).

    The server's own words are left out: they like to repeat the address.
    """
    sentence = f"The mail server refused the {what} ({code})."
    if code >= PERMANENT_FROM:
        raise PermanentMailError(sentence, recipient_refused=recipient_refused) from error
    raise TransientMailError(sentence) from error
