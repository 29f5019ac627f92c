"""How often a contact may be looked up in vain: the answer tells whether somebody is a patient."""

import contextlib
from collections.abc import AsyncIterator

from app.models.patient import normalise_email
from app.services.rate_limits import Counted, RateLimiter


class LookupLimit:
    """Counts look-ups of a contact that found nobody."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    @contextlib.asynccontextmanager
    async def counted(self, email: str | None, phone: str | None) -> AsyncIterator[None]:
        """Around a look-up: counted before it, so that many at once are no way round, and given
        back where it found somebody, which is to say, raised nothing. Raises
        `TooManyRequestsError`.
        """
        rule = self._limiter.rules.lookup
        contacts = (normalise_email(email) if email else None, phone)
        taken: list[Counted] = [(rule, contact) for contact in contacts if contact]
        for counted in taken:
            await self._limiter.admit(*counted)
        yield
        await self._limiter.give_back(taken)
