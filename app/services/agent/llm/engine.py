"""The engine that asks a language model, and lets it do nothing else than answer two questions.

What a reply wants: the model says one of six intents, and the trained classifier runs beside it.
Where either sees an emergency or an opt-out, or the classifier is clear that a person has to read
it, that holds. What answers a question: the model picks sentences of the articles, and is held to
them. Wherever it fails, the local engine answers and the record says why.
"""

import asyncio
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic

from app.models.decision import EngineUsage, Intent
from app.models.records import KnowledgeArticle
from app.services.agent.answering import (
    NEAREST,
    NOT_FOUND,
    Answer,
    candidates,
    questions_in,
    quoting,
)
from app.services.agent.context import NO_CONTEXT, Provenance, ReplyContext
from app.services.agent.engine import LocalEngine
from app.services.agent.intent import IntentPrediction
from app.services.agent.llm.client import ChatClient, Meter
from app.services.agent.llm.faults import LlmError, LlmFault
from app.services.agent.llm.prompts import (
    Messages,
    answering_prompt,
    prompt_version,
    reading_prompt,
)
from app.services.agent.llm.redaction import without_names
from app.services.agent.llm.support import (
    holds_what_was_asked,
    only_what_answers,
    supported,
)
from app.services.agent.llm.wire import FormT, PickedSentences, WhatItWants
from app.services.agent.retrieval import KnowledgeIndex, ScoredPassage
from app.services.metrics import Metrics

NAMED_TOO = 0.5
"""What an intent counts that the model names beside the main one: the form has no figure for it,
and an emergency or an opt-out must reach its bar (`verdict`). The same for either of the two where
it is what the classifier finds likeliest, however unsure it is."""
CLEARLY_FOR_A_PERSON = 0.6
"""From here on the classifier's word that the loop has no business with a reply outweighs the
model's: instructions to the machine are of that class. Set by that thought, not fitted."""
PASSAGES = 16
TOKENS_OF_A_PRICE = 1_000_000

_PROTECTED = (Intent.EMERGENCY, Intent.OPT_OUT)


@dataclass(frozen=True)
class Prices:
    """Of a million tokens; `None` where nobody set them."""

    sent: float | None = None
    received: float | None = None

    def cost(self, meter: Meter) -> float | None:
        """What the counted tokens cost."""
        if self.sent is None and self.received is None:
            return None
        sent = meter.input_tokens * (self.sent or 0.0)
        return (sent + meter.output_tokens * (self.received or 0.0)) / TOKENS_OF_A_PRICE


@dataclass(frozen=True)
class _Asked(Generic[FormT]):
    """What came of asking: an answer, or what went wrong."""

    answer: FormT | None
    fault: LlmFault | None
    usage: EngineUsage


@dataclass(frozen=True)
class _Sought:
    """What is asked. Looking for it is CPU work, on long messages of 100 ms: not for the loop."""

    message: str
    about: str | None

    @functools.cached_property
    def questions(self) -> list[str]:
        """One by one; empty where it is more than can be answered."""
        return questions_in(self.message)

    def passages(self, index: KnowledgeIndex) -> list[ScoredPassage]:
        """Those that may answer any of the questions, each once, the best of all first."""
        found = [p for one in self.questions for p in candidates(index, one, self.about)]
        best_first = sorted(found, key=lambda passage: -passage.score)
        once = {(passage.article_id, passage.position): passage for passage in best_first}
        return list(once.values())[:PASSAGES]


class OpenAiEngine:
    """A model behind an OpenAI-compatible API, with the local engine beside and behind it."""

    name = "openai"

    def __init__(
        self,
        *,
        client: ChatClient,
        local: LocalEngine,
        model: str,
        prices: Prices,
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._local = local
        self._prices = prices
        self._metrics = metrics
        self._version = f"{model[:80]} prompt {prompt_version()}"

    @property
    def version(self) -> str | None:
        """The model asked for, and the wording it is asked in."""
        return self._version

    @property
    def is_broken(self) -> bool:
        """See `Engine`: the local engine is."""
        return self._local.is_broken

    async def warm_up(self) -> None:
        """See `Engine`: the local engine is needed with every reply."""
        await self._local.warm_up()

    async def index(self, articles: Sequence[KnowledgeArticle]) -> KnowledgeIndex:
        """See `Engine`: articles are searched on this machine."""
        return await self._local.index(articles)

    def close(self) -> None:
        """See `Engine`."""
        self._local.close()

    async def classify(self, text: str, context: ReplyContext = NO_CONTEXT) -> IntentPrediction:
        """See `Engine`."""
        prompt = reading_prompt(text, context.names, await context.earlier())
        beside, asked = await asyncio.gather(
            self._local.classify(text), self._ask(prompt, WhatItWants)
        )
        if asked.answer is None:
            return replace(beside, by=self._fallback(asked, "intent"))
        return _more_cautious(asked.answer, beside, self._own(asked.usage))

    async def answer(
        self,
        index: KnowledgeIndex,
        question: str,
        about: str | None = None,
        context: ReplyContext = NO_CONTEXT,
    ) -> Answer:
        """See `Engine`. `by.notes` says where the model's answer was not let through."""
        # Who asks is no name that a passage would have to speak of.
        sought = _Sought(without_names(question, context.names), about)
        offered = await self._local.run(lambda: sought.passages(index))
        if not offered:
            return NOT_FOUND
        texts = [passage.text for passage in offered]
        prompt = answering_prompt(question, about, context.names, texts)
        asked = await self._ask(prompt, PickedSentences)
        said = asked.answer
        if said is None:
            local = await self._local.answer(index, question, about)
            return replace(local, by=self._fallback(asked, "answer"))
        return await self._local.run(lambda: self._checked(said, offered, sought, asked.usage))

    def _checked(
        self,
        said: PickedSentences,
        offered: Sequence[ScoredPassage],
        sought: "_Sought",
        usage: EngineUsage,
    ) -> Answer:
        """The passages' own words, or nothing: then a person answers."""
        if not said.found:
            return replace(NOT_FOUND, by=self._own(usage), passages=offered[:NEAREST])
        picked = supported(said.sentences, offered)
        if picked is None:
            return self._held_back(usage, "unsupported")
        asked = (sought.questions, sought.message, sought.about)
        if not holds_what_was_asked(picked, *asked):
            return self._held_back(usage, "beside_the_question")
        return replace(quoting(only_what_answers(picked, *asked)), by=self._own(usage))

    def _held_back(self, usage: EngineUsage, why: str) -> Answer:
        self._metrics.engine_answer_held_back(why)
        return replace(NOT_FOUND, by=self._own(usage, f"engine:{why}"))

    async def _ask(self, prompt: Messages, form: type[FormT]) -> _Asked[FormT]:
        """Ask, time it and count it; no failure of the model leaves this method as an exception."""
        meter, started = Meter(), time.monotonic()
        answer: FormT | None = None
        fault: LlmFault | None = None
        try:
            answer = await self._client.ask(prompt, form, meter)
        except LlmError as error:
            fault = error.fault
            self._metrics.engine_fallback(self._local.name)
        seconds = time.monotonic() - started
        usage = EngineUsage(
            calls=meter.calls,
            milliseconds=round(seconds * 1000),
            input_tokens=meter.input_tokens,
            output_tokens=meter.output_tokens,
            cost=self._prices.cost(meter),
        )
        self._metrics.engine_question(form.form_name, fault or "answered", seconds)
        self._metrics.engine_tokens(meter.input_tokens, meter.output_tokens, usage.cost or 0.0)
        return _Asked(answer, fault, usage)

    def _own(self, usage: EngineUsage, *notes: str) -> Provenance:
        return Provenance(self.name, self._version, usage, notes=notes)

    def _fallback(self, asked: _Asked[FormT], part: str) -> Provenance:
        reason = f"{part}: {asked.fault}"
        local = self._local
        return Provenance(local.name, local.version, asked.usage, fallback_reason=reason)


def _certainty(said: WhatItWants, beside: IntentPrediction) -> float:
    """The model's own, or the classifier's where that sees an emergency or an opt-out in the second
    place and the model none: then both have to be sure, or a person decides.
    """
    if said.intent in _PROTECTED or not set(beside.secondary) & set(_PROTECTED):
        return said.confidence
    return min(said.confidence, beside.probabilities.get(said.intent, 0.0))


def _more_cautious(said: WhatItWants, beside: IntentPrediction, by: Provenance) -> IntentPrediction:
    """The model's word, unless the classifier sees what must not be overlooked."""
    others = tuple(dict.fromkeys(intent for intent in said.also if intent != said.intent))
    probabilities = {**dict.fromkeys(others, NAMED_TOO), said.intent: said.confidence}
    for intent in _PROTECTED:
        suspected = max(
            beside.probabilities.get(intent, 0.0), NAMED_TOO if beside.intent == intent else 0.0
        )
        probabilities[intent] = max(probabilities.get(intent, 0.0), suspected)
    prediction = IntentPrediction(
        probabilities=probabilities,
        intent=said.intent,
        confidence=_certainty(said, beside),
        secondary=others,
        sentiment=said.sentiment,
        by=by,
    )
    person = Intent.IRRELEVANT_CONFUSED
    if said.intent in {person, *_PROTECTED} or beside.intent != person:
        return prediction
    if beside.confidence < CLEARLY_FOR_A_PERSON:
        return prediction
    return replace(
        prediction,
        probabilities={**probabilities, person: beside.confidence},
        intent=person,
        confidence=beside.confidence,
        secondary=(said.intent, *others),
        by=replace(by, notes=("beside:irrelevant_confused",)),
    )
