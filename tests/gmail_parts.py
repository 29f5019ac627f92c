"""The Gmail side put together over a fake Gmail in the same process."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from app.core.config import Settings
from app.db.repositories import Repositories
from app.demo.gmail.faults import Faults
from app.demo.gmail.google import REFRESH_TOKEN
from app.demo.gmail.server import FakeGmail
from app.services.clinic import ClinicService
from app.services.leases import Leases
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.sync import MailboxSync
from app.services.mail.incoming import Read, read_incoming
from app.services.mail.reply_tags import ReplyTags
from app.services.mail.transport import OutgoingMail
from app.services.mailbox_mail import MailboxMail
from app.services.work import WakeSignal
from tests.factories import KEYS, make_settings
from tests.fakes import NOON, FrozenClock

MAILBOX = "frontdesk@example.com"
GMAIL_SETTINGS: dict[str, Any] = {
    "mail_transport": "gmail",
    "mail_from": MAILBOX,
    "gmail_mailbox": MAILBOX,
    "gmail_client_id": "client-1",
    "gmail_client_secret": "client-secret",
    "gmail_refresh_token": REFRESH_TOKEN,
    "gmail_topic": "projects/clinic/topics/gmail",
    "gmail_sends_per_second": 100,
    "gmail_api_base_url": "http://gmail.test",
    "google_token_url": "http://gmail.test/token",
}
TAGS = ReplyTags(KEYS, MAILBOX, are_used=True)


@dataclass
class Wired:
    """A mailbox, and what talks to it."""

    fake: FakeGmail
    gmail: Gmail
    clock: FrozenClock

    def break_with(self, **faults: Any) -> None:
        """From now on this goes wrong, and nothing else."""
        self.fake.set_faults(Faults(**faults))

    def times(self, call: str) -> int:
        """How often an endpoint was asked."""
        return self.fake.api.calls.count(call)


@contextlib.asynccontextmanager
async def wired(clock: FrozenClock, settings: Settings | None = None) -> AsyncIterator[Wired]:
    """Over HTTP in memory: no socket is opened."""
    fake = FakeGmail(MAILBOX, clock=clock, seed=1)
    transport = httpx.ASGITransport(fake.application())
    async with httpx.AsyncClient(transport=transport) as http:
        chosen = settings or make_settings(**GMAIL_SETTINGS)
        yield Wired(fake, Gmail.build(chosen, clock, http), clock)


def make_sync(
    at_gmail: Wired, repositories: Repositories, *, leases: Leases | None = None
) -> MailboxSync:
    """What reads the mailbox, as one replica has it."""
    return MailboxSync(
        client=at_gmail.gmail.client,
        address=MAILBOX,
        repositories=repositories,
        leases=leases or Leases(repositories.leases),
        clock=at_gmail.clock,
        worker=WakeSignal(),
        poll_after=timedelta(minutes=5),
    )


def make_mailbox_mail(
    at_gmail: Wired, repositories: Repositories, settings: Settings, read: Read = read_incoming
) -> MailboxMail:
    """The mailbox as one replica's inbound worker sees it."""
    return MailboxMail(
        client=at_gmail.gmail.client,
        sync=make_sync(at_gmail, repositories),
        events=repositories.inbound_events,
        clinic=ClinicService(repositories, settings),
        read=read,
        tags=TAGS,
    )


def make_mail(**given: Any) -> OutgoingMail:
    """The first message to a patient."""
    fields: dict[str, Any] = {
        "key": "66f2a1b4c3d2e1f0a9b8c7d6",
        "to": "maria.lopez@example.com",
        "sender_name": "Demo Dental Practice",
        "subject": "Your visit",
        "text": "Would you like to come in?",
        "date": NOON,
        "thread_id": "t-66f2a1b4c3d2e1f0a9b8c7d7",
    }
    return OutgoingMail(**(fields | given))
