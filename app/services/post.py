"""The mailbox that replies come into, put together."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from app.services.foundation import Foundation
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.sync import MailboxSync
from app.services.mail.gmail.watch import MailboxWatch
from app.services.mail.incoming import read_incoming
from app.services.mailbox_mail import MailboxMail


@dataclass(frozen=True)
class Post:
    """The mailbox that replies come into."""

    sync: MailboxSync
    mail: MailboxMail
    watch: MailboxWatch | None

    @classmethod
    def build(cls, base: Foundation) -> Self | None:
        """On top of the foundation; none without Gmail."""
        gmail, settings = base.gmail, base.settings
        if gmail is None:
            return None
        sync = MailboxSync(
            client=gmail.client,
            address=gmail.mailbox,
            repositories=base.repositories,
            leases=base.leases,
            clock=base.clock,
            worker=base.inbound_signal,
            poll_after=timedelta(seconds=settings.gmail_poll_seconds),
        )
        mail = MailboxMail(
            client=gmail.client,
            sync=sync,
            events=base.repositories.inbound_events,
            clinic=base.clinic,
            read=read_incoming,
            tags=base.reply_tags,
        )
        return cls(sync=sync, mail=mail, watch=cls._watch(base, gmail, sync))

    @staticmethod
    def _watch(base: Foundation, gmail: Gmail, sync: MailboxSync) -> MailboxWatch | None:
        """None without a topic: then the mailbox is polled."""
        if base.settings.gmail_topic is None:
            return None
        return MailboxWatch(
            client=gmail.client,
            topic=base.settings.gmail_topic,
            sync=sync,
            mailboxes=base.repositories.mailboxes,
            leases=base.leases,
            clock=base.clock,
        )
