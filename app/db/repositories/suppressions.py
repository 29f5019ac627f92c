"""To whom nothing may be sent, and what came back."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.repositories.base import DocumentRepository
from app.models.records import Bounce, BounceKind, Suppression, SuppressionReason

ERASURE = "erasure"
_SEAL = "hmac-sha256:"


class SuppressionRepository(DocumentRepository[Suppression]):
    """Queries over `suppressions`."""

    collection_name = "suppressions"
    model = Suppression

    _key = b""

    def seal_with(self, key: str) -> None:
        """The secret that erased addresses are kept under."""
        self._key = hashlib.sha256(f"suppressions:{key}".encode()).digest()

    def sealed(self, address: str) -> str:
        """An erased address as it is kept: whoever has it recognises it, nobody can read it."""
        return f"{_SEAL}{hmac.new(self._key, address.encode(), hashlib.sha256).hexdigest()}"

    async def for_address(self, address: str) -> Suppression | None:
        """Why this (normalised) address may not be written to, or `None`."""
        return (await self.among([address])).get(address)

    async def among(self, addresses: list[str]) -> dict[str, Suppression]:
        """Which of these addresses are suppressed, those of erased patients among them (one query
        for a whole batch).
        """
        if not addresses:
            return {}
        sealed = {self.sealed(address): address for address in addresses}
        found = await self._find({"address": {"$in": [*addresses, *sealed]}})
        hidden = [one for one in found if one.address in sealed]
        plain = [one for one in found if one.address not in sealed]
        return {sealed.get(one.address, one.address): one for one in (*hidden, *plain)}

    async def seal(self, address: str, at: datetime) -> None:
        """Keep a hash in place of the address: it is not written to again. Harmless twice."""
        entry = Suppression(
            address=self.sealed(address), reason=SuppressionReason.OPT_OUT, at=at, source=ERASURE
        )
        await self.add(entry)
        await self._collection.delete_one({"address": address})

    async def add(self, suppression: Suppression) -> bool:
        """Suppress once; whether it is new."""
        try:
            await self.insert(suppression)
        except DuplicateValueError:
            return False
        return True

    async def escalate(
        self, suppression: Suppression, replacing: Iterable[SuppressionReason]
    ) -> bool:
        """Give a suppressed address a stronger reason than one of `replacing`; whether it did."""
        fields = {"reason": suppression.reason, "source": suppression.source}
        guard = {"address": suppression.address, "reason": {"$in": list(replacing)}}
        return await self._update(guard, {"$set": fields})

    async def remove(
        self, address: str, reasons: Iterable[SuppressionReason], *, until: datetime | None = None
    ) -> bool:
        """Lift a suppression that stands for one of `reasons`; whether there was one.

        One that was made after `until` stays.
        """
        either = {"$in": [address, self.sealed(address)]}
        query: dict[str, Any] = {"address": either, "reason": {"$in": list(reasons)}}
        if until is not None:
            query["at"] = {"$lte": until}
        result = await self._collection.delete_one(query)
        return result.deleted_count == 1


class BounceRepository(DocumentRepository[Bounce]):
    """Queries over `bounces`."""

    collection_name = "bounces"
    model = Bounce

    async def record(self, bounce: Bounce) -> bool:
        """Keep it once for each letter and kind; whether it is new."""
        try:
            await self.insert(bounce)
        except DuplicateValueError:
            return False
        return True

    async def count_soft(self, address: str, since: datetime) -> int:
        """Letters that came back softly from an address after `since`, none having arrived."""
        query = {
            "address": address,
            "kind": BounceKind.SOFT,
            "at": {"$gt": since},
            "cleared_at": {"$exists": False},
        }
        return await self._collection.count_documents(query)

    async def clear_soft(self, address: str, until: datetime) -> None:
        """Mail reached the address at `until`: what came back before counts no more."""
        guard = {
            "address": address,
            "kind": BounceKind.SOFT,
            "at": {"$lte": until},
            "cleared_at": {"$exists": False},
        }
        await self._collection.update_many(guard, {"$set": {"cleared_at": self._clock.now()}})
