"""What the connection is set to, and how long a block of calls may take."""

import asyncio
from typing import Any

import pytest
from pymongo.errors import WaitQueueTimeoutError

from app.db.database import OPERATION_SECONDS, UNAVAILABLE_ERRORS, Database, within
from tests.timing import stopwatch

NOBODY = "mongodb://127.0.0.1:1/"


class TestTimeLimit:
    @pytest.mark.parametrize(
        ("query", "seconds"),
        [
            ("", OPERATION_SECONDS),
            ("?timeoutMS=20000", 20.0),
            ("?timeoutms=20000", 20.0),
            ("?socketTimeoutMS=20000", None),
        ],
    )
    async def test_a_call_has_the_default_unless_the_uri_sets_one(
        self, query: str, seconds: float | None
    ) -> None:
        database = Database(NOBODY + query, "nobody")
        client: Any = database.collection("x").database.client

        assert client.options.timeout == seconds
        database.close()

    async def test_calls_in_a_block_share_its_time(self) -> None:
        database = Database(NOBODY, "nobody")

        async with stopwatch() as watch:
            async with within(0.4):
                for _ in range(6):
                    with pytest.raises(UNAVAILABLE_ERRORS):
                        await database.ping()
            assert watch.seconds < 2
        database.close()

    async def test_waiting_for_a_thread_counts(self) -> None:
        with pytest.raises(WaitQueueTimeoutError):
            async with within(0.1):
                await asyncio.sleep(5)
