"""Chat completions over HTTP, from an endpoint that is trusted with nothing.

One deadline covers everything: retries, waiting between them, and a server that sends a byte now
and then. No redirect is followed (the key would travel along), and no more is read of an answer
than one could need.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import httpx
import stamina
from pydantic import SecretStr

from app.core.clock import Clock
from app.services.agent.llm.breaker import CircuitBreaker
from app.services.agent.llm.budget import Budget
from app.services.agent.llm.faults import TRANSIENT, UNPAID, LlmError, LlmFault
from app.services.agent.llm.wire import FormT, TokensUsed, read_content, read_envelope

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.2
JITTER_SECONDS = 0.3
SHARE_OF_DEADLINE = 0.6
"""What one attempt may take of the deadline: after one that hangs there is time for another."""
MAX_ANSWER_BYTES = 64 * 1024
MAX_ANSWER_TOKENS = 700
BYTES_PER_TOKEN = 3
"""Fewer than any tokenizer needs for prose: an estimate that errs on the side of too much."""

_TOO_MANY, _SERVER_ERROR, _REQUEST_TIMEOUT = 429, 500, 408
_jitter = SystemRandom().uniform


@dataclass
class Meter:
    """What the attempts of one question took so far."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, used: TokensUsed | None) -> None:
        """Count what the server says."""
        if used is not None:
            self.input_tokens += used.prompt_tokens
            self.output_tokens += used.completion_tokens


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, as whom, and for which model."""

    url: str
    model: str
    key: SecretStr | None
    deadline_seconds: float

    @property
    def headers(self) -> Mapping[str, str]:
        """Of every request; a compressed answer would not be understood."""
        given = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        if self.key is not None:
            given["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        return given


class ChatClient:
    """Asks a model to fill in a form."""

    def __init__(
        self, http: httpx.AsyncClient, endpoint: Endpoint, budget: Budget, clock: Clock
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._budget = budget
        self._breaker = CircuitBreaker()
        self._clock = clock

    async def ask(
        self, messages: Sequence[Mapping[str, str]], form: type[FormT], meter: Meter
    ) -> FormT:
        """The form, filled in. `meter` counts also what failed. Raises `LlmError`."""
        if not self._breaker.allows(self._clock.now()):
            raise LlmError(LlmFault.CIRCUIT_OPEN)
        try:
            answer = await self._within_deadline(messages, form, meter)
        except LlmError as error:
            if error.fault is not LlmFault.BUDGET_SPENT:
                self._breaker.failed(self._clock.now())
            raise
        self._breaker.succeeded()
        return answer

    async def _within_deadline(
        self, messages: Sequence[Mapping[str, str]], form: type[FormT], meter: Meter
    ) -> FormT:
        body = self._body(messages, form)
        try:
            async with asyncio.timeout(self._endpoint.deadline_seconds) as deadline:
                return read_content(await self._attempts(body, meter, deadline), form)
        except TimeoutError as error:
            raise LlmError(LlmFault.TIMEOUT) from error

    async def _attempts(self, body: bytes, meter: Meter, deadline: asyncio.Timeout) -> str:
        attempts = stamina.retry_context(
            on=lambda error: _wait_before_retry(error, deadline),
            attempts=ATTEMPTS,
            timeout=self._endpoint.deadline_seconds,
            wait_initial=FIRST_WAIT_SECONDS,
            wait_jitter=JITTER_SECONDS,
        )
        async for attempt in attempts:
            with attempt:
                return await self._once(body, meter)
        raise LlmError(LlmFault.TIMEOUT)

    async def _once(self, body: bytes, meter: Meter) -> str:
        """One request, paid for from the budget."""
        reserved = await self._budget.reserve(len(body) // BYTES_PER_TOKEN + MAX_ANSWER_TOKENS)
        if reserved is None:
            raise LlmError(LlmFault.BUDGET_SPENT)
        meter.calls += 1
        try:
            content, used = read_envelope(await self._answer(body))
        except LlmError as error:
            if error.fault in UNPAID:
                await self._budget.settle(reserved, 0)
            raise
        meter.add(used)
        if used is not None:
            await self._budget.settle(reserved, used.prompt_tokens + used.completion_tokens)
        return content

    async def _answer(self, body: bytes) -> bytes:
        seconds = self._endpoint.deadline_seconds * SHARE_OF_DEADLINE
        try:
            async with asyncio.timeout(seconds):
                return await self._posted(body)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise LlmError(LlmFault.TIMEOUT) from error
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
            raise LlmError(LlmFault.UNREACHABLE) from error
        except (httpx.HTTPError, OSError) as error:  # a broken TLS record is none of httpx's errors
            raise LlmError(LlmFault.CUT_OFF) from error

    async def _posted(self, body: bytes) -> bytes:
        request = self._http.stream(
            "POST",
            self._endpoint.url,
            content=body,
            headers=self._endpoint.headers,
            follow_redirects=False,
            timeout=None,  # ours is around it; httpx would give up after 5 seconds
        )
        async with request as response:
            _raise_for(response)
            return await _bounded(response)

    def _body(self, messages: Sequence[Mapping[str, str]], form: type[FormT]) -> bytes:
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": list(messages),
            "response_format": form.response_format(),
            "temperature": 0,
            "max_tokens": MAX_ANSWER_TOKENS,
        }
        return json.dumps(request, ensure_ascii=False).encode()


async def _bounded(response: httpx.Response) -> bytes:
    """The body as it came: nothing is unpacked, so what is small on the wire stays small."""
    parts = bytearray()
    async for part in response.aiter_raw():
        parts += part
        if len(parts) > MAX_ANSWER_BYTES:
            raise LlmError(LlmFault.TOO_LARGE)
    return bytes(parts)


def _raise_for(response: httpx.Response) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status == _TOO_MANY:
        raise LlmError(LlmFault.RATE_LIMITED, retry_after_seconds=_retry_after(response))
    if status >= _SERVER_ERROR or status == _REQUEST_TIMEOUT:
        raise LlmError(LlmFault.SERVER_ERROR, retry_after_seconds=_retry_after(response))
    raise LlmError(LlmFault.REFUSED)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, the form that servers of models use (RFC 9110, 10.2.3, knows a date as well)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _wait_before_retry(error: Exception, deadline: asyncio.Timeout) -> bool | float:
    """Whether to ask again, or how long to wait first: no wait outlasts the deadline."""
    if not isinstance(error, LlmError) or error.fault not in TRANSIENT:
        return False
    if error.retry_after_seconds is None:
        return True
    ends_at = deadline.when()
    left = (ends_at or 0.0) - asyncio.get_running_loop().time()
    wait = error.retry_after_seconds + _jitter(0, JITTER_SECONDS)
    return wait if wait < left else False
