"""The file transport: one whole file a message, once."""

import asyncio
import email
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from app.services.mail.file import FileTransport
from app.services.mail.transport import Audience, OutgoingMail, SentMail, TransientMailError

MAIL = OutgoingMail(
    key="66f2a1b4c3d2e1f0a9b8c7d6",
    to="dana@example.org",
    to_name="Dana Smith",
    sender_name="Bright Dental",
    subject="¿Le buscamos una hora?",
    text="Hola, Dana:\n\nmañana está bien.\n",
    date=datetime(2026, 8, 19, 16, 0, tzinfo=UTC),
    thread_id="t-1",
)


def read(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.fixture
def transport(tmp_path: Path) -> FileTransport:
    return FileTransport(tmp_path, "frontdesk@example.com")


class TestSend:
    async def test_writes_a_message_any_mail_program_reads(
        self, transport: FileTransport, tmp_path: Path
    ) -> None:
        sent = await transport.send(MAIL)

        message = read(tmp_path / "outbox" / f"{MAIL.key}.eml")
        assert sent == SentMail(f"<{MAIL.key}@example.com>", "t-1")
        assert message["Message-ID"] == sent.provider_message_id
        assert message["From"] == "Bright Dental <frontdesk@example.com>"
        assert message["To"] == "Dana Smith <dana@example.org>"
        assert message["Subject"] == MAIL.subject
        assert message["Date"].datetime == MAIL.date
        assert message["X-Outbox-Key"] == MAIL.key
        assert message["Auto-Submitted"] == "auto-generated"
        assert message.get_content().splitlines() == MAIL.text.splitlines()

    async def test_the_same_key_a_second_time_changes_nothing(
        self, transport: FileTransport, tmp_path: Path
    ) -> None:
        first = await transport.send(MAIL)

        again = await transport.send(replace(MAIL, text="Another text."))

        assert again == first
        (path,) = (tmp_path / "outbox").iterdir()
        assert "mañana" in read(path).get_content()

    async def test_many_at_once_leave_one_file(
        self, transport: FileTransport, tmp_path: Path
    ) -> None:
        await asyncio.gather(*[transport.send(MAIL) for _ in range(10)])

        assert [path.name for path in (tmp_path / "outbox").iterdir()] == [f"{MAIL.key}.eml"]

    async def test_alerts_go_to_a_folder_of_their_own(
        self, transport: FileTransport, tmp_path: Path
    ) -> None:
        await transport.send(replace(MAIL, audience=Audience.STAFF))

        assert (tmp_path / "outbox-staff" / f"{MAIL.key}.eml").exists()
        assert not (tmp_path / "outbox").exists()

    async def test_a_folder_that_cannot_be_written_is_a_passing_failure(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "outbox").write_text("in the way")
        transport = FileTransport(tmp_path, "frontdesk@example.com")

        with pytest.raises(TransientMailError):
            await transport.send(MAIL)


class TestLookUp:
    async def test_knows_what_left(self, transport: FileTransport) -> None:
        sent = await transport.send(MAIL)

        assert await transport.look_up(MAIL.key, MAIL.date) == sent
        assert await transport.look_up("another", MAIL.date) is None
