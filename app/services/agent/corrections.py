"""Staff correct what the agent read in a message; each correction is labelled data.

A correction changes what the message is known as and nothing else: no status, no letter, no
opt-out. Those are staff's to do by their own operations.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.repositories import Repositories
from app.models.base import PyObjectId, UtcDatetime
from app.models.decision import Intent
from app.models.interaction import Direction, IntentCorrection, Interaction
from app.models.patient import Patient
from app.models.role import StaffMember
from app.services.agent.llm.redaction import redacted
from app.services.conversations import staff_actor
from app.services.outreach.letters import language_of

BATCH = 200
OWNER_ALONE = 0o600


class MessageNotFoundError(NotFoundError):
    """There is no such message."""

    slug = "interaction-not-found"
    title = "No such message"

    def __init__(self) -> None:
        super().__init__("There is no message with this id.")


class NotReadByAgentError(ConflictError):
    """The agent decided nothing about this message, so there is nothing to correct."""

    slug = "not-read-by-agent"
    title = "Not read by the agent"

    def __init__(self) -> None:
        super().__init__("The agent decided nothing about this message.")


class LabelledCorrection(BaseModel):
    """One line of the export: the form of the training replies, and where the label comes from."""

    model_config = ConfigDict(extra="forbid")

    label: Intent
    lang: str
    text: str
    said: Intent
    engine: str
    engine_version: str | None
    at: UtcDatetime

    @classmethod
    def of(cls, interaction: Interaction, patient: Patient | None) -> Self | None:
        """Without the patient's names, addresses and numbers; `None` where nothing is left."""
        correction = interaction.correction
        names = (patient.name,) if patient else ()
        text = redacted(interaction.content, names).strip()
        if correction is None or not text:
            return None
        return cls(
            label=correction.intent,
            lang=language_of(patient.language if patient else ""),
            text=text,
            said=correction.said,
            engine=correction.engine,
            engine_version=correction.engine_version,
            at=correction.at,
        )


class IntentCorrections:
    """Keeps corrections beside the messages, and gives them out as labelled replies."""

    def __init__(self, repositories: Repositories, clock: Clock) -> None:
        self._repositories = repositories
        self._clock = clock

    async def correct(
        self, interaction_id: PyObjectId, intent: Intent, *, by: StaffMember
    ) -> Interaction:
        """Say what a message wanted. A second word replaces the first, which is kept.

        The same word again changes nothing; the agent's own confirms it.
        Raises `MessageNotFoundError`, `NotReadByAgentError`.
        """
        interactions = self._repositories.interactions
        message = await interactions.get(interaction_id)
        if message is None:
            raise MessageNotFoundError
        said = message.ai_analysis
        if said is None or message.direction != Direction.INCOMING:
            raise NotReadByAgentError
        correction = IntentCorrection(
            intent=intent,
            said=said.intent,
            by=staff_actor(by),
            at=self._clock.now(),
            engine=said.engine,
            engine_version=said.engine_version,
        )
        await interactions.correct_intent(interaction_id, correction)
        return await interactions.get(interaction_id) or message

    async def write(self, file: Path, since: datetime) -> int:
        """Write those made at or after `since` into a new file, a line each; how many.

        What patients wrote is in it: it is readable by its owner alone, and an existing file is
        not touched (`FileExistsError`).
        """
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ALONE)
        written = 0
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            async for correction in self._labelled(since):
                line = json.dumps(correction.model_dump(mode="json"), ensure_ascii=False)
                target.write(f"{line}\n")
                written += 1
        return written

    async def _labelled(self, since: datetime) -> AsyncIterator[LabelledCorrection]:
        batch: list[Interaction] = []
        async for interaction in self._repositories.interactions.stream_corrected(since):
            batch.append(interaction)
            if len(batch) == BATCH:
                for correction in await self._of(batch):
                    yield correction
                batch = []
        for correction in await self._of(batch):
            yield correction

    async def _of(self, batch: Sequence[Interaction]) -> list[LabelledCorrection]:
        ids = [one.patient_id for one in batch if one.patient_id]
        patients = await self._repositories.patients.get_many(ids)
        found = (
            LabelledCorrection.of(one, patients.get(one.patient_id) if one.patient_id else None)
            for one in batch
        )
        return [correction for correction in found if correction]
