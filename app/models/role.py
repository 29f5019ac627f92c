"""Staff. The collection keeps the owner's name `role`; the class says what it is."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime


class StaffRole(StrEnum):
    """What somebody may do, least first."""

    READ_ONLY = "READ_ONLY"
    FRONT_DESK = "FRONT_DESK"
    OFFICE_MANAGER = "OFFICE_MANAGER"
    ADMIN = "ADMIN"

    def includes(self, other: "StaffRole") -> bool:
        """Whether this role may do everything `other` may."""
        ranks = list(StaffRole)
        return ranks.index(self) >= ranks.index(other)


EMERGENCY_ROLE = StaffRole.OFFICE_MANAGER
"""Everything about patients and the schedule; not the accounts, the audit log and erasure."""


class LiveSession(StoredModel):
    """A sign-in that has not been ended, and when it ends by itself."""

    id: PyObjectId
    ends_at: UtcDatetime


class PendingFactor(StoredModel):
    """A second factor that was shown once and waits for its first code."""

    sealed_secret: str
    expires_at: UtcDatetime


class SecondFactor(StoredModel):
    """What makes the codes beside a password: an encrypted secret, and what of it is used up."""

    id: PyObjectId
    sealed_secret: str
    enabled_at: UtcDatetime
    last_step: int
    """Thirty seconds since 1970 of the code that was used last: it and those before are void."""
    recovery_hashes: list[str]
    """Of the recovery codes that are left."""


class StaffMember(Document):
    """A person who signs in.

    `sessions` decides who is signed in: every request reads this document anyway, so that a
    session's end costs no other look-up, and ending all of them is one write.
    """

    name: str
    email: str
    role: StaffRole
    hashed_password: str
    disabled: bool = False
    must_change_password: bool = False
    sessions: list[LiveSession] = Field(default_factory=list)
    link_hash: str | None = None
    """Of the one-time link with which a password is set, while there is one."""
    link_expires_at: UtcDatetime | None = None
    second_factor: SecondFactor | None = None
    pending_factor: PendingFactor | None = None
    emergency_until: UtcDatetime | None = None
    """Until when they may do what `EMERGENCY_ROLE` may."""
    emergency_session: PyObjectId | None = None
    """The session that took those rights, and the only one that has them."""
    emergency_alert_due_at: UtcDatetime | None = None
    """When they took them, while the others are yet to be told; it outlasts the rights."""

    def acts_as(self, session_id: PyObjectId, now: datetime) -> StaffRole:
        """The role whose rights they have `now` in this session, where any are lent."""
        is_lent = self.emergency_until is not None and now < self.emergency_until
        is_here = self.emergency_session == session_id
        if is_lent and is_here and not self.role.includes(EMERGENCY_ROLE):
            return EMERGENCY_ROLE
        return self.role

    def session(self, session_id: PyObjectId, now: datetime) -> LiveSession | None:
        """The session with this id while it lasts."""
        return next(
            (one for one in self.sessions if one.id == session_id and now < one.ends_at), None
        )
