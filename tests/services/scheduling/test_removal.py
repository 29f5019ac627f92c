"""Removing what a visit may be booked with at the same moment."""

from collections.abc import Awaitable, Callable

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.schedule import Provider
from app.services.scheduling.removal import StillNeededError, remove
from tests.fakes import FrozenClock
from tests.services.scheduling.practice import build_practice, furnish

pytestmark = pytest.mark.mongo


async def provider_of(repositories: Repositories) -> Provider:
    (provider,) = await repositories.providers.every()
    return provider


def needed_at(*looks: int) -> Callable[[], Awaitable[None]]:
    """Finds a visit at these looks, counted from 1."""
    looked = 0

    async def require_unneeded() -> None:
        nonlocal looked
        looked += 1
        if looked in looks:
            message = "needed"
            raise StillNeededError(message)

    return require_unneeded


class TestRemove:
    async def test_is_out_of_use_before_anybody_looks(self, repositories: Repositories) -> None:
        await furnish(repositories)
        seen: list[bool] = []

        async def look() -> None:
            seen.extend(one.active for one in await repositories.providers.every())

        await remove(repositories.providers, await provider_of(repositories), look)

        assert seen == [False]
        assert await repositories.providers.every() == []

    @pytest.mark.parametrize("look", [1, 2])
    @pytest.mark.parametrize("is_active", [True, False])
    async def test_what_a_visit_needs_is_as_it_was(
        self, *, repositories: Repositories, look: int, is_active: bool
    ) -> None:
        """Also where the visit came between the first look and the removal."""
        await furnish(repositories)
        provider = await provider_of(repositories)
        await repositories.providers.update_fields(provider.id, {"active": is_active})
        before = await provider_of(repositories)

        with pytest.raises(StillNeededError):
            await remove(repositories.providers, before, needed_at(look))

        after = await provider_of(repositories)
        changed = {"created_at", "updated_at"}
        assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)

    async def test_nobody_books_with_what_is_being_removed(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        await furnish(repositories)
        practice = build_practice(repositories, settings, clock)
        patient = await practice.add_patient()
        refused: list[str] = []

        async def book_meanwhile() -> None:
            try:
                await practice.book(patient, "2026-08-24T09:00")
            except Exception as error:  # noqa: BLE001 - which one is what is looked at
                refused.append(type(error).__name__)

        await remove(repositories.providers, await provider_of(repositories), book_meanwhile)

        assert refused == ["NotBookableError", "NotBookableError"]
        assert await practice.every_visit() == []
