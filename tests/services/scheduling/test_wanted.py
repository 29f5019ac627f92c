"""Proposed times in an address: figures, and nothing else gets in or out."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models.proposal import ProposedTimes
from app.services.agent.proposed.reading import proposed_times
from app.services.scheduling.wanted import as_query, read_query

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)


def proposed(text: str) -> ProposedTimes | None:
    """What a reply proposes."""
    return proposed_times(text, NOW, ZoneInfo("America/New_York"), 180)


class TestQuery:
    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("Thursday after 5", "20261126-20261126.1700-2400"),
            ("Mondays and Wednesdays", "20261123-20261216.w02"),
            ("Tue at 3 or Fri at 10am", "20261124-20261124.1500-1600_20261127-20261127.1000-1100"),
        ],
    )
    def test_it_comes_back_as_it_went(self, text: str, query: str) -> None:
        assert as_query(proposed(text)) == query
        assert as_query(read_query(query, TODAY)) == query

    def test_what_is_unclear_is_not_in_it(self) -> None:
        assert as_query(proposed("12/3 at 9")) == ""
        assert as_query(None) == ""

    def test_what_has_passed_falls_out(self) -> None:
        found = read_query("20261101-20261102_20261201-20261201", TODAY)

        assert as_query(found) == "20261201-20261201"
        assert read_query("20261101-20261102", TODAY) is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "tomorrow",
            "20261131-20261131",
            "20261202-20261201",
            "20261201-20991201",
            "20261201-20261201.w7",
            "20261201-20261201.2500-2600",
            "20261201-20261201_<script>",
            "２0261201-20261201",  # noqa: RUF001 - a digit of another script
            "20261201-20261201_" * 40,
        ],
    )
    def test_anything_else_is_none(self, text: str) -> None:
        assert read_query(text, TODAY) is None

    @settings(max_examples=100, deadline=None)
    @given(st.one_of(st.text(max_size=60), st.from_regex(r"[0-9]{8}-[0-9]{8}(\.[w0-9-]*)*")))
    def test_no_text_makes_it_fail(self, text: str) -> None:
        read_query(text, TODAY)
