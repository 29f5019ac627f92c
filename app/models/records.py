"""Small documents the machinery keeps: leases, sweeps, suppressions, inbound events, audit."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime
from app.models.campaign import CampaignType


class SuppressionReason(StrEnum):
    """Why an address gets no more mail of some classes."""

    OPT_OUT = "opt_out"
    UNSUBSCRIBE_LINK = "unsubscribe_link"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCES = "soft_bounces"


UNDELIVERABLE = frozenset({SuppressionReason.HARD_BOUNCE, SuppressionReason.SOFT_BOUNCES})
"""Mail does not arrive there; all other reasons are wishes."""


class Suppression(Document):
    """An address, or a number in E.164, that nobody may be written to at, whoever it belongs to."""

    address: str
    reason: SuppressionReason
    at: UtcDatetime
    source: str


class BounceKind(StrEnum):
    """How a letter came back."""

    HARD = "hard"
    SOFT = "soft"


class Bounce(Document):
    """A letter that came back, once for each letter (`key`) and kind.

    Soft ones count until `cleared_at`: mail reached the address after them.
    """

    address: str
    kind: BounceKind
    key: str
    at: UtcDatetime
    source: str
    cleared_at: UtcDatetime | None = None


class InboundState(StrEnum):
    """Where a stored webhook event stands. `dead`: out of retries; staff see it."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    DEAD = "dead"


class InboundEvent(StoredModel):
    """A webhook delivery, stored before it is acknowledged. Its `_id` is what deduplicates it."""

    id: str = Field(alias="_id")
    source: str
    payload: dict[str, Any]
    raw: bytes | None = None
    """A fetched mail until it is processed; `is_cut` where its attachments were left out."""
    is_cut: bool | None = None
    state: InboundState = InboundState.PENDING
    attempts: int = 0
    term: int = 0
    not_before: UtcDatetime
    lease_until: UtcDatetime | None = None
    error: str | None = None
    note: str | None = None
    done_at: UtcDatetime | None = None
    created_at: UtcDatetime
    updated_at: UtcDatetime


class Lease(StoredModel):
    """Who may run a job just now. `term` grows at every change of holder and fences late writes."""

    id: str = Field(alias="_id")
    holder: str
    term: int
    expires_at: UtcDatetime


class EngineDay(StoredModel):
    """What all processes together used of a language model in a day. Its `_id` is the UTC date."""

    id: str = Field(alias="_id")
    tokens: int
    calls: int
    created_at: UtcDatetime
    updated_at: UtcDatetime


class SweepStatus(StrEnum):
    """Where a sweep stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class SweepCounts(StoredModel):
    """What a sweep did, or would do."""

    recovery_created: int = 0
    recall_created: int = 0
    messages_queued: int = 0
    recovery_failed: int = 0
    skipped: dict[str, int] = Field(default_factory=dict)

    def skip(self, reason: str) -> None:
        """Count one patient passed over."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


class PlannedContact(StoredModel):
    """Whom a dry run would write to, since when they are due, and why."""

    patient_id: PyObjectId
    campaign_type: CampaignType
    due_since: UtcDatetime
    reason: str


class Sweep(StoredModel):
    """One run of the sweep. `_id` is `auto:<local date>` for the daily one, else a random id."""

    id: str = Field(alias="_id")
    trigger: str
    dry_run: bool = False
    status: SweepStatus = SweepStatus.RUNNING
    counts: SweepCounts = Field(default_factory=SweepCounts)
    started_at: UtcDatetime
    finished_at: UtcDatetime | None = None
    started_by: str
    error: str | None = None
    planned: list[PlannedContact] = Field(default_factory=list)
    """Filled by a dry run, which is never stored."""


class IdempotencyRecord(StoredModel):
    """The first use of an `Idempotency-Key`.

    `resource_id` is chosen before the work: a retry after a crash finds what the first try made.
    """

    id: str = Field(alias="_id")
    body_hash: str
    resource_id: PyObjectId
    response_status: int | None = None
    response_body: dict[str, Any] | None = None
    created_at: UtcDatetime


class AuditEntry(Document):
    """Who saw or changed what, when. Append-only; see `app.models.audit` for the chain.

    `details` holds what a removed thing was. It may name people, so it alone can be taken out
    again: the chain holds its hash.
    """

    actor: str
    action: str
    subject: str
    subject_id: str | None = None
    at: UtcDatetime
    patient_ids: list[PyObjectId] = Field(default_factory=list)
    is_write: bool = True
    status: int | None = None
    request_id: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    details_hash: str | None = None
    writer: str | None = None
    seq: int | None = None
    prev: str | None = None
    hash: str | None = None


class AuditChain(StoredModel):
    """How far one process has written its entries, and how far the oldest have been removed.

    `seq` may lag behind the chain. Entries up to `removed_up_to` were kept for their time and
    removed; the next one's `prev` is `removed_hash`.
    """

    id: str = Field(alias="_id")
    seq: int = 0
    hash: str = ""
    removed_up_to: int = 0
    removed_hash: str = ""
    updated_at: UtcDatetime


class KnowledgeArticle(Document):
    """Something the agent may answer from, in the clinic's own words."""

    title: str
    body: str
    tags: list[str] = Field(default_factory=list)
    language: str = "en"


class UnansweredQuestion(Document):
    """A question nobody could answer from the knowledge base."""

    interaction_id: PyObjectId
    question: str
    """The message without names, addresses and numbers."""
    parts: list[str] = Field(default_factory=list)
    """The single questions in it."""
    settled: dict[str, UtcDatetime] = Field(default_factory=dict)
    """Which of `parts`, by its place, got an article or needs none, and since when."""
    at: UtcDatetime
