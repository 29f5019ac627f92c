"""Mail out: the port, its implementations, and the choice among them."""

from app.core.config import Settings
from app.services.mail.file import FileTransport
from app.services.mail.smtp import SmtpServer, SmtpTransport
from app.services.mail.transport import Transport


class MailConfigurationError(ValueError):
    """The chosen transport cannot be used; the sentence says why and what to do."""


def build_transport(settings: Settings) -> Transport:
    """The transport that `MAIL_TRANSPORT` names. Raises `MailConfigurationError`."""
    if settings.mail_transport == "file":
        return FileTransport(settings.data_dir, settings.mail_from)
    if settings.mail_transport == "smtp":
        return SmtpTransport(_smtp_server(settings), settings.mail_from)
    message = "MAIL_TRANSPORT=gmail is not available yet: choose file or smtp."
    raise MailConfigurationError(message)


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
