"""Which transport the settings name."""

import pytest

from app.services.mail import MailConfigurationError, build_gmail, build_transport
from app.services.mail.file import FileTransport
from app.services.mail.gmail.transport import GmailTransport
from app.services.mail.smtp import SmtpTransport
from tests.factories import make_settings
from tests.fakes import FrozenClock
from tests.gmail_parts import GMAIL_SETTINGS


class TestBuildTransport:
    def test_files_by_default(self) -> None:
        assert isinstance(build_transport(make_settings(), None), FileTransport)

    def test_smtp(self) -> None:
        settings = make_settings(mail_transport="smtp", smtp_password="secret")

        assert isinstance(build_transport(settings, None), SmtpTransport)

    async def test_gmail(self, clock: FrozenClock) -> None:
        settings = make_settings(**GMAIL_SETTINGS)

        gmail = build_gmail(settings, clock)

        assert isinstance(build_transport(settings, gmail), GmailTransport)

    def test_gmail_names_what_it_needs(self, clock: FrozenClock) -> None:
        with pytest.raises(MailConfigurationError, match="GMAIL_MAILBOX"):
            build_gmail(make_settings(mail_transport="gmail"), clock)
