"""`Idempotency-Key`: a request that is repeated is answered once.

The first use of a key stores the hash of its body and the id of what it will make. Whoever comes
later with the same key, a retry after a crash or twenty requests at once, makes that same thing
or finds it made: the primary key of the thing decides, not a lock.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.core.clock import Clock
from app.core.errors import AppError, UnprocessableError
from app.db.repositories.records import IdempotencyRepository
from app.models.base import PyObjectId, new_id
from app.models.records import IdempotencyRecord

CREATED = 201
REPLAYED_REFUSALS = frozenset({404, 409, 422})
"""Answers about the request. A 5xx is about us, and the next try may succeed."""

Answer = dict[str, Any]


class IdempotencyKeyReusedError(UnprocessableError):
    """The key belongs to a request with another body."""

    slug = "idempotency-key-reused"
    title = "This key was used for another request"


class OnceOnly:
    """Runs the work behind an idempotency key at most once, as far as anybody can see."""

    def __init__(self, repository: IdempotencyRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    async def answer(
        self,
        *,
        route: str,
        key: str,
        body: Mapping[str, Any],
        find: Callable[[PyObjectId], Awaitable[Answer | None]],
        make: Callable[[PyObjectId], Awaitable[Answer]],
    ) -> Answer:
        """What `make` answered for this key first, whether a body or a refusal.

        `find` looks up what a run of the same request has made under the id; `make` makes it.
        Raises `IdempotencyKeyReusedError` for another body, and the refusals of `make`.
        """
        record = await self._begin(f"{route}:{key}", _hash(body))
        if record.response_status == CREATED and record.response_body is not None:
            return record.response_body
        made = await find(record.resource_id)
        if made is not None:
            return await self._keep(record, made)
        _raise_stored_refusal(record)
        try:
            made = await make(record.resource_id)
        except AppError as refusal:
            if refusal.status not in REPLAYED_REFUSALS:
                raise
            made = await self._after_refusal(record, refusal, find)
        return await self._keep(record, made)

    async def _begin(self, record_id: str, body_hash: str) -> IdempotencyRecord:
        now = self._clock.now()
        mine = IdempotencyRecord(
            id=record_id, body_hash=body_hash, resource_id=new_id(), created_at=now
        )
        record = await self._repository.begin(mine)
        if record.body_hash != body_hash:
            message = "This Idempotency-Key was used with another body. Use a new key."
            raise IdempotencyKeyReusedError(message)
        return record

    async def _after_refusal(
        self,
        record: IdempotencyRecord,
        refusal: AppError,
        find: Callable[[PyObjectId], Awaitable[Answer | None]],
    ) -> Answer:
        """Another run of the same request may have been the reason; if so, its work is ours."""
        made = await find(record.resource_id)
        if made is not None:
            return made
        body = {
            "slug": refusal.slug,
            "title": refusal.title,
            "detail": refusal.detail,
            "extra": refusal.extra,
        }
        if not await self._repository.complete(record.id, refusal.status, body):
            _raise_stored_refusal(await self._repository.begin(record))
        raise refusal

    async def _keep(self, record: IdempotencyRecord, body: Answer) -> Answer:
        """The answer kept first, so that runs at the same time answer alike."""
        if await self._repository.complete(record.id, CREATED, body):
            return body
        first = await self._repository.begin(record)
        is_success = first.response_status == CREATED and first.response_body is not None
        return first.response_body if is_success and first.response_body else body


def _hash(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _raise_stored_refusal(record: IdempotencyRecord) -> None:
    """The refusal as it was answered, of a class with the same status, slug and title."""
    status, body = record.response_status, record.response_body
    if status is None or body is None or status == CREATED:
        return
    kind = {"status": status, "slug": body["slug"], "title": body["title"]}
    replayed: type[AppError] = type("ReplayedRefusal", (AppError,), kind)
    raise replayed(body["detail"], extra=body["extra"])
