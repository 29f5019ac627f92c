"""Queries over `mailboxes`. The cursor of a mailbox only moves forward; the database sees to it."""

from datetime import datetime

from app.db.errors import DuplicateValueError
from app.db.repositories.base import DocumentRepository
from app.models.mailbox import Look, Mailbox, Trouble


class MailboxRepository(DocumentRepository[Mailbox]):
    """One document a mailbox."""

    collection_name = "mailboxes"
    model = Mailbox

    async def with_address(self, address: str) -> Mailbox | None:
        """The mailbox, once it was read for the first time."""
        return await self._find_one({"address": address})

    async def latest(self) -> Mailbox | None:
        """The mailbox that was read last: the one in use."""
        return await self._find_one({}, sort=[("synced_at", -1)])

    async def begin(self, mailbox: Mailbox) -> Mailbox:
        """Start to read a mailbox, once; the one that stands."""
        try:
            return await self.insert(mailbox)
        except DuplicateValueError:
            return await self.with_address(mailbox.address) or mailbox

    async def advance(self, address: str, history_id: int) -> bool:
        """Move the cursor forward; `False` where it is there already, or further."""
        guard = {"address": address, "history_id": {"$lt": history_id}}
        fields = {"history_id": history_id, "advanced_at": self._clock.now()}
        return await self._update(guard, {"$set": fields})

    async def note_sync(self, address: str, began_at: datetime) -> bool:
        """Everything that came until `began_at` is stored; a later look stands."""
        guard = {"address": address, "synced_at": {"$lt": began_at}}
        return await self._update(guard, {"$set": {"synced_at": began_at}})

    async def note_look(self, address: str, look: Look) -> bool:
        """How far everything was looked through."""
        return await self._update({"address": address}, {"$set": {"look": look.to_stored()}})

    async def end_look(self, address: str, look: Look) -> bool:
        """It came to its end: the cursor and the time of the last look move, together."""
        reached = {"history_id": look.history_id, "synced_at": look.began_at}
        changes = {"$set": {"advanced_at": self._clock.now()}, "$unset": {"look": ""}}
        return await self._update({"address": address}, {"$max": reached, **changes})

    async def note_watch(self, address: str, *, renewed_at: datetime, expires_at: datetime) -> bool:
        """Gmail promised to notify until `expires_at`."""
        fields = {"watch_renewed_at": renewed_at, "watch_expires_at": expires_at}
        return await self._update({"address": address}, {"$set": fields})

    async def note_notified(self, address: str, at: datetime) -> bool:
        """Gmail told of a change at `at`, or later."""
        return await self._update({"address": address}, {"$max": {"notified_at": at}})

    async def note_trouble(self, address: str, trouble: Trouble) -> bool:
        """What went wrong last; of several processes the newest stands."""
        guard = {
            "address": address,
            "$or": [{"trouble": {"$exists": False}}, {"trouble.at": {"$lt": trouble.at}}],
        }
        return await self._update(guard, {"$set": {"trouble": trouble.to_stored()}})

    async def note_pause(self, address: str, until: datetime) -> bool:
        """Nothing is sent until then; of several processes the longest stands."""
        return await self._update({"address": address}, {"$max": {"paused_until": until}})
