"""Taking a provider, a chair or a service out of the book for good.

No index ties a visit to them, so the order of steps does: out of use first, then looked whether a
visit needs it, then removed, then looked again. A booking that read the practice before the first
step and is stored after the last one leaves a visit that `GET /admin/schedule/stranded` lists.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.core.errors import ConflictError
from app.db.repositories.schedule import SetupRepository
from app.models.schedule import Chair, Provider, Service

NeededT = TypeVar("NeededT", Provider, Chair, Service)


class StillNeededError(ConflictError):
    """Visits still to come need it: take it out of use (`active: false`) instead."""

    slug = "still-needed"
    title = "Visits still to come need this"


async def remove(
    repository: SetupRepository[NeededT],
    item: NeededT,
    require_unneeded: Callable[[], Awaitable[None]],
) -> None:
    """Remove it; where `require_unneeded` raises `StillNeededError`, it is as it was.

    A crash leaves it out of use at most.
    """
    if item.active:
        await repository.update_fields(item.id, {"active": False})
    try:
        await require_unneeded()
    except StillNeededError:
        await repository.update_fields(item.id, {"active": item.active})
        raise
    await repository.delete(item.id)
    try:
        await require_unneeded()
    except StillNeededError:
        await repository.insert(item)
        raise
