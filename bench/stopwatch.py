"""CPU time of single functions of a running service, without a profiler's own cost.

A profiler charges for every call, most for those who make many small ones: it showed the engine at
twice its share.
"""

import functools
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi.routing import serialize_response

from app.services.scheduling.claims import busy_from_visits
from app.services.scheduling.engine import find_times

Function = Callable[..., Any]

OURS: Mapping[Function, str] = {
    find_times: "engine",
    busy_from_visits: "engine",
    serialize_response: "serialising",
}
"""What a month's free times cost beside the database's calls and the framework."""


class Stopwatch:
    """While it runs, every module that imported one of the functions calls a timed one."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.process = 0.0
        self._timed: dict[Function, Function] = {}
        self._started_at = 0.0

    def start(self) -> None:
        """Begin from zero."""
        self.parts = dict.fromkeys(OURS.values(), 0.0)
        self._timed = {function: self._timing(function) for function in OURS}
        _replace(self._timed)
        self._started_at = time.process_time()

    def stop(self) -> None:
        """Everything as it was; `parts` and `process` hold the CPU seconds."""
        self.process = time.process_time() - self._started_at
        _replace({timed: function for function, timed in self._timed.items()})

    def _timing(self, function: Function) -> Function:
        if inspect.iscoroutinefunction(function):
            # It awaits nothing while it serialises, so the time in it is its own.
            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as it is called
                started = time.thread_time()
                answer = await function(*args, **kwargs)
                self._add(function, started)
                return answer

            return awaited

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as it is called
            started = time.thread_time()
            answer = function(*args, **kwargs)
            self._add(function, started)
            return answer

        return called

    def _add(self, function: Function, started: float) -> None:
        self.parts[OURS[function]] += time.thread_time() - started


def _replace(functions: Mapping[Function, Function]) -> None:
    modules = [one for name, one in sys.modules.items() if name.startswith(("app.", "fastapi."))]
    for module in modules:
        for name, value in list(vars(module).items()):
            if inspect.isfunction(value) and value in functions:
                setattr(module, name, functions[value])
