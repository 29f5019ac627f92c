"""A mailbox we read: how far, until when Gmail tells us about it, and what went wrong last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from app.models.base import Document, StoredModel, UtcDatetime
from app.models.interaction import DeliveryStatus
from app.models.records import InboundState

MailTransport = Literal["file", "smtp", "gmail"]


class TroubleKind(StrEnum):
    """How Gmail last failed us. `sign_in`: only the operator can mend that."""

    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    SIGN_IN = "sign_in"


class Trouble(StoredModel):
    """The last failure, in one word: Gmail's own may repeat an address."""

    kind: TroubleKind
    at: UtcDatetime


class Look(StoredModel):
    """A look through everything since `since` (seconds of the Unix epoch), under way.

    `page` comes next; none for the first. At the end `history_id` is where the history is followed
    from. `in_one_go`: Gmail once refused to go on at a page, and may again.
    """

    since: int
    history_id: int
    began_at: UtcDatetime
    page: str | None = None
    in_one_go: bool = False


class Mailbox(Document):
    """One mailbox. `history_id` is Gmail's cursor: everything up to it is stored.

    `synced_at`: everything that came until then is stored. `notified_at`: when Gmail last told us
    of a change, to the minute. `trouble` and `paused_until` (sending) are noted every few minutes.
    """

    address: str
    history_id: int
    synced_at: UtcDatetime
    look: Look | None = None
    advanced_at: UtcDatetime | None = None
    notified_at: UtcDatetime | None = None
    watch_expires_at: UtcDatetime | None = None
    watch_renewed_at: UtcDatetime | None = None
    trouble: Trouble | None = None
    paused_until: UtcDatetime | None = None


@dataclass(frozen=True)
class MailReport:
    """Everything that is known. No `mailbox`: mail does not go through Gmail, or was never read."""

    transport: MailTransport
    now: datetime
    mailbox: Mailbox | None
    incoming: Mapping[InboundState, int]
    incoming_due_since: datetime | None
    outgoing: Mapping[DeliveryStatus, int]
    outgoing_due_since: datetime | None
    degraded: list[str]
