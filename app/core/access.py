"""Whose data a piece of work has touched so far, and on whose behalf it is done.

Repositories note every patient they read or write; whoever watches a piece of work (a request, one
round of a worker) learns of all of them. So nothing that touches a patient can forget to say so.
"""

from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

NOBODY_KNOWN = "public"
"""The actor of what is done without a sign-in: a page or operation for patients."""


@dataclass
class Access:
    """What has been touched since the work began, in the order it came up."""

    actor: str = NOBODY_KNOWN
    patients: dict[Any, None] = field(default_factory=dict)
    is_over: bool = False

    def take(self) -> list[Any]:
        """The patients noted since the last time they were taken."""
        taken = list(self.patients)
        self.patients.clear()
        return taken


_current: ContextVar[Access | None] = ContextVar("access", default=None)


class watch_access:  # noqa: N801 - reads as a statement
    """Note in the block, and in tasks it starts while it lasts, whose data is touched."""

    def __init__(self, actor: str = NOBODY_KNOWN) -> None:
        self._access = Access(actor)

    def __enter__(self) -> Access:
        self._token = _current.set(self._access)
        return self._access

    def __exit__(self, *_: object) -> None:
        self._access.is_over = True  # a task that outlives the block notes nothing any more
        _current.reset(self._token)


def note_patient(patient_id: Hashable) -> None:
    """This patient's data was read or written, where anybody watches."""
    access = _current.get()
    if access is not None and not access.is_over:
        access.patients[patient_id] = None


def note_actor(actor: str) -> None:
    """It is done on behalf of `actor`, where anybody watches."""
    access = _current.get()
    if access is not None:
        access.actor = actor
