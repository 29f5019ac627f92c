"""Reading a reply does its computing beside the event loop."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest

from app.models.decision import Intent
from app.models.interaction import Direction, Interaction
from app.services.agent.engine import LoadedModels, LocalEngine
from app.services.agent.reading import ReplyReader
from tests.agent_fakes import ScriptedEngine

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
SENDER = "dana@example.com"


def no_models() -> LoadedModels:
    """A machine on which the models cannot be opened."""
    message = "no models here"
    raise OSError(message)


class TestAside:
    async def test_guards_and_proposed_times_are_read_in_the_engines_thread(self) -> None:
        engine, threads = LocalEngine(no_models), list[str]()

        async def watched(work: Callable[[], T]) -> T:
            def noted() -> T:
                threads.append(threading.current_thread().name)
                return work()

            return await engine.run(noted)

        reader = ReplyReader(ScriptedEngine(), aside=watched)
        reply = Interaction(
            direction=Direction.INCOMING,
            content="My face is swollen. Tomorrow?",
            sender=SENDER,
            timestamp=NOW,
        )
        reading = await reader.read(reply, SENDER, date(2026, 11, 23))
        proposed = await reader.times_proposed(reply, ZoneInfo("America/New_York"), 30)
        engine.close()

        assert reading.analysis.intent == Intent.EMERGENCY
        assert str(proposed) == "Tue 2026-11-24"
        assert len(threads) == 2
        assert all(name.startswith("engine") for name in threads)

    async def test_guards_need_no_models(self) -> None:
        engine = LocalEngine(no_models)

        assert await engine.run(lambda: "read") == "read"
        with pytest.raises(OSError, match="no models"):
            await engine.warm_up()
        engine.close()
