"""What an engine may be told around a reply, and what it tells about itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.models.decision import AiAnalysis, EngineUsage, Evidence

MAX_NOTES = 20


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation; what the practice sent is told by its kind alone."""

    is_patient: bool
    text: str


async def _nothing_before() -> Sequence[Turn]:
    return ()


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """Where a reply stands. An engine that needs nothing of it asks for nothing."""

    names: tuple[str, ...] = ()
    """The patient's names: for taking them out of what leaves this machine."""
    earlier: Callable[[], Awaitable[Sequence[Turn]]] = _nothing_before
    """Fetches what was said before, oldest first."""


NO_CONTEXT = ReplyContext()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who said something, and what it took."""

    engine: str
    version: str | None
    usage: EngineUsage | None = None
    fallback_reason: str | None = None
    """Why it was not the configured engine."""
    notes: tuple[str, ...] = ()

    def add_to(self, analysis: AiAnalysis) -> None:
        """Complete the record of a message with what answering it took."""
        analysis.usage = _both(analysis.usage, self.usage)
        self.note_in(analysis.evidence)

    def note_in(self, evidence: Evidence) -> None:
        """The reason of a fallback, and the notes; the first reason stays."""
        if evidence.fallback_reason is None:
            evidence.fallback_reason = self.fallback_reason
        evidence.notes = [*evidence.notes, *self.notes][:MAX_NOTES]


def _both(one: EngineUsage | None, other: EngineUsage | None) -> EngineUsage | None:
    if one is None or other is None:
        return one or other
    return one.plus(other)
