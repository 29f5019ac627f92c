"""Claims: how a visit occupies its provider, its chair and its patient.

Time is cut into absolute 5-minute buckets (seconds since 1970, divided by 300). An appointment
carries one claim per resource and bucket, "p:<provider id>@<bucket>", and a unique index on them
makes a second appointment on the same bucket fail in the database. What is free is computed from
the fields of the visit that its claims are made of, by the same arithmetic, so that a time shown as
free is exactly one the index would accept.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from app.models.appointment import HeldTime
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
    visit = _span(starts_at, duration_minutes, 0, 0)
    with_buffers = _span(starts_at, duration_minutes, buffer_before, buffer_after)
    return [
        *_claims(provider_key(provider_id), with_buffers),
        *_claims(chair_key(chair_id), with_buffers),
        *_claims(patient_key(patient_id), visit),
    ]


def _span(starts_at: datetime, duration: int, before: int, after: int) -> BucketSpan:
    """The buckets of a visit with its buffers (minutes), as `buckets_between` would.

    In whole seconds: a month of a full practice asks this thousands of times.
    """
    since = starts_at - _EPOCH
    start = since.days * 86_400 + since.seconds
    end = start + 60 * duration + bool(since.microseconds)
    return (start - 60 * before) // BUCKET_SECONDS, -(-(end + 60 * after) // BUCKET_SECONDS)


def _claims(resource: str, span: BucketSpan) -> list[str]:
    return [f"{resource}@{bucket}" for bucket in range(*span)]


def busy_from_visits(
    visits: Iterable[HeldTime],
    patient_id: PyObjectId | None = None,
    unplaced: Iterable[str] = (),
) -> dict[str, list[BucketSpan]]:
    """What stored visits claim: for each provider and chair ("p:<id>", ...) its busy spans.

    The same arithmetic as the claims', so it takes exactly the buckets they do. Of patients only
    the one who asks matters; the others' times would be most of the keys and are left out.
    `unplaced` are the few claims of visits that the book has no place for yet. Raises ValueError
    for a text that is no claim.
    """
    # By their bytes: an id's own comparison is Python, and there are thousands of visits.
    providers: defaultdict[bytes, list[BucketSpan]] = defaultdict(list)
    chairs: defaultdict[bytes, list[BucketSpan]] = defaultdict(list)
    own: list[BucketSpan] = []
    for provider_id, chair_id, whose, starts_at, duration, before, after in visits:
        with_buffers = _span(starts_at, duration, before, after)
        providers[provider_id.binary].append(with_buffers)
        chairs[chair_id.binary].append(with_buffers)
        if patient_id is not None and whose == patient_id:
            own.append(_span(starts_at, duration, 0, 0))
    busy = {provider_key(one.hex()): spans for one, spans in providers.items()}
    busy |= {chair_key(one.hex()): spans for one, spans in chairs.items()}
    if patient_id is not None:
        busy[patient_key(patient_id)] = own
    for claim in unplaced:
        resource, _, bucket = claim.rpartition("@")
        busy.setdefault(resource, []).append((int(bucket), int(bucket) + 1))
    return busy
