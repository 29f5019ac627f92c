"""The language model put together from the settings, where they name one."""

from dataclasses import dataclass
from typing import Self

import httpx

from app.core.clock import Clock
from app.core.config import Settings
from app.services.agent.engine import LocalEngine
from app.services.agent.llm.budget import Budget
from app.services.agent.llm.client import ChatClient, Endpoint
from app.services.agent.llm.engine import OpenAiEngine, Prices
from app.services.metrics import Metrics


@dataclass(frozen=True)
class LanguageModel:
    """A configured model: the client that asks it and the engine that uses the client."""

    client: ChatClient
    engine: OpenAiEngine
    http: httpx.AsyncClient

    @classmethod
    def build(
        cls,
        settings: Settings,
        *,
        local: LocalEngine,
        budget: Budget,
        metrics: Metrics,
        clock: Clock,
        http: httpx.AsyncClient | None = None,
    ) -> Self | None:
        """From the settings, or `None` where there is no `LLM_BASE_URL`; nothing is asked yet."""
        if settings.llm_base_url is None or settings.llm_model is None:
            return None
        endpoint = Endpoint(
            url=f"{str(settings.llm_base_url).rstrip('/')}/chat/completions",
            model=settings.llm_model,
            key=settings.llm_api_key,
            deadline_seconds=settings.llm_deadline_seconds,
        )
        # No proxy, certificate or password of the environment: patients' words go where it says.
        connection = http or httpx.AsyncClient(trust_env=False)
        client = ChatClient(connection, endpoint, budget, clock)
        engine = OpenAiEngine(
            client=client,
            local=local,
            model=settings.llm_model,
            prices=Prices(settings.llm_input_price, settings.llm_output_price),
            metrics=metrics,
        )
        return cls(client, engine, connection)

    async def close(self) -> None:
        """Let the connections go."""
        await self.http.aclose()
