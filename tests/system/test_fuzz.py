"""The short form of `make fuzz`: two requests an operation, with and without a sign-in."""

from pathlib import Path

import pytest

from tests.fuzz import fuzz

pytestmark = pytest.mark.mongo


async def test_no_operation_fails_or_answers_beyond_its_schema(tmp_path: Path) -> None:
    assert await fuzz(tmp_path, examples=2, phases="fuzzing") == [0, 0]
