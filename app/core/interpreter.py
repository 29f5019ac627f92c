"""How a process of ours runs Python: its threads' turns, and its search for garbage."""

import gc
import sys

TURN_SECONDS = 0.001
"""A fifth of CPython's own: how long a thread that computes may keep the event loop waiting once it
wants to go on. Measured with `python -m bench.agent_lag`; what it costs is below what can be
measured, because hardly ever more than one thread computes."""


def take_short_turns() -> None:
    """Hand the interpreter's lock on sooner, in the whole process."""
    sys.setswitchinterval(TURN_SECONDS)


def keep_for_good() -> None:
    """Leave everything there is out of every later search for garbage.

    Some 280,000 objects are loaded that are never thrown away (modules, routes, models): to look
    through them took 130 ms and more, in which the whole process stood still. It takes no time
    itself. What already is garbage in cycles is kept as well (some hundred objects), so it is for
    a process that has loaded what it needs and serves until it ends.
    """
    gc.freeze()
