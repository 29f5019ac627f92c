"""Patients' data in no log line, error, figure or address: the whole suite is its test.

A pytest plugin. Whatever a test has stored about patients (names, addresses, phones, what they
wrote) is a mark. Whatever the service logs, every problem document, every answer of `/metrics` and
every address that it sends somebody to is kept until the test ends, and then searched for the
marks of the whole session. One that is found fails the test.
"""

import logging
import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import httpx
import pytest
from pymongo import monitoring

from app.core.config import Settings
from app.core.logging import JsonLines
from app.schemas.problem import PROBLEM_MEDIA_TYPE

WORDS_OF_A_MESSAGE = 5
FEWEST_DIGITS, MOST_DIGITS = 9, 15
_WORD = re.compile(r"[^\W_][\w'.-]*")
_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w")
_DIGITS = re.compile(r"(?<!\w)\+?\d[\d ().-]{7,}\d(?!\w)")
"""Never within a word: the middle of an id may be nothing but digits."""
_URL = re.compile(r"https?://[^\s\"'<>\\]+")
_NAME_LENGTHS: Final = (2, 3, 4)

PERSONAL = {
    "patients": {"name", "email", "phone", "initial_inquiry"},
    "waitlist": {"name", "email", "phone"},
    "appointments": {"notes"},
    "interactions": {"sender", "content", "raw_content"},
}
"""Where the database holds what patients are known by, and what they said."""

Found = tuple[str, str]
"""A kind of mark, and the mark in the form in which it is compared."""


def marks_in(field: str, text: str) -> Iterator[Found]:
    """What to look for after `text` was stored as `field`."""
    if field == "name":
        words = _words(text)
        if len(words) in _NAME_LENGTHS:
            yield "name", " ".join(words)
    elif field in {"email", "phone", "sender"}:
        address = _ADDRESS.search(text)
        yield from _contacts(address.group() if address else text)
    else:
        yield from _windows("text", _words(text), WORDS_OF_A_MESSAGE)


def candidates(text: str) -> Iterator[Found]:
    """Everything in `text` that could be a mark."""
    plain = unquote_plus(text)
    yield from _contacts(plain)
    words = _words(plain)
    for length in _NAME_LENGTHS:
        yield from _windows("name", words, length)
    yield from _windows("text", words, WORDS_OF_A_MESSAGE)


def _words(text: str) -> list[str]:
    return [word.rstrip(".'-").casefold() for word in _WORD.findall(text)]


def _windows(kind: str, words: list[str], length: int) -> Iterator[Found]:
    for start in range(len(words) - length + 1):
        yield kind, " ".join(words[start : start + length])


def _contacts(text: str) -> Iterator[Found]:
    yield from (("address", found.casefold()) for found in _ADDRESS.findall(text))
    for found in _DIGITS.findall(text):
        digits = re.sub(r"\D", "", found)
        if FEWEST_DIGITS <= len(digits) <= MOST_DIGITS:
            yield "phone", digits[-FEWEST_DIGITS:]  # with or without the country


_PRACTICE = Settings.model_fields
PUBLIC: Final = frozenset(
    found
    for name in ("clinic_name", "clinic_phone", "clinic_address")
    for found in candidates(str(_PRACTICE[name].default))
)
"""What the practice tells everybody. A test may have given its number to a patient as well."""


class Canary(monitoring.CommandListener):
    """Gathers marks from what is written to the database, and what may not hold them."""

    def __init__(self) -> None:
        self.marks: set[Found] = set()
        self.said: dict[str, str] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """See `CommandListener`: a write on its way to the server."""
        collection = str(event.command.get(event.command_name))
        if event.command_name == "insert":
            for document in event.command.get("documents", ()):
                self.learn(collection, document)
        elif event.command_name == "update":
            for update in event.command.get("updates", ()):
                changes = update["u"]
                self.learn(collection, changes.get("$set", {}) if "$set" in changes else {})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to see."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to see."""

    def learn(self, collection: str, document: Mapping[str, Any]) -> None:
        """`document`, or a part of it, is written to `collection`."""
        if str(document.get("provider_id")).startswith("unreachable:"):
            return  # a task of our own wording, listed among what came in
        is_ours = document.get("direction") == "outgoing"
        for field in PERSONAL.get(collection, ()):
            value = document.get(field)
            if not isinstance(value, str):
                continue
            if is_ours:  # our own sentences stand elsewhere, too; their addresses may hold nothing
                self.keep("a link in a message", " ".join(_URL.findall(value)))
            else:
                self.marks.update(found for found in marks_in(field, value) if found not in PUBLIC)

    def keep(self, where: str, text: str) -> None:
        """`text` left the service at `where`."""
        if text:
            self.said.setdefault(text, where)

    def answer(self, response: httpx.Response) -> None:
        """Keep what may hold nothing of an answer of ours (nobody else sends a request id)."""
        if "x-request-id" not in response.headers:
            return
        self.keep("an address we send to", response.headers.get("location", ""))
        kind = response.headers.get("content-type", "")
        if kind.startswith(PROBLEM_MEDIA_TYPE):
            self.keep(f"an error ({response.status_code})", response.text)
        elif response.request.url.path == "/metrics":
            self.keep("a figure", response.text)

    def leaks(self) -> list[str]:
        """Where a mark was found in what was kept, which is forgotten then."""
        said, self.said = self.said, {}
        return [
            f"{where} holds {mark!r} (a patient's {kind}): {text[:500]}"
            for text, where in said.items()
            for kind, mark in dict.fromkeys(candidates(text))
            if (kind, mark) in self.marks
        ]


class Written(logging.Handler):
    """Every line as the service would write it."""

    def __init__(self, canary: Canary) -> None:
        super().__init__(logging.INFO)
        self._canary = canary
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self._canary.keep("the log", self.format(record))


CANARY = Canary()
_WATCHED = (
    logging.getLogger("app"),
    logging.getLogger("uvicorn"),
    logging.getLogger("apscheduler"),
)
_send = httpx.AsyncClient.send


async def _watched_send(
    client: httpx.AsyncClient, request: httpx.Request, **options: Any
) -> httpx.Response:
    response = await _send(client, request, **options)
    if response.is_stream_consumed:
        CANARY.answer(response)
    return response


def pytest_configure() -> None:
    """Listen: to the driver, to the log, to the client that the tests ask with."""
    monitoring.register(CANARY)
    httpx.AsyncClient.send = _watched_send  # type: ignore[method-assign, assignment]
    handler = Written(CANARY)
    for logger in _WATCHED:
        logger.addHandler(handler)
    # What production writes is looked at, whatever level a test sets for itself.
    logging.getLogger("app").setLevel(logging.INFO)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Search what the test made the service say."""
    yield
    if leaks := CANARY.leaks():
        pytest.fail("Patients' data left the service:\n" + "\n".join(leaks), pytrace=False)
