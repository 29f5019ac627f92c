"""What holds for every test of whole processes."""

from collections.abc import Iterator

import pytest

from tests.plans import QUERIES


@pytest.fixture(scope="module", autouse=True)
def _unwatched() -> Iterator[None]:
    """The service asks from processes of its own: what is asked from here only looks at what is
    stored, and needs no index.
    """
    QUERIES.is_watching = False
    yield
    QUERIES.is_watching = True
