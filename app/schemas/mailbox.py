"""How the mail stands, as it crosses HTTP."""

from datetime import datetime
from typing import Self

from pydantic import ConfigDict, Field

from app.models.base import UtcDatetime
from app.models.interaction import DeliveryStatus
from app.models.mailbox import Mailbox, MailReport, MailTransport, TroubleKind
from app.models.records import InboundState
from app.schemas.base import OutputSchema


class TroubleRead(OutputSchema):
    """What went wrong last, whether it still does or not."""

    kind: TroubleKind
    at: UtcDatetime


class GmailMailboxRead(OutputSchema):
    """The mailbox that replies come into."""

    watch_expires_at: UtcDatetime | None = Field(
        description="Until when Gmail notifies; `null`: it is polled alone."
    )
    watch_renewed_at: UtcDatetime | None
    last_notification_at: UtcDatetime | None = Field(description="To the minute.")
    last_sync_at: UtcDatetime = Field(description="All that came until then is stored.")
    cursor_moved_at: UtcDatetime | None
    cursor_age_seconds: int = Field(description="Since the last look that found all there was.")
    sending_paused_until: UtcDatetime | None = Field(
        description="Gmail wants to be left alone until then; `null` while it does not."
    )
    last_error: TroubleRead | None

    @classmethod
    def of(cls, mailbox: Mailbox, now: datetime) -> Self:
        """The mailbox as it stands at `now`."""
        paused_until = mailbox.paused_until
        return cls(
            watch_expires_at=mailbox.watch_expires_at,
            watch_renewed_at=mailbox.watch_renewed_at,
            last_notification_at=mailbox.notified_at,
            last_sync_at=mailbox.synced_at,
            cursor_moved_at=mailbox.advanced_at,
            cursor_age_seconds=_seconds(mailbox.synced_at, now),
            sending_paused_until=paused_until if paused_until and paused_until > now else None,
            last_error=TroubleRead.model_validate(mailbox.trouble) if mailbox.trouble else None,
        )


class InboundQueueRead(OutputSchema):
    """What came in and is not done with."""

    pending: int
    processing: int
    dead: int = Field(description="Out of retries; a person has each before them.")
    oldest_due_seconds: int = Field(description="How late the next one is.")


class OutboxQueueRead(OutputSchema):
    """What is to leave, and what a person has to look at."""

    pending: int
    sending: int
    failed: int
    unknown: int
    oldest_due_seconds: int = Field(description="How late the next one is.")


class MailHealthRead(OutputSchema):
    """Everything about the mail that a person can act on."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "transport": "gmail",
                "mailbox": {
                    "watch_expires_at": "2026-11-30T09:00:12Z",
                    "watch_renewed_at": "2026-11-23T09:00:12Z",
                    "last_notification_at": "2026-11-23T14:02:00Z",
                    "last_sync_at": "2026-11-23T14:04:30Z",
                    "cursor_moved_at": "2026-11-23T14:02:01Z",
                    "cursor_age_seconds": 31,
                    "sending_paused_until": None,
                    "last_error": {"kind": "rate_limited", "at": "2026-11-22T16:40:03Z"},
                },
                "inbound": {"pending": 0, "processing": 1, "dead": 0, "oldest_due_seconds": 0},
                "outbox": {
                    "pending": 12,
                    "sending": 0,
                    "failed": 1,
                    "unknown": 0,
                    "oldest_due_seconds": 0,
                },
                "degraded": [],
            }
        }
    )

    transport: MailTransport
    mailbox: GmailMailboxRead | None
    inbound: InboundQueueRead
    outbox: OutboxQueueRead
    degraded: list[str] = Field(description="What works less well than it should, in sentences.")

    @classmethod
    def of(cls, report: MailReport) -> Self:
        """The report as it is answered."""
        now, mailbox = report.now, report.mailbox
        incoming, outgoing = report.incoming, report.outgoing
        return cls(
            transport=report.transport,
            mailbox=GmailMailboxRead.of(mailbox, now) if mailbox else None,
            inbound=InboundQueueRead(
                pending=incoming.get(InboundState.PENDING, 0),
                processing=incoming.get(InboundState.PROCESSING, 0),
                dead=incoming.get(InboundState.DEAD, 0),
                oldest_due_seconds=_seconds(report.incoming_due_since, now),
            ),
            outbox=OutboxQueueRead(
                pending=outgoing.get(DeliveryStatus.PENDING, 0),
                sending=outgoing.get(DeliveryStatus.SENDING, 0),
                failed=outgoing.get(DeliveryStatus.FAILED, 0),
                unknown=outgoing.get(DeliveryStatus.UNKNOWN, 0),
                oldest_due_seconds=_seconds(report.outgoing_due_since, now),
            ),
            degraded=report.degraded,
        )


def _seconds(since: datetime | None, now: datetime) -> int:
    return max(0, int((now - since).total_seconds())) if since else 0
