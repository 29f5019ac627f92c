"""Mail out: the port, its implementations, and the choice among them."""

import httpx

from app.core.clock import Clock
from app.core.config import Settings
from app.models.patient import Channel
from app.services.mail.file import FileTransport
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.errors import GmailSignInError
from app.services.mail.relay import RelayTransport
from app.services.mail.smtp import SmtpServer, SmtpTransport
from app.services.mail.transport import Transport
from app.services.mail.transports import Transports


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


def build_relay(settings: Settings, clock: Clock) -> RelayTransport | None:
    """What sends on other channels, where a relay is set up. The settings hold URL and secret
    together.
    """
    url, secret = settings.message_relay_url, settings.message_relay_secret
    if url is None or secret is None:
        return None
    timeout = settings.message_relay_timeout_seconds
    return RelayTransport(
        httpx.AsyncClient(timeout=timeout),
        url=str(url),
        secret=secret.get_secret_value(),
        timeout_seconds=timeout,
        clock=clock,
    )


def relayed_channels(settings: Settings) -> frozenset[Channel]:
    """What goes out through the relay. Nothing while all is redirected to one mailbox."""
    if settings.message_relay_url is None or settings.mail_redirect_to is not None:
        return frozenset()
    return frozenset(map(Channel, settings.message_relay_channels))


def build_transports(
    email: Transport, relay: RelayTransport | None, settings: Settings
) -> Transports:
    """Every transport by its channel."""
    others = {} if relay is None else dict.fromkeys(relayed_channels(settings), relay)
    return Transports(email, others)


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
