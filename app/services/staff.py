"""Who works here and what they may do, as administrators keep it."""

import secrets
from collections.abc import Mapping
from typing import Any

from app.core.clock import Clock
from app.core.errors import ConflictError, ForbiddenError, NotFoundError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.models.base import PyObjectId
from app.models.patient import normalise_email
from app.models.records import AuditEntry
from app.models.role import StaffMember, StaffRole
from app.services.leases import Leases
from app.services.passwords import PasswordHasher

LEASE = "staff-administration"
OWN_ACCOUNT_KEEPS = ("role", "active")


class DuplicateStaffError(ConflictError):
    """Another member of staff signs in with this address."""

    slug = "duplicate-staff"
    title = "This address is taken"


class OwnAccountError(ConflictError):
    """Nobody closes their own account or lowers their own role: the last one would lock all out."""

    slug = "own-account"
    title = "Another administrator has to do this"


class StaffNotFoundError(NotFoundError):
    """No such member of staff."""

    slug = "staff-not-found"
    title = "No such member of staff"


class StaffAdministration:
    """Staff accounts. Changes count from the next request of whoever is changed."""

    def __init__(
        self, repositories: Repositories, hasher: PasswordHasher, leases: Leases, clock: Clock
    ) -> None:
        self._staff = repositories.staff
        self._audit = repositories.audit
        self._hasher = hasher
        self._leases = leases
        self._clock = clock

    async def page(self, *, page: int, limit: int) -> Page[StaffMember]:
        """By address."""
        return await self._staff.page(page=page, limit=limit)

    async def create(self, fields: Mapping[str, Any], *, by: StaffMember) -> StaffMember:
        """An account that nobody can sign in to until a password is set with a link.

        Raises `DuplicateStaffError`, `BusyError`.
        """
        # A hash like any other, or its absence would show in how soon a guess is answered.
        hashed = await self._hasher.hash(secrets.token_urlsafe(32))
        email = normalise_email(fields["email"])
        member = StaffMember(**{**fields, "email": email}, hashed_password=hashed)
        try:
            await self._staff.insert(member)
        except DuplicateValueError as error:
            raise DuplicateStaffError(_TAKEN) from error
        await self._note("staff.created", member.id, by, {"role": member.role})
        return member

    async def update(
        self, member_id: PyObjectId, fields: Mapping[str, Any], *, by: StaffMember
    ) -> StaffMember:
        """Change name, address, role or whether the account is open (`active`).

        One change at a time in the whole practice: two administrators who close each other's
        accounts would leave nobody. Raises `StaffNotFoundError`, `OwnAccountError`,
        `DuplicateStaffError`, `ForbiddenError` where `by` is no administrator any more, and
        `ConflictError`.
        """
        if member_id == by.id and any(name in fields for name in OWN_ACCOUNT_KEEPS):
            message = "Your own role and account are another administrator's to change."
            raise OwnAccountError(message)
        async with self._leases.hold(LEASE) as held:
            if held is None:
                message = "Another administrator is changing staff just now. Please try again."
                raise ConflictError(message)
            await self._require_admin(by.id)
            await self._write(member_id, fields)
            if fields.get("active") is False:
                await self._staff.close(member_id)
        kept = {name: fields[name] for name in OWN_ACCOUNT_KEEPS if name in fields}
        await self._note("staff.changed", member_id, by, {**kept, "fields": sorted(fields)})
        return await self._get(member_id)

    async def _write(self, member_id: PyObjectId, fields: Mapping[str, Any]) -> None:
        changed = {name: fields[name] for name in ("name", "role") if name in fields}
        if "email" in fields:
            changed["email"] = normalise_email(fields["email"])
        if fields.get("active"):
            changed["disabled"] = False
        try:
            found = await self._staff.change(member_id, changed)
        except DuplicateValueError as error:
            raise DuplicateStaffError(_TAKEN) from error
        if not found:
            raise StaffNotFoundError(_NOBODY)

    async def _require_admin(self, actor_id: PyObjectId) -> None:
        actor = await self._staff.get(actor_id)
        if actor is None or actor.disabled or actor.role != StaffRole.ADMIN:
            message = "You are no administrator any more."
            raise ForbiddenError(message)

    async def _get(self, member_id: PyObjectId) -> StaffMember:
        member = await self._staff.get(member_id)
        if member is None:
            raise StaffNotFoundError(_NOBODY)
        return member

    async def _note(
        self, action: str, member_id: PyObjectId, by: StaffMember, details: Mapping[str, Any]
    ) -> None:
        entry = AuditEntry(
            actor=f"staff:{by.id}",
            action=action,
            subject="staff",
            subject_id=str(member_id),
            at=self._clock.now(),
            details=dict(details),
        )
        await self._audit.insert(entry)


_NOBODY = "There is no member of staff with this id."
_TAKEN = "Another member of staff signs in with this address."
