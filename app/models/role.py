"""Staff. The collection keeps the owner's name `role`; the class says what it is."""

from enum import StrEnum

from app.models.base import Document


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


class StaffMember(Document):
    """A person who signs in. `token_generation` grows to end every session at once."""

    name: str
    email: str
    role: StaffRole
    hashed_password: str
    disabled: bool = False
    token_generation: int = 0
