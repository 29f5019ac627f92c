"""Figures for Prometheus. One registry an application: nothing is global, so tests can build many.

Labels are few and closed (route templates, states, kinds): no id and no address ever is one.
"""

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ENGINE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_SWEEP_SECONDS = (0.1, 0.5, 1, 5, 15, 30, 60, 300, 900)


class Metrics:
    """Everything that is counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._states: dict[str, set[str]] = {}
        self._of_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        """Kept at hand: every request counts, and looking one up costs more than counting."""
        self._requests = Counter(
            "http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "http_request_duration_seconds",
            "Time to answer a request.",
            ["method", "route"],
            buckets=_REQUEST_SECONDS,
            registry=self._registry,
        )
        self._sends = Counter(
            "messages_sent",
            "Hand-overs of outgoing messages to the transport, by outcome.",
            ["message_class", "outcome"],
            registry=self._registry,
        )
        self._intents = Counter(
            "replies_classified",
            "Replies by intent and engine.",
            ["intent", "engine"],
            registry=self._registry,
        )
        self._handoffs = Counter(
            "handoffs", "Conversations given to a person.", ["urgency"], registry=self._registry
        )
        self._fallbacks = Counter(
            "engine_fallbacks",
            "Times another engine than the configured one answered.",
            ["engine"],
            registry=self._registry,
        )
        self._engine_questions = Histogram(
            "engine_question_duration_seconds",
            "Questions to the language model, by what came of them; retries included.",
            ["question", "outcome"],
            buckets=_ENGINE_SECONDS,
            registry=self._registry,
        )
        self._engine_tokens = Counter(
            "engine_tokens", "Tokens of the language model.", ["kind"], registry=self._registry
        )
        self._engine_cost = Counter(
            "engine_cost",
            "What they cost, in the currency of the configured prices.",
            registry=self._registry,
        )
        self._held_back = Counter(
            "engine_answers_held_back",
            "Answers of the language model that the articles do not bear out.",
            ["reason"],
            registry=self._registry,
        )
        self._sweep_seconds = Histogram(
            "sweep_duration_seconds",
            "Time a sweep took.",
            buckets=_SWEEP_SECONDS,
            registry=self._registry,
        )
        self._queue_depth = Gauge(
            "queue_depth",
            "Entries waiting in a queue, by state.",
            ["queue", "state"],
            registry=self._registry,
        )
        self._queue_age = Gauge(
            "queue_oldest_due_age_seconds",
            "How long the oldest due entry has waited.",
            ["queue"],
            registry=self._registry,
        )

        self._watch_ends = Gauge(
            "gmail_watch_expires_timestamp_seconds",
            "When Gmail stops notifying, unless the watch is renewed.",
            registry=self._registry,
        )
        self._synced = Gauge(
            "gmail_synced_timestamp_seconds",
            "Until when everything that came into the mailbox is stored.",
            registry=self._registry,
        )
        self._notified = Gauge(
            "gmail_notified_timestamp_seconds",
            "When Gmail last told of a change, to the minute.",
            registry=self._registry,
        )
        self._paused_until = Gauge(
            "gmail_sending_paused_until_timestamp_seconds",
            "Until when nothing is sent because Gmail asked for a pause; may lie in the past.",
            registry=self._registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is its template."""
        key = (method, route, status)
        if (kept := self._of_requests.get(key)) is None:
            counter = self._requests.labels(method, route, str(status))
            kept = self._of_requests[key] = (counter, self._request_seconds.labels(method, route))
        kept[0].inc()
        kept[1].observe(seconds)

    def sent(self, message_class: str, outcome: str) -> None:
        """An outgoing message was handed over, refused, deferred or dropped."""
        self._sends.labels(message_class, outcome).inc()

    def intent(self, intent: str, engine: str) -> None:
        """A reply was understood as `intent` by `engine`."""
        self._intents.labels(intent, engine).inc()

    def handoff(self, urgency: str) -> None:
        """A conversation was given to a person."""
        self._handoffs.labels(urgency).inc()

    def engine_fallback(self, engine: str) -> None:
        """`engine`, which is not the configured one, had to answer."""
        self._fallbacks.labels(engine).inc()

    def engine_question(self, question: str, outcome: str, seconds: float) -> None:
        """The language model was asked; `outcome` is `answered` or what went wrong."""
        self._engine_questions.labels(question, outcome).observe(seconds)

    def engine_tokens(self, sent: int, received: int, cost: float) -> None:
        """It used so many tokens."""
        self._engine_tokens.labels("input").inc(sent)
        self._engine_tokens.labels("output").inc(received)
        self._engine_cost.inc(cost)

    def engine_answer_held_back(self, reason: str) -> None:
        """What it answered is not in the articles, or is not what was asked."""
        self._held_back.labels(reason).inc()

    def sweep(self, seconds: float) -> None:
        """A sweep ended."""
        self._sweep_seconds.observe(seconds)

    def queue(self, name: str, depths: Mapping[str, int], oldest_age_seconds: float) -> None:
        """A queue as it stands: entries by state, and how late the oldest due one is."""
        seen = self._states.setdefault(name, set())
        seen.update(depths)
        for state in seen:  # a state that nothing is in any more is not among the depths
            self._queue_depth.labels(name, state).set(depths.get(state, 0))
        self._queue_age.labels(name).set(oldest_age_seconds)

    def mailbox(
        self,
        *,
        synced_at: datetime,
        watch_expires_at: datetime | None,
        notified_at: datetime | None,
        paused_until: datetime | None,
    ) -> None:
        """The mailbox as it stands. What never was is 0."""
        self._synced.set(synced_at.timestamp())
        for gauge, at in (
            (self._watch_ends, watch_expires_at),
            (self._notified, notified_at),
            (self._paused_until, paused_until),
        ):
            gauge.set(at.timestamp() if at else 0)

    def render(self) -> bytes:
        """The text Prometheus reads (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)
