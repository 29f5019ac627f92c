"""Staff (collection `role`)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.db.repositories.base import DocumentRepository, Page
from app.models.base import PyObjectId
from app.models.role import LiveSession, PendingFactor, SecondFactor, StaffMember

SESSIONS_KEPT = 50
"""Most sign-ins of one person at once; one more ends the oldest."""
_LINK = ("link_hash", "link_expires_at")
_EMERGENCY = ("emergency_until", "emergency_session")


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

    async def change(self, member_id: PyObjectId, fields: Mapping[str, Any]) -> bool:
        """Set what an administrator changed; a role that is set takes lent rights back. Whether
        there is such a member. Raises `DuplicateValueError(STAFF_EMAIL)`.
        """
        return await self.update_fields(
            member_id, fields, unset=_EMERGENCY if "role" in fields else ()
        )

    async def renew_hash(self, member: StaffMember, hashed: str) -> bool:
        """Keep the same password in a newer form, unless it was changed meanwhile."""
        guard = {"_id": member.id, "hashed_password": member.hashed_password}
        return await self._update(guard, {"$set": {"hashed_password": hashed}})

    async def open_session(self, member: StaffMember, session: LiveSession) -> bool:
        """Sign in, unless the account was closed, or its password or second factor changed, since
        they were compared.
        """
        factor = member.second_factor
        guard = {
            "_id": member.id,
            "hashed_password": member.hashed_password,
            "disabled": member.disabled,
            "second_factor.id": factor.id if factor else None,
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

    async def set_password(self, member: StaffMember, hashed: str, keep: LiveSession) -> bool:
        """Replace the password that `member` was read with and end all sessions but `keep`.

        `False` where it was replaced, or that session ended, meanwhile.
        """
        guard = {
            "_id": member.id,
            "hashed_password": member.hashed_password,
            "disabled": False,
            "sessions.id": keep.id,
        }
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
        return await self._update(self._good_link(link_hash), _new_password(hashed, None))

    def _good_link(self, link_hash: str) -> dict[str, Any]:
        good = {"link_expires_at": {"$gt": self._clock.now()}, "disabled": False}
        return {"link_hash": link_hash, **good}

    async def offer_factor(
        self, member_id: PyObjectId, pending: PendingFactor, session: LiveSession
    ) -> bool:
        """Keep a second factor until it is confirmed; `False` where one is on already, or the
        session that asked has ended.
        """
        guard = {
            "_id": member_id,
            "disabled": False,
            "second_factor.id": None,
            "sessions.id": session.id,
        }
        return await self._update(guard, {"$set": {"pending_factor": pending.to_stored()}})

    async def enable_factor(
        self, member_id: PyObjectId, factor: SecondFactor, keep: LiveSession
    ) -> bool:
        """Turn the pending factor on and end all sessions but one, unless that one has ended; of
        two who try one does.
        """
        guard = {
            "_id": member_id,
            "disabled": False,
            "sessions.id": keep.id,
            "second_factor.id": None,
            "pending_factor.sealed_secret": factor.sealed_secret,
        }
        fields = {"second_factor": factor.to_stored(), "sessions": [keep.to_stored()]}
        return await self._update(guard, {"$set": fields, "$unset": {"pending_factor": ""}})

    async def use_step(self, member_id: PyObjectId, factor_id: PyObjectId, step: int) -> bool:
        """Use the code of a step up, with all before it; of two who try one does."""
        guard = {
            "_id": member_id,
            "second_factor.id": factor_id,
            "second_factor.last_step": {"$lt": step},
        }
        return await self._update(guard, {"$set": {"second_factor.last_step": step}})

    async def use_recovery_code(
        self, member_id: PyObjectId, factor_id: PyObjectId, hashed: str
    ) -> bool:
        """Use a recovery code up; of two who try one does."""
        named = "second_factor.recovery_hashes"
        guard = {"_id": member_id, "second_factor.id": factor_id, named: hashed}
        return await self._update(guard, {"$pull": {named: hashed}})

    async def reseal_factor(self, member_id: PyObjectId, factor: SecondFactor, sealed: str) -> bool:
        """Keep the same secret under another key."""
        guard = {"_id": member_id, "second_factor.sealed_secret": factor.sealed_secret}
        return await self._update(guard, {"$set": {"second_factor.sealed_secret": sealed}})

    async def remove_factor(
        self, member_id: PyObjectId, factor_id: PyObjectId, keep: LiveSession | None
    ) -> bool:
        """Turn the second factor off, take lent rights back and end all sessions but `keep`;
        `False` where that one has ended, or the factor is gone.
        """
        guard = {"_id": member_id, "second_factor.id": factor_id}
        if keep is not None:
            guard["sessions.id"] = keep.id
        gone = dict.fromkeys(("second_factor", "pending_factor", *_EMERGENCY), "")
        return await self._update(guard, {"$set": {"sessions": _only(keep)}, "$unset": gone})

    async def begin_emergency(
        self,
        member: StaffMember,
        session: LiveSession,
        until: datetime,
        *,
        owed_since: datetime | None = None,
    ) -> bool:
        """Lend more rights to one session until then, and owe the others word of it (`owed_since`)
        in the same step; `False` where it ended, or the account was
        closed or got another role or password, since `member` was read.
        """
        guard = {
            "_id": member.id,
            "disabled": False,
            "role": member.role,
            "hashed_password": member.hashed_password,
            "sessions.id": session.id,
        }
        lent: dict[str, Any] = {"emergency_until": until, "emergency_session": session.id}
        if owed_since is not None:
            lent["emergency_alert_due_at"] = owed_since
        return await self._update(guard, {"$set": lent})

    async def owed_emergency_alerts(self) -> list[StaffMember]:
        """Who took more rights without the others having been told."""
        owed = {"emergency_alert_due_at": {"$exists": True}}
        return await self._find(owed, sort=[("emergency_alert_due_at", 1)])

    async def settle_emergency_alert(self, member_id: PyObjectId, since: datetime) -> bool:
        """They were told of it; of rights that were taken anew meanwhile they are still to be."""
        guard = {"_id": member_id, "emergency_alert_due_at": since}
        return await self._update(guard, {"$unset": {"emergency_alert_due_at": ""}})

    async def end_emergency(self, member_id: PyObjectId) -> bool:
        """Take them back; whether any were lent."""
        guard = {"_id": member_id, "emergency_until": {"$gt": self._clock.now()}}
        return await self._update(guard, {"$unset": dict.fromkeys(_EMERGENCY, "")})

    async def close(self, member_id: PyObjectId) -> bool:
        """Close an account: no session and no link of it is good any more."""
        gone = dict.fromkeys((*_LINK, *_EMERGENCY), "")
        update = {"$set": {"disabled": True, "sessions": []}, "$unset": gone}
        return await self._update({"_id": member_id}, update)


def _only(keep: LiveSession | None) -> list[dict[str, Any]]:
    return [] if keep is None else [keep.to_stored()]


def _new_password(hashed: str, keep: LiveSession | None) -> dict[str, Any]:
    """Whatever a stranger took with the one before goes with it, lent rights too."""
    fields = {
        "hashed_password": hashed,
        "must_change_password": False,
        "sessions": _only(keep),
    }
    gone = dict.fromkeys((*_LINK, *_EMERGENCY), "")
    return {"$set": fields, "$unset": gone}
