"""Which transport the settings name."""

import pytest

from app.services.mail import MailConfigurationError, build_transport
from app.services.mail.file import FileTransport
from app.services.mail.smtp import SmtpTransport
from tests.factories import make_settings


class TestBuildTransport:
    def test_files_by_default(self) -> None:
        assert isinstance(build_transport(make_settings()), FileTransport)

    def test_smtp(self) -> None:
        settings = make_settings(mail_transport="smtp", smtp_password="secret")

        assert isinstance(build_transport(settings), SmtpTransport)

    def test_gmail_says_that_it_is_not_there_yet(self) -> None:
        with pytest.raises(MailConfigurationError, match="choose file or smtp"):
            build_transport(make_settings(mail_transport="gmail"))
