"""How the threads of one process share the interpreter."""

import sys

TURN_SECONDS = 0.001
"""A fifth of CPython's own: how long a thread that computes may keep the event loop waiting once it
wants to go on. Measured with `python -m bench.agent_lag`; what it costs is below what can be
measured, because hardly ever more than one thread computes."""


def take_short_turns() -> None:
    """Hand the interpreter's lock on sooner, in the whole process."""
    sys.setswitchinterval(TURN_SECONDS)
