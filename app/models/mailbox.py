"""A mailbox we read: how far, until when Gmail tells us about it, and when we last looked."""

from app.models.base import Document, UtcDatetime


class Mailbox(Document):
    """One mailbox. `history_id` is Gmail's cursor: everything up to it is stored."""

    address: str
    history_id: int
    synced_at: UtcDatetime
    watch_expires_at: UtcDatetime | None = None
    watch_renewed_at: UtcDatetime | None = None
