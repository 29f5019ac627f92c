"""Claims: how a visit occupies its provider, its chair and its patient.

Time is cut into absolute 5-minute buckets (seconds since 1970, divided by 300). An appointment
carries one claim per resource and bucket, "p:<provider id>@<bucket>", and a unique index on them
makes a second appointment on the same bucket fail in the database. What is free is read back from
the same claims, so that a time shown as free is exactly one the index would accept.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from app.models.base import PyObjectId
from app.models.schedule import RASTER_MINUTES

BucketSpan = tuple[int, int]
"""Buckets from (inclusive) and until (exclusive)."""

BUCKET_SECONDS = RASTER_MINUTES * 60
_BUCKET = timedelta(seconds=BUCKET_SECONDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def provider_key(provider_id: PyObjectId | str) -> str:
    """How claims name a provider."""
    return f"p:{provider_id}"


def chair_key(chair_id: PyObjectId | str) -> str:
    """How claims name a chair."""
    return f"c:{chair_id}"


def patient_key(patient_id: PyObjectId | str) -> str:
    """How claims name a patient, whose own visits must not overlap either."""
    return f"u:{patient_id}"


def bucket_floor(instant: datetime) -> int:
    """The bucket that `instant` (aware) lies in."""
    return (instant - _EPOCH) // _BUCKET


def bucket_ceil(instant: datetime) -> int:
    """The first bucket that starts at `instant` (aware) or later."""
    return -((_EPOCH - instant) // _BUCKET)


def bucket_start(bucket: int) -> datetime:
    """The instant (UTC) at which a bucket starts."""
    return datetime.fromtimestamp(bucket * BUCKET_SECONDS, UTC)


def buckets_between(starts_at: datetime, ends_at: datetime) -> BucketSpan:
    """Every bucket that [starts_at, ends_at) touches: a partly used one is taken as a whole."""
    return bucket_floor(starts_at), bucket_ceil(ends_at)


def claims_for(
    provider_id: PyObjectId | str,
    chair_id: PyObjectId | str,
    patient_id: PyObjectId | str,
    starts_at: datetime,
    *,
    duration_minutes: int,
    buffer_before: int = 0,
    buffer_after: int = 0,
) -> list[str]:
    """The claims of one visit: provider and chair with the buffers (minutes), the patient without.

    Raises ValueError for a duration that is not positive or a negative buffer: such a visit would
    claim nothing and collide with nobody.
    """
    if duration_minutes <= 0 or buffer_before < 0 or buffer_after < 0:
        message = "A visit lasts at least a minute and its buffers are not negative."
        raise ValueError(message)
    ends_at = starts_at + timedelta(minutes=duration_minutes)
    visit = buckets_between(starts_at, ends_at)
    with_buffers = buckets_between(
        starts_at - timedelta(minutes=buffer_before), ends_at + timedelta(minutes=buffer_after)
    )
    return [
        *_claims(provider_key(provider_id), with_buffers),
        *_claims(chair_key(chair_id), with_buffers),
        *_claims(patient_key(patient_id), visit),
    ]


def _claims(resource: str, span: BucketSpan) -> list[str]:
    return [f"{resource}@{bucket}" for bucket in range(*span)]


def busy_from_claims(claims: Iterable[str]) -> dict[str, list[BucketSpan]]:
    """Stored claims read back: for each resource ("p:<id>", ...) its busy spans.

    Spans are sorted and do not touch each other. Raises ValueError for a text that is no claim.
    """
    taken: defaultdict[str, list[str]] = defaultdict(list)
    for claim in claims:
        resource, _, bucket = claim.rpartition("@")
        taken[resource].append(bucket)
    return {resource: _spans({int(one) for one in taken[resource]}) for resource in taken}


def _spans(buckets: set[int]) -> list[BucketSpan]:
    """Runs of consecutive buckets: one starts where none is before, ends where none comes after."""
    starts = sorted([one for one in buckets if one - 1 not in buckets])
    ends = sorted([one + 1 for one in buckets if one + 1 not in buckets])
    return list(zip(starts, ends, strict=True))
