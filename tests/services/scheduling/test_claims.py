"""Claims: what a visit occupies, written and read back."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.scheduling.claims import (
    bucket_ceil,
    bucket_floor,
    bucket_start,
    buckets_between,
    busy_from_claims,
    claims_for,
)

NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
SPANS = st.tuples(st.integers(0, 600), st.integers(1, 200))
"""Minutes after nine, and how many of them."""
BUCKET = int(NINE.timestamp()) // 300


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class TestBuckets:
    def test_floor_and_ceil_agree_only_on_the_raster(self) -> None:
        assert bucket_floor(NINE) == bucket_ceil(NINE) == BUCKET
        assert bucket_floor(NINE + timedelta(milliseconds=1)) == BUCKET
        assert bucket_ceil(NINE + timedelta(milliseconds=1)) == BUCKET + 1

    def test_start_undoes_floor(self) -> None:
        assert bucket_start(BUCKET) == NINE


class TestClaimsFor:
    def test_provider_and_chair_with_buffers_patient_without(self) -> None:
        claims = claims_for(
            "dr", "1", "pat", NINE, duration_minutes=10, buffer_before=5, buffer_after=10
        )

        assert claims == [
            *(f"p:dr@{BUCKET + step}" for step in (-1, 0, 1, 2, 3)),
            *(f"c:1@{BUCKET + step}" for step in (-1, 0, 1, 2, 3)),
            *(f"u:pat@{BUCKET + step}" for step in (0, 1)),
        ]

    def test_takes_partly_used_buckets_whole(self) -> None:
        claims = claims_for(
            "dr",
            "1",
            "pat",
            NINE + minutes(2),
            duration_minutes=5,
            buffer_before=3,
            buffer_after=4,
        )

        assert busy_from_claims(claims) == {
            "p:dr": [(BUCKET - 1, BUCKET + 3)],
            "c:1": [(BUCKET - 1, BUCKET + 3)],
            "u:pat": [(BUCKET, BUCKET + 2)],
        }

    def test_visits_that_touch_share_no_claim(self) -> None:
        first = claims_for("dr", "1", "pat", NINE, duration_minutes=60)
        second = claims_for("dr", "1", "pat", NINE + minutes(60), duration_minutes=60)

        assert not set(first) & set(second)

    @pytest.mark.parametrize(
        ("duration", "before", "after"), [(0, 0, 0), (-5, 0, 0), (5, -5, 0), (5, 0, -5)]
    )
    def test_refuses_a_visit_that_would_claim_too_little(
        self, duration: int, before: int, after: int
    ) -> None:
        with pytest.raises(ValueError, match="at least a minute"):
            claims_for(
                "dr",
                "1",
                "pat",
                NINE,
                duration_minutes=duration,
                buffer_before=before,
                buffer_after=after,
            )

    @given(SPANS, SPANS, st.integers(0, 30), st.integers(0, 30))
    def test_overlapping_visits_always_collide(
        self, first: tuple[int, int], second: tuple[int, int], before: int, after: int
    ) -> None:
        start, length = first
        other, lasting = second
        one = claims_for("dr", "1", "ann", NINE + minutes(start), duration_minutes=length)
        two = claims_for(
            "dr",
            "2",
            "bob",
            NINE + minutes(other),
            duration_minutes=lasting,
            buffer_before=before,
            buffer_after=after,
        )

        if start < other + lasting + after and other - before < start + length:
            assert set(one) & set(two)


class TestBusyFromClaims:
    def test_merges_what_touches_and_keeps_gaps(self) -> None:
        claims = [f"p:dr@{bucket}" for bucket in (7, 3, 2, 9, 1, 8)]

        assert busy_from_claims(claims) == {"p:dr": [(1, 4), (7, 10)]}

    def test_nothing_claimed_is_nothing_busy(self) -> None:
        assert busy_from_claims([]) == {}

    @pytest.mark.parametrize("claim", ["p:dr", "p:dr@", "p:dr@noon"])
    def test_refuses_what_is_no_claim(self, claim: str) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            busy_from_claims([claim])

    @given(st.sets(st.tuples(st.sampled_from(["p:a", "c:b"]), st.integers(0, 60))))
    def test_loses_and_invents_nothing(self, taken: set[tuple[str, int]]) -> None:
        busy = busy_from_claims(f"{resource}@{bucket}" for resource, bucket in taken)

        assert {
            (resource, bucket)
            for resource, spans in busy.items()
            for span in spans
            for bucket in range(*span)
        } == taken
        for spans in busy.values():
            assert all(end < start for (_, end), (start, _) in pairwise(spans))

    @given(st.datetimes(datetime(1999, 1, 1), datetime(2080, 1, 1)), st.integers(1, 480))  # noqa: DTZ001
    def test_reads_back_the_visit(self, start: datetime, duration: int) -> None:
        start = start.replace(tzinfo=UTC)
        claims = claims_for("a", "b", "c", start, duration_minutes=duration)

        span = buckets_between(start, start + minutes(duration))
        assert busy_from_claims(claims) == {"p:a": [span], "c:b": [span], "u:c": [span]}
