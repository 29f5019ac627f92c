"""Staff (collection `role`)."""

from app.db.repositories.base import DocumentRepository, Page
from app.models.role import StaffMember


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
