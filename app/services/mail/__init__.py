"""Mail out: the port, its implementations, and the choice among them."""

from app.core.clock import Clock
from app.core.config import Settings
from app.services.mail.file import FileTransport
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.errors import GmailSignInError
from app.services.mail.smtp import SmtpServer, SmtpTransport
from app.services.mail.transport import Transport


class MailConfigurationError(ValueError):
    """The chosen transport cannot be used; the sentence says why and what to do."""


def build_gmail(settings: Settings, clock: Clock) -> Gmail | None:
    """The mailbox, where mail goes through Gmail. Raises `MailConfigurationError`."""
    if settings.mail_transport != "gmail":
        return None
    try:
        return Gmail.build(settings, clock)
    except GmailSignInError as error:
        raise MailConfigurationError(str(error)) from error


def build_transport(settings: Settings, gmail: Gmail | None) -> Transport:
    """The transport that `MAIL_TRANSPORT` names; `gmail` is what `build_gmail` made."""
    if gmail is not None:
        return gmail.transport
    if settings.mail_transport == "file":
        return FileTransport(settings.data_dir, settings.mail_from)
    return SmtpTransport(_smtp_server(settings), settings.mail_from)


def _smtp_server(settings: Settings) -> SmtpServer:
    password = settings.smtp_password
    return SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=password.get_secret_value() if password else None,
        timeout_seconds=settings.smtp_timeout_seconds,
    )
