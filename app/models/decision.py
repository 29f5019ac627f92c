"""What was decided about one message, and on what evidence (stored as `ai_analysis`)."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Intent(StrEnum):
    """What a reply wants (the first six), or what a guard found before any engine ran."""

    BOOKING_REQUEST = "BOOKING_REQUEST"
    SERVICE_DENIAL = "SERVICE_DENIAL"
    QUESTION = "QUESTION"
    IRRELEVANT_CONFUSED = "IRRELEVANT_CONFUSED"
    OPT_OUT = "OPT_OUT"
    EMERGENCY = "EMERGENCY"
    AUTO_REPLY = "AUTO_REPLY"
    BOUNCE = "BOUNCE"
    UNVERIFIED_SENDER = "UNVERIFIED_SENDER"
    THIRD_PERSON = "THIRD_PERSON"


# What an engine may answer; the rest of `Intent` is the guards' to say.
ENGINE_INTENTS: tuple[Intent, ...] = (
    Intent.BOOKING_REQUEST,
    Intent.SERVICE_DENIAL,
    Intent.QUESTION,
    Intent.IRRELEVANT_CONFUSED,
    Intent.OPT_OUT,
    Intent.EMERGENCY,
)


class Sentiment(StrEnum):
    """The mood of a message."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class Urgency(StrEnum):
    """How soon a person has to look."""

    NORMAL = "normal"
    URGENT = "urgent"


Probability = Annotated[float, Field(ge=0.0, le=1.0)]
# Short on purpose: evidence names a rule, a header or a score, it is no second copy of the message.
EvidenceNote = Annotated[str, Field(max_length=200)]


MAX_PASSAGES = 20


class PassageEvidence(BaseModel):
    """A sentence of an article, and how well it fits what was asked."""

    model_config = ConfigDict(extra="forbid")

    knowledge_id: str
    title: Annotated[str, Field(max_length=200)]
    position: int = Field(ge=1)
    """Which sentence of the article, from 1."""
    score: Probability


class Evidence(BaseModel):
    """Why the decision was taken: enough for a person to check it, nothing more."""

    model_config = ConfigDict(extra="forbid")

    guard: Annotated[str, Field(max_length=60)] | None = None
    """The guard that decided, where one did."""
    notes: list[EvidenceNote] = Field(default_factory=list, max_length=20)
    """Rules, headers or phrases that led to the decision."""
    probabilities: dict[Intent, Probability] = Field(default_factory=dict)
    """What the engine gave each intent."""
    knowledge_ids: list[str] = Field(default_factory=list, max_length=10)
    """Articles an answer was taken from."""
    passages: list[PassageEvidence] = Field(default_factory=list, max_length=MAX_PASSAGES)
    """The sentences it quotes; where none answers, the nearest."""
    fallback_reason: EvidenceNote | None = None
    """Why another engine than the configured one answered."""


class EngineUsage(BaseModel):
    """What asking a model about one message came to, all questions together."""

    model_config = ConfigDict(extra="forbid")

    calls: int = Field(default=0, ge=0)
    """Requests made, repeated ones counted."""
    milliseconds: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost: float | None = Field(default=None, ge=0)
    """In the currency of `LLM_INPUT_PRICE`; `None` where no prices are set."""

    def plus(self, other: "EngineUsage") -> "EngineUsage":
        """Both together."""
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return EngineUsage(
            calls=self.calls + other.calls,
            milliseconds=self.milliseconds + other.milliseconds,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=sum(costs) if costs else None,
        )


class AiAnalysis(BaseModel):
    """The decision record of one incoming message."""

    model_config = ConfigDict(extra="forbid")

    intent: Intent
    sentiment: Sentiment = Sentiment.NEUTRAL
    confidence: Probability | None = None
    """How sure the engine was, 0 to 1; `None` where a rule decided."""
    urgency: Urgency = Urgency.NORMAL
    engine: str
    """`local`, `openai` or `guard`."""
    engine_version: str | None = None
    evidence: Evidence = Field(default_factory=Evidence)
    secondary_intents: list[Intent] = Field(default_factory=list)
    """What else the message asked for."""
    usage: EngineUsage | None = None
    """What asking a model cost; `None` where none was asked."""
    milliseconds: int | None = Field(default=None, ge=0)
    """How long reading and deciding took, waiting included."""
