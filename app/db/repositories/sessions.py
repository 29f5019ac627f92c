"""Sign-ins and their refresh tokens (collection `sessions`)."""

from datetime import datetime

from app.db.repositories.base import DocumentRepository
from app.models.session import Session

USED_HASHES_KEPT = 200
"""A token used longer ago is refused like any other unknown one; at one refresh in a quarter of an
hour a session of twelve hours uses 48.
"""


class SessionRepository(DocumentRepository[Session]):
    """Queries over `sessions`."""

    collection_name = "sessions"
    model = Session

    async def rotate(self, session: Session, fresh_hash: str, idle_until: datetime) -> bool:
        """Put another token in the place of the one that is good; of two who try one does."""
        used = {"$each": [session.token_hash], "$slice": -USED_HASHES_KEPT}
        fields = {
            "token_hash": fresh_hash,
            "refreshed_at": self._clock.now(),
            "idle_until": idle_until,
        }
        guard = {"_id": session.id, "token_hash": session.token_hash}
        return await self._update(guard, {"$set": fields, "$push": {"used_hashes": used}})
