"""Staff (collection `role`)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app.db.repositories.base import DocumentRepository, Page
from app.models.base import PyObjectId
from app.models.role import LiveSession, StaffMember

SESSIONS_KEPT = 50
"""Most sign-ins of one person at once; one more ends the oldest."""


class StaffRepository(DocumentRepository[StaffMember]):
    """Queries over `role`. `insert` raises `DuplicateValueError(STAFF_EMAIL)`."""

    collection_name = "role"
    model = StaffMember

    async def with_email(self, email: str) -> StaffMember | None:
        """The member of staff with this (normalised) address."""
        return await self._find_one({"email": email})

    async def is_empty(self) -> bool:
        """Whether nobody could sign in at all."""
        return await self._find_one({}) is None

    async def page(self, *, page: int, limit: int) -> Page[StaffMember]:
        """By address."""
        return await self._page({}, sort=[("email", 1)], page=page, limit=limit)

    async def renew_hash(self, member: StaffMember, hashed: str) -> bool:
        """Keep the same password in a newer form, unless it was changed meanwhile."""
        guard = {"_id": member.id, "hashed_password": member.hashed_password}
        return await self._update(guard, {"$set": {"hashed_password": hashed}})

    async def open_session(self, member: StaffMember, session: LiveSession) -> bool:
        """Sign in, unless the account was closed or its password changed since it was compared."""
        guard = {
            "_id": member.id,
            "hashed_password": member.hashed_password,
            "disabled": member.disabled,
        }
        update = {
            "$push": {"sessions": {"$each": [session.to_stored()], "$slice": -SESSIONS_KEPT}},
            "$set": {"must_change_password": member.must_change_password},
        }
        return await self._update(guard, update)

    async def drop_ended_sessions(self, member_id: PyObjectId) -> None:
        """Those whose longest time is over; nothing waits for this."""
        ended = {"sessions": {"ends_at": {"$lte": self._clock.now()}}}
        await self._update({"_id": member_id}, {"$pull": ended})

    async def end_session(self, member_id: PyObjectId, session_id: PyObjectId) -> bool:
        """Sign out; whether that session was open."""
        guard = {"_id": member_id, "sessions.id": session_id}
        return await self._update(guard, {"$pull": {"sessions": {"id": session_id}}})

    async def set_password(
        self, member: StaffMember, hashed: str, keep: Iterable[LiveSession]
    ) -> bool:
        """Replace the password that `member` was read with and end all sessions but `keep`.

        `False` where it was replaced meanwhile.
        """
        guard = {"_id": member.id, "hashed_password": member.hashed_password, "disabled": False}
        return await self._update(guard, _new_password(hashed, keep))

    async def issue_link(self, member_id: PyObjectId, link_hash: str, until: datetime) -> bool:
        """Keep a one-time link in place of the one before; `False` for a closed account."""
        guard = {"_id": member_id, "disabled": False}
        fields = {"link_hash": link_hash, "link_expires_at": until}
        return await self._update(guard, {"$set": fields})

    async def with_link(self, link_hash: str) -> StaffMember | None:
        """Whose password this link sets, while it is good."""
        return await self._find_one(self._good_link(link_hash))

    async def use_link(self, link_hash: str, hashed: str) -> bool:
        """Set a password with a link and end all sessions, once: of two who try one does."""
        return await self._update(self._good_link(link_hash), _new_password(hashed, ()))

    def _good_link(self, link_hash: str) -> dict[str, Any]:
        good = {"link_expires_at": {"$gt": self._clock.now()}, "disabled": False}
        return {"link_hash": link_hash, **good}

    async def close(self, member_id: PyObjectId) -> bool:
        """Close an account: no session and no link of it is good any more."""
        gone = dict.fromkeys(("link_hash", "link_expires_at"), "")
        update = {"$set": {"disabled": True, "sessions": []}, "$unset": gone}
        return await self._update({"_id": member_id}, update)


def _new_password(hashed: str, keep: Iterable[LiveSession]) -> dict[str, Any]:
    fields = {
        "hashed_password": hashed,
        "must_change_password": False,
        "sessions": [session.to_stored() for session in keep],
    }
    gone = dict.fromkeys(("link_hash", "link_expires_at"), "")
    return {"$set": fields, "$unset": gone}
