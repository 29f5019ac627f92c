"""Replies as mail clients really write them: their new text, exactly.

The mails under `tests/fixtures/mail/replies` are ours, in the shape of each client; those marked
`held_out` were written after the rules and changed none of them before they were first measured.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from app.services.mail.reading.machine import classify
from app.services.mail.reading.new_text import new_text
from app.services.mail.reading.parse import read_mail

FIXTURES = Path(__file__).parents[3] / "fixtures" / "mail"
REPLIES: dict[str, dict[str, Any]] = json.loads((FIXTURES / "replies.json").read_text())
LEAST_EXACT = 0.95


def _lines(text: str) -> list[str]:
    """Words and line breaks as they are; empty lines are layout."""
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]


def _is_exact(name: str) -> bool:
    found = new_text(read_mail((FIXTURES / "replies" / f"{name}.eml").read_bytes()))
    expected = REPLIES[name]["expected"]
    if expected is None:
        return found.source == "raw"
    return _lines(found.text) == _lines(expected)


class TestReplies:
    def test_nearly_all_are_exact(self) -> None:
        misses = [name for name in REPLIES if not _is_exact(name)]
        rate = 1 - len(misses) / len(REPLIES)
        print(f"exact: {rate:.3f} of {len(REPLIES)}; missed: {misses}")  # noqa: T201
        assert rate >= LEAST_EXACT, misses

    def test_the_set_is_as_wide_as_promised(self) -> None:
        assert len(REPLIES) >= 80
        assert {reply["language"] for reply in REPLIES.values()} == {"en", "es", "fr", "de", "pt"}
        assert len({reply["client"] for reply in REPLIES.values()}) >= 20
        assert {path.stem for path in (FIXTURES / "replies").glob("*.eml")} == set(REPLIES)

    @pytest.mark.parametrize("name", sorted(REPLIES))
    def test_no_person_is_taken_for_a_machine(self, name: str) -> None:
        mail = read_mail((FIXTURES / "replies" / f"{name}.eml").read_bytes())
        assert mail.date is not None
        assert classify(mail, mail.date.date()) is None

    @pytest.mark.parametrize("name", sorted(REPLIES))
    def test_the_headers_that_thread_a_reply_are_read(self, name: str) -> None:
        mail = read_mail((FIXTURES / "replies" / f"{name}.eml").read_bytes())
        assert mail.sender is not None
        assert mail.message_id
        assert mail.in_reply_to == "<k8s7d6@riverbend.example>"
        assert mail.references == ("<k8s7d6@riverbend.example>",)
        assert [address.email for address in mail.to] == ["care@riverbend.example"]
        assert mail.delivered_to == ("care@riverbend.example",)
        assert not mail.is_truncated
        assert not mail.is_broken
