"""`python -m app check`: can this configuration do its work? A line for each part."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from app.core.clock import SystemClock
from app.core.config import Settings
from app.db.database import UNAVAILABLE_ERRORS, Database
from app.db.indexes import INDEXES, ensure_indexes
from app.models.patient import normalise_email
from app.services.agent.engine import LocalEngine, load_models
from app.services.agent.intent import ModelMismatchError
from app.services.agent.llm.budget import Unmetered
from app.services.agent.llm.build import LanguageModel
from app.services.agent.llm.client import Meter
from app.services.agent.llm.faults import LlmError
from app.services.agent.llm.prompts import reading_prompt
from app.services.agent.llm.wire import WhatItWants
from app.services.container import database_uri
from app.services.mail import MailConfigurationError, build_gmail, relayed_channels
from app.services.mail.gmail.errors import GmailError
from app.services.metrics import Metrics

SMTP_SECONDS = 10.0
_REPLY_TO_TRY = "Yes, please book me in."
_ANOTHER_MAILBOX = "Google signs us in to another mailbox than GMAIL_MAILBOX."


@dataclass(frozen=True)
class CheckResult:
    """How one part stands, in a sentence that holds no secret."""

    name: str
    ok: bool
    detail: str


class Checks:
    """Tries every part that the settings ask for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self) -> AsyncGenerator[CheckResult, None]:
        """One result after the other; a part that fails does not keep the next from being tried."""
        yield CheckResult("configuration", True, f"environment {self._settings.environment}")
        async for result in self._database():
            yield result
        yield await self._tried("mail", self._mail)
        yield await self._tried("gmail", self._gmail)
        yield await self._tried("model", self._model)

    async def _database(self) -> AsyncIterator[CheckResult]:
        try:
            async with database_uri(self._settings) as uri:
                database = Database(uri, self._settings.database_name)
                yield await self._tried("database", lambda: self._ping(database))
                yield await self._tried("indexes", lambda: self._indexes(database))
                database.close()
        except (OSError, RuntimeError) as error:
            yield CheckResult("database", False, str(error))

    async def _tried(self, name: str, check: Callable[[], Awaitable[str]]) -> CheckResult:
        try:
            return CheckResult(name, True, await check())
        except (
            GmailError,
            LlmError,
            MailConfigurationError,
            ModelMismatchError,
            OSError,
            TimeoutError,
            *UNAVAILABLE_ERRORS,
        ) as error:
            return CheckResult(name, False, f"{type(error).__name__}: {error}")

    async def _ping(self, database: Database) -> str:
        await database.ping()
        kind = "embedded, for trial only" if self._settings.uses_embedded_database else "MongoDB"
        return f"answers ({kind})"

    async def _indexes(self, database: Database) -> str:
        await ensure_indexes(database)
        return f"{sum(len(wanted) for wanted in INDEXES.values())} in place"

    async def _mail(self) -> str:
        relayed = sorted(relayed_channels(self._settings))
        return await self._email() + (f"; {', '.join(relayed)} by the relay" if relayed else "")

    async def _email(self) -> str:
        if self._settings.mail_transport == "gmail":
            return "through Gmail"
        if self._settings.mail_transport == "file":
            return f"files in {self._settings.data_dir / 'outbox'}"
        async with asyncio.timeout(SMTP_SECONDS):
            return await self._greet_smtp()

    async def _greet_smtp(self) -> str:
        host, port = self._settings.smtp_host, self._settings.smtp_port
        reader, writer = await asyncio.open_connection(host, port)
        try:
            greeting = await reader.readline()
        finally:
            writer.close()
        return f"{host}:{port} answers {greeting[:3].decode('ascii', 'replace')}"

    async def _gmail(self) -> str:
        """Signs in and asks whose mailbox it is."""
        gmail = build_gmail(self._settings, SystemClock())
        if gmail is None:
            return "not configured (replies come through the relay form)"
        try:
            profile = await gmail.client.profile()
        finally:
            await gmail.client.close()
        if normalise_email(profile.address) != normalise_email(gmail.mailbox):
            raise MailConfigurationError(_ANOTHER_MAILBOX)
        topic = "" if self._settings.gmail_topic else "; no GMAIL_TOPIC, so replies are polled for"
        return f"signed in to the mailbox{topic}"

    async def _model(self) -> str:
        engine = LocalEngine(partial(load_models, self._settings.model_dir))
        try:
            await engine.classify(_REPLY_TO_TRY)
            local = f"local engine, version {engine.version}"
            asked = await self._language_model(engine)
        finally:
            engine.close()
        return f"{asked}, in reserve: {local}" if asked else local

    async def _language_model(self, local: LocalEngine) -> str | None:
        """Asks what any reply would ask; a question of its own, none of the day's budget."""
        model = LanguageModel.build(
            self._settings, local=local, budget=Unmetered(), metrics=Metrics(), clock=SystemClock()
        )
        if model is None:
            return None
        prompt = reading_prompt(_REPLY_TO_TRY, (), ())
        try:
            said = await model.client.ask(prompt, WhatItWants, Meter())
        finally:
            await model.close()
        return f"{self._settings.llm_model} takes {_REPLY_TO_TRY!r} for {said.intent}"
