"""Log lines: JSON, with the request's id, and nobody's address, number or words."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, EmailStr

from app.core.errors import ConflictError
from app.core.logging import (
    ACCESS_LOGGER,
    JsonLines,
    RequestRecord,
    configure_logging,
    describe_exception,
    request_id,
    scrub,
)


def line(message: str, *args: object, **extra: object) -> dict[str, object]:
    """What a log call writes."""
    record = logging.getLogger("app.test").makeRecord(
        "app.test", logging.INFO, __file__, 1, message, args, None, extra=extra
    )
    written = json.loads(JsonLines().format(record))
    assert isinstance(written, dict)
    return written


class TestJsonLines:
    @pytest.mark.parametrize("seconds", [0.0, 1.000001, 1_790_000_000.25, 1_790_000_000.999999])
    def test_has_the_time_to_the_microsecond(self, seconds: float) -> None:
        record = logging.makeLogRecord({"created": seconds})
        written = datetime.fromisoformat(json.loads(JsonLines().format(record))["time"])

        assert written.tzinfo == UTC
        assert abs(written.timestamp() - seconds) < 2e-6

    def test_names_time_level_logger_message_and_extras(self) -> None:
        written = line("sweep %s", "done", sweep_id="auto:2026-08-20", count=3)

        assert str(written.pop("time")).endswith("+00:00")
        assert written == {
            "level": "INFO",
            "logger": "app.test",
            "message": "sweep done",
            "sweep_id": "auto:2026-08-20",
            "count": 3,
        }

    def test_carries_the_request_it_belongs_to(self) -> None:
        token = request_id.set("abc")
        try:
            assert line("hello")["request_id"] == "abc"
        finally:
            request_id.reset(token)
        assert "request_id" not in line("hello")

    def test_of_a_request_says_the_same_and_scrubs_the_id_its_caller_chose(self) -> None:
        record = RequestRecord("GET", "/a/{b}", 200, 0.00149)
        token = request_id.set("212-555-0147")
        try:
            written = json.loads(JsonLines().format(record))
            plain = logging.Formatter("%(asctime)s %(name)s %(process)s %(message)s").format(record)
        finally:
            request_id.reset(token)

        assert str(written.pop("time")).endswith("+00:00")
        said = {"level": "INFO", "logger": ACCESS_LOGGER, "message": "request"}
        facts = {"method": "GET", "route": "/a/{b}", "status": 200, "duration_ms": 1.5}
        assert written == {**said, **facts, "request_id": "[number]"}
        assert plain.endswith("request")

    def test_scrubs_extras_however_deep(self) -> None:
        written = line("x", who=["a@example.com"], nested={"to": {"phone": "+1 212-555-0100"}})

        assert written["who"] == ["[address]"]
        assert written["nested"] == {"to": {"phone": "[number]"}}


class TestScrub:
    @pytest.mark.parametrize(
        "secret",
        [
            "dana@example.com",
            "dana.o'neil+x@mail.example.co.uk",
            "DANA@EXAMPLE.COM",
            "dana@localhost",
            "+12125550100",
            "+1 212-555-0100",
            "(212) 555-0100",
            "212.555.0100",
            "2125550100",
            "+49 30 901820 123",
            "0044 20 7946 0958",
        ],
    )
    @pytest.mark.parametrize("around", ["{}", "to {} failed", "<{}>", "to={}, n=1", "'{}'"])
    def test_takes_out_addresses_and_numbers(self, secret: str, around: str) -> None:
        scrubbed = scrub(around.format(secret))

        assert secret not in scrubbed
        assert "[address]" in scrubbed or "[number]" in scrubbed

    @pytest.mark.parametrize(
        "harmless",
        [
            "66f2a1b4c3d2e1f0a9b8c7d6",
            "9b2f6c0e4d4b4a0f9a53c3a1f0f1d2e3",
            "12345678-1234-4123-8123-123456789abc",
            "2026-08-20T09:00:00.123+00:00",
            "2026-08-20 09:00",
            "auto:2026-08-20",
            "GET /api/v1/admin/campaigns/{campaign_id} 200",
            "127.0.0.1:27017",
            "duration_ms=1234.5",
            "line 1200, in decorator @ x",
        ],
    )
    def test_leaves_ids_times_and_routes(self, harmless: str) -> None:
        assert scrub(harmless) == harmless

    def test_takes_out_the_values_of_a_refused_write(self) -> None:
        text = "E11000 index: a_1 dup key: { name_key: \"dana smith\" }, 'keyValue': {'n': 'x'}"

        assert scrub(text) == "E11000 index: a_1 dup key: [values], 'keyValue': [values]"

    def test_takes_a_password_out_of_an_address_of_a_database(self) -> None:
        assert "hunter2" not in scrub("mongodb://user:hunter2@db.example:27017/?x=1")

    @given(st.text(max_size=200))
    def test_reads_any_text(self, text: str) -> None:
        assert scrub(scrub(text)) == scrub(text)

    def test_long_text_costs_little(self) -> None:
        scrub("x" * 100_000 + "1 " * 20_000 + "a" * 100_000)


def caught_from(error: Exception) -> Exception:
    """`error` with a traceback."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        fail()
    return caught.value


class _Form(BaseModel):
    email: EmailStr


class TestDescribeException:
    @staticmethod
    def _described(error: Exception) -> str:
        return describe_exception(caught_from(error))

    def test_shows_where_and_what(self) -> None:
        text = self._described(RuntimeError("loop is closed"))

        assert "in fail" in text
        assert text.endswith("builtins.RuntimeError: loop is closed")

    def test_keeps_our_own_sentences(self) -> None:
        assert self._described(ConflictError("Taken.")).endswith("ConflictError: Taken.")

    @pytest.mark.parametrize("error", [ValueError("Dana"), KeyError("Dana"), LookupError("Dana")])
    def test_drops_messages_that_may_quote_what_was_sent(self, error: Exception) -> None:
        text = self._described(error)

        assert f"builtins.{type(error).__name__}" in text
        assert "Dana" not in text

    def test_drops_the_input_of_a_validation_error(self) -> None:
        sent = "dana".title()
        with pytest.raises(ValueError, match="email") as caught:
            _Form.model_validate({"email": sent})

        text = describe_exception(caught.value)

        assert "ValidationError" in text
        assert sent not in text

    def test_tells_what_led_to_it_first(self) -> None:
        second = RuntimeError("second")
        second.__cause__ = caught_from(TypeError("first"))

        text = describe_exception(second)

        assert text.index("first") < text.index("second")

    def test_is_what_a_log_line_holds(self) -> None:
        error = caught_from(ValueError("dana@example.com"))
        record = logging.getLogger("app.test").makeRecord(
            "app.test", logging.ERROR, __file__, 1, "failed", (), (type(error), error, None)
        )

        written = JsonLines().format(record)

        assert "builtins.ValueError" in written
        assert "example.com" not in written


class TestConfigureLogging:
    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        root = logging.getLogger()
        kept, level = root.handlers[:], root.level
        yield
        root.handlers[:] = kept
        root.setLevel(level)
        logging.captureWarnings(capture=False)

    def test_writes_one_line_of_json_to_standard_error(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging("INFO")
        configure_logging("INFO")

        logging.getLogger("app.test").info("hello")
        logging.getLogger("uvicorn.access").info("GET /unsubscribe/secret")
        logging.getLogger("pymongo.command").info("insert Dana")
        logging.getLogger("app.test").debug("too quiet")

        output = capsys.readouterr()
        assert output.out == ""
        assert [json.loads(row)["message"] for row in output.err.splitlines()] == ["hello"]
