"""Logs: one JSON object a line, with the request's id, and nothing that identifies a patient.

The code logs ids and never contents. What stands here is the net below that rule: e-mail
addresses, phone numbers and the values that libraries put into their exceptions are taken out of
every line before it is written.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any

from pydantic_core import to_json
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.core.clock import unix_now

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being served, where one is."""

_ADDRESS = re.compile(r"[^\s@<>\"'`(),;:]{1,64}@[\w.-]{1,253}")
_DIGIT_RUN = re.compile(r"(?<![\w+-])(?!\d{4}-\d\d-\d\d)[+(]?\d(?:[ ./()-]{0,3}\d){8,17}(?![\w-])")
_SHORTEST_NUMBER = 9
_DRIVER_VALUES = re.compile(r"(dup key: |'keyValue': )\{[^}]*\}")

_TELLING_ERRORS = (
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
)
"""Errors of Python's own whose message speaks of code or of the system, not of what was sent."""

ACCESS_LOGGER = "app.access"
"""Writes a line for each request."""

_shared_facts = vars(
    logging.makeLogRecord(
        {"name": ACCESS_LOGGER, "levelno": logging.INFO, "levelname": "INFO", "msg": "request"}
    )
)

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class RequestRecord(logging.LogRecord):
    """The line of a request. Beside these facts it has what all of them share: to find out which
    file, process and thread a line comes from costs more than the line, and says nothing here.
    """

    method: str
    route: str
    status: int
    duration_ms: float

    def __init__(self, method: str, route: str, status: int, seconds: float) -> None:
        self.__dict__ = {
            **_shared_facts,
            "created": unix_now(),
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
        }


def scrub(text: str) -> str:
    """`text` without e-mail addresses, phone numbers and values of a refused write."""
    if len(text) < _SHORTEST_NUMBER and "@" not in text:  # most of what a line holds
        return text
    if text.isalnum() and not text.isdecimal():  # an id: one word, and no number
        return text
    clean = _DRIVER_VALUES.sub(r"\1[values]", text) if "{" in text else text
    clean = _ADDRESS.sub("[address]", clean) if "@" in clean else clean
    return _DIGIT_RUN.sub("[number]", clean)


def _moment(seconds: float) -> str:
    """ISO 8601 with microseconds."""
    return f"{_second(int(seconds))}.{int(seconds % 1 * 1e6):06d}+00:00"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    """Without its fraction and zone: many lines are of the same one."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _scrubbed(value: object) -> object:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {str(key): _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(item) for item in value]
    return value


def describe_exception(error: BaseException) -> str:
    """The traceback of `error` and of what led to it, oldest first.

    Messages are kept where we wrote them or where they cannot hold what a caller sent. A
    validation error's, for example, quotes its input.
    """
    return "\n".join(_described(link) for link in reversed(list(_chain(error))))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _described(error: BaseException) -> str:
    kind = type(error)
    frames = "".join(traceback.format_tb(error.__traceback__))
    tells = kind.__module__.startswith("app.") or isinstance(error, _TELLING_ERRORS)
    return f"{frames}{kind.__module__}.{kind.__qualname__}" + (f": {error}" if tells else "")


class JsonLines(JsonFormatter):
    """Time, level, logger, message, request id and the extras, as JSON, scrubbed."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            # The server repeats its messages with colours for a terminal.
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
        )

    def format(self, record: logging.LogRecord) -> str:
        """See `JsonFormatter`. The line of a request is ours to the last word, but for the id that
        its caller may have chosen: it needs no search for what could be in it, and there are many.
        """
        if not isinstance(record, RequestRecord):
            return super().format(record)
        line = {
            "time": _moment(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.msg,
            "method": record.method,
            "route": record.route,
            "status": record.status,
            "duration_ms": record.duration_ms,
        }
        if (served := request_id.get()) is not None:
            line["request_id"] = scrub(served)
        return to_json(line).decode()

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """See `JsonFormatter`: adds when, and for which request."""
        log_data["time"] = _moment(record.created)
        super().add_fields(log_data, record, message_dict)
        if (served := request_id.get()) is not None:
            log_data["request_id"] = served

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """See `JsonFormatter`: the last word before the line is written."""
        return {
            name: value if name == "time" else _scrubbed(value) for name, value in log_data.items()
        }

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - the signature of logging.Formatter
        """See `describe_exception`."""
        error = ei[1]
        return describe_exception(error) if isinstance(error, BaseException) else ""


def configure_logging(level: str) -> None:
    """Send every log line of the process to standard error as JSON. Safe to call again.

    The server's own access log is off (the middleware writes a line that holds no query and no
    token), and so is the driver's log of commands, which would hold documents.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        server_logger = logging.getLogger(name)
        server_logger.handlers.clear()
        server_logger.propagate = name != "uvicorn.access"
    for name in ("pymongo", "httpx", "httpcore", "apscheduler", "multipart", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)
