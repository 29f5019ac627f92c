"""A model that says what a test wrote down, without a server."""

import json
from typing import Any

import httpx

from app.core.config import Settings
from app.models.decision import Intent, Sentiment
from app.services.agent.context import NO_CONTEXT, ReplyContext
from app.services.agent.engine import LocalEngine
from app.services.agent.intent import IntentPrediction
from app.services.agent.llm.budget import Budget, Unmetered
from app.services.agent.llm.build import LanguageModel
from app.services.metrics import Metrics
from tests.factories import make_settings
from tests.fakes import FrozenClock
from tests.model_server import intent
from tests.services.agent.llm.conftest import models

Json = dict[str, Any]


class ScriptedModel:
    """Answers every reading with `reads`, and every question with the sentences of `says`."""

    def __init__(self) -> None:
        self.reads: Json = intent("BOOKING_REQUEST")
        self.says: Json = {"found": False, "sentences": []}
        self.sent: list[Json] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.MockTransport`."""
        asked = json.loads(request.content)
        self.sent.append(asked)
        form = asked["response_format"]["json_schema"]["name"]
        content = json.dumps(self.reads if form == "what_a_reply_wants" else self.says)
        usage = {"prompt_tokens": 400, "completion_tokens": 100}
        choice = {"message": {"content": content}, "finish_reason": "stop"}
        return httpx.Response(200, stream=_Whole(json.dumps({"choices": [choice], "usage": usage})))

    @property
    def data(self) -> list[Json]:
        """What it was given to read."""
        return [json.loads(asked["messages"][1]["content"]) for asked in self.sent]


class _Whole(httpx.AsyncByteStream):
    """A body in one piece."""

    def __init__(self, text: str) -> None:
        self._body = text.encode()

    async def __aiter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - httpx's own
        """See `AsyncByteStream`."""
        yield self._body


class Drowsy(LocalEngine):
    """The local engine, its classifier leaving every reply to the model beside it."""

    def __init__(self, intent: Intent = Intent.BOOKING_REQUEST, confidence: float = 0.9) -> None:
        super().__init__(models)
        self.intent = intent
        self.confidence = confidence
        self.secondary: tuple[Intent, ...] = ()

    async def classify(self, text: str, context: ReplyContext = NO_CONTEXT) -> IntentPrediction:
        """See `Engine`."""
        return IntentPrediction(
            probabilities={self.intent: self.confidence},
            intent=self.intent,
            confidence=self.confidence,
            secondary=self.secondary,
            sentiment=Sentiment.NEUTRAL,
        )


def engine_of(
    model: ScriptedModel,
    local: LocalEngine,
    *,
    budget: Budget | None = None,
    metrics: Metrics | None = None,
    clock: FrozenClock | None = None,
    **given: object,
) -> LanguageModel:
    """The engine as the service builds it, with `model` at the other end."""
    fields: Json = {"llm_base_url": "http://127.0.0.1/v1", "llm_model": "scripted-1"}
    settings: Settings = make_settings(**{**fields, **given})
    built = LanguageModel.build(
        settings,
        local=local,
        budget=budget or Unmetered(),
        metrics=metrics or Metrics(),
        clock=clock or FrozenClock(),
        http=httpx.AsyncClient(transport=httpx.MockTransport(model)),
    )
    assert built is not None
    return built
