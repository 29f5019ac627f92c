"""Claims: what a visit occupies, written and read back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.appointment import HeldTime
from app.models.base import new_id
from app.services.scheduling.claims import (
    bucket_ceil,
    bucket_floor,
    bucket_start,
    buckets_between,
    busy_from_visits,
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

        assert claims == [
            *(f"p:dr@{BUCKET + step}" for step in (-1, 0, 1, 2)),
            *(f"c:1@{BUCKET + step}" for step in (-1, 0, 1, 2)),
            *(f"u:pat@{BUCKET + step}" for step in (0, 1)),
        ]

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


class TestBusyFromVisits:
    """What is free is computed from the fields the claims are made of, and must be the same."""

    def test_names_provider_chair_and_the_patient_who_asks(self) -> None:
        provider, chair, ann, bob = (new_id() for _ in range(4))
        visits = [
            HeldTime(provider, chair, ann, NINE, 10, 5, 10),
            HeldTime(provider, chair, bob, NINE + minutes(60), 5, 0, 0),
        ]

        with_buffers, later = (BUCKET - 1, BUCKET + 4), (BUCKET + 12, BUCKET + 13)
        both = {f"p:{provider}": [with_buffers, later], f"c:{chair}": [with_buffers, later]}
        assert busy_from_visits(visits) == both
        assert busy_from_visits(visits, ann) == {**both, f"u:{ann}": [(BUCKET, BUCKET + 2)]}
        assert busy_from_visits(visits, new_id())

    def test_what_has_no_place_yet_takes_its_claims(self) -> None:
        provider, chair, ann = (new_id() for _ in range(3))
        visits = [HeldTime(provider, chair, ann, NINE, 5, 0, 0)]

        busy = busy_from_visits(visits, None, [f"p:{provider}@7", "c:other@8"])

        own = (BUCKET, BUCKET + 1)
        assert busy == {
            f"p:{provider}": [own, (7, 8)],
            f"c:{chair}": [own],
            "c:other": [(8, 9)],
        }

    @pytest.mark.parametrize("claim", ["p:dr", "p:dr@", "p:dr@noon"])
    def test_refuses_what_is_no_claim(self, claim: str) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            busy_from_visits([], None, [claim])

    def test_nothing_booked_is_nothing_busy(self) -> None:
        assert busy_from_visits([]) == {}

    @given(
        st.datetimes(datetime(1931, 1, 1), datetime(2080, 1, 1)),  # noqa: DTZ001
        st.integers(1, 480),
        st.integers(0, 240),
        st.integers(0, 240),
    )
    def test_takes_exactly_the_buckets_of_the_claims(
        self, start: datetime, duration: int, before: int, after: int
    ) -> None:
        provider, chair, patient = (new_id() for _ in range(3))
        start = start.replace(tzinfo=UTC)
        claims = claims_for(
            provider,
            chair,
            patient,
            start,
            duration_minutes=duration,
            buffer_before=before,
            buffer_after=after,
        )

        visit = HeldTime(provider, chair, patient, start, duration, before, after)
        busy = busy_from_visits([visit], patient)

        assert {
            f"{resource}@{bucket}"
            for resource, spans in busy.items()
            for span in spans
            for bucket in range(*span)
        } == set(claims)
        end = start + minutes(duration)
        assert busy[f"u:{patient}"] == [buckets_between(start, end)]
        assert busy[f"p:{provider}"] == [
            buckets_between(start - minutes(before), end + minutes(after))
        ]
