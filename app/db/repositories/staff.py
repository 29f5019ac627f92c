"""Staff (collection `role`)."""

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

    async def end_session(self, member_id: PyObjectId, session_id: PyObjectId) -> bool:
        """Sign out; whether that session was open."""
        guard = {"_id": member_id, "sessions.id": session_id}
        return await self._update(guard, {"$pull": {"sessions": {"id": session_id}}})
