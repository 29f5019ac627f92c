"""Gmail, out and in, put together from the settings."""

from dataclasses import dataclass
from typing import Self

import httpx

from app.core.clock import Clock
from app.core.config import Settings
from app.services.mail.gmail.auth import (
    AccessTokens,
    Grant,
    RefreshTokenGrant,
    ServiceAccountGrant,
    read_service_account,
)
from app.services.mail.gmail.client import GmailClient
from app.services.mail.gmail.errors import GmailSignInError
from app.services.mail.gmail.transport import GmailTransport

_UNSET = (
    "MAIL_TRANSPORT=gmail needs GMAIL_MAILBOX, and GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and "
    "GMAIL_REFRESH_TOKEN (`python -m app gmail-authorize`) or GMAIL_SERVICE_ACCOUNT_FILE."
)


@dataclass(frozen=True)
class Gmail:
    """One mailbox: what sends from it, and what reads it."""

    mailbox: str
    client: GmailClient
    transport: GmailTransport

    @classmethod
    def build(cls, settings: Settings, clock: Clock, http: httpx.AsyncClient | None = None) -> Self:
        """From the settings; nothing is asked yet. Raises `GmailSignInError`."""
        if settings.gmail_mailbox is None:
            raise GmailSignInError(_UNSET)
        connection = http or httpx.AsyncClient(timeout=settings.gmail_timeout_seconds)
        tokens = AccessTokens(_grant(settings, clock, connection), clock)
        base_url = settings.gmail_api_base_url
        client = GmailClient(connection, tokens, base_url=base_url, clock=clock)
        transport = GmailTransport(
            client,
            sender=settings.mail_from,
            clock=clock,
            sends_per_second=settings.gmail_sends_per_second,
            timeout_seconds=settings.gmail_timeout_seconds,
        )
        return cls(settings.gmail_mailbox, client, transport)


def _grant(settings: Settings, clock: Clock, http: httpx.AsyncClient) -> Grant:
    """The service account where there is one, else the refresh token."""
    if settings.gmail_service_account_file is not None:
        return ServiceAccountGrant(
            read_service_account(settings.gmail_service_account_file),
            mailbox=str(settings.gmail_mailbox),
            token_url=settings.google_token_url,
            timeout_seconds=settings.gmail_timeout_seconds,
        )
    secret, refresh_token = settings.gmail_client_secret, settings.gmail_refresh_token
    if settings.gmail_client_id is None or secret is None or refresh_token is None:
        raise GmailSignInError(_UNSET)
    return RefreshTokenGrant(
        http,
        token_url=settings.google_token_url,
        client_id=settings.gmail_client_id,
        client_secret=secret.get_secret_value(),
        refresh_token=refresh_token.get_secret_value(),
        clock=clock,
    )
