"""What crosses the wire to a model server and back; what comes back is input and read strictly."""

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.models.decision import ENGINE_INTENTS, Intent, Sentiment
from app.services.agent.llm.faults import LlmError, LlmFault

MAX_SENTENCES = 8
MAX_SENTENCE_CHARACTERS = 600

TokenCount = Annotated[int, Field(ge=0, le=10_000_000)]


def _of_an_engine(intent: Intent) -> Intent:
    """What guards find is not a model's to say."""
    if intent not in ENGINE_INTENTS:
        message = "not an intent of an engine"
        raise ValueError(message)
    return intent


SpokenIntent = Annotated[Intent, AfterValidator(_of_an_engine)]


class Form(BaseModel):
    """What a model is asked to fill in, and held to whatever its server promises."""

    model_config = ConfigDict(extra="forbid")

    form_name: ClassVar[str]
    properties: ClassVar[dict[str, Any]]
    """The properties as JSON Schema, with only what every server understands (no bounds)."""

    @classmethod
    def response_format(cls) -> dict[str, Any]:
        """The `response_format` of a request: structured output by a JSON schema."""
        schema = {
            "type": "object",
            "properties": cls.properties,
            "required": list(cls.properties),
            "additionalProperties": False,
        }
        wanted = {"name": cls.form_name, "strict": True, "schema": schema}
        return {"type": "json_schema", "json_schema": wanted}


_INTENT = {"type": "string", "enum": [intent.value for intent in ENGINE_INTENTS]}


class WhatItWants(Form):
    """What a reply wants, out of six, and nothing else."""

    form_name = "what_a_reply_wants"
    properties = {
        "intent": _INTENT,
        "confidence": {"type": "number"},
        "also": {"type": "array", "items": _INTENT},
        "sentiment": {"type": "string", "enum": [mood.value for mood in Sentiment]},
    }

    intent: SpokenIntent
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
    also: Annotated[list[SpokenIntent], Field(max_length=len(ENGINE_INTENTS))]
    sentiment: Sentiment


class PickedSentences(Form):
    """Sentences of the passages that answer a question, or none."""

    form_name = "sentences_that_answer"
    properties = {
        "found": {"type": "boolean"},
        "sentences": {"type": "array", "items": {"type": "string"}},
    }

    found: Annotated[bool, Field(strict=True)]
    sentences: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_SENTENCE_CHARACTERS)]],
        Field(max_length=MAX_SENTENCES),
    ]


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None

    @property
    def wants_more_than_to_speak(self) -> bool:
        return bool(self.tool_calls or self.function_call)


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class TokensUsed(BaseModel):
    """What the server says a request took."""

    prompt_tokens: TokenCount
    completion_tokens: TokenCount


class _Envelope(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1, max_length=1)]
    usage: Any = None


FormT = TypeVar("FormT", bound=Form)


def read_envelope(raw: bytes) -> tuple[str, TokensUsed | None]:
    """The content of a chat completion and what it took. Raises `LlmError`."""
    try:
        envelope = _Envelope.model_validate_json(raw)
    except ValidationError as error:
        raise LlmError(LlmFault.INVALID_ANSWER) from error
    choice = envelope.choices[0]
    if choice.message.wants_more_than_to_speak:
        raise LlmError(LlmFault.WRONG_SCHEMA)
    if choice.finish_reason not in {None, "stop"}:
        raise LlmError(LlmFault.UNFINISHED)
    if not (choice.message.content or "").strip():
        raise LlmError(LlmFault.EMPTY_ANSWER)
    return choice.message.content or "", _tokens(envelope.usage)


def read_content(content: str, form: type[FormT]) -> FormT:
    """What the model says, in the form that was asked for. Raises `LlmError`."""
    try:
        return form.model_validate_json(content)
    except ValidationError as error:
        raise LlmError(LlmFault.WRONG_SCHEMA) from error


def _tokens(usage: object) -> TokensUsed | None:
    """Servers on the premises often count nothing; what is no count is none."""
    try:
        return TokensUsed.model_validate(usage)
    except ValidationError:
        return None
