"""A message on the wire: its headers, and what must never get into one."""

from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from app.services.mail.mime import build_message
from app.services.mail.transport import OutgoingMail, PermanentMailError
from tests.services.mail.test_file import MAIL

SENDER = "frontdesk@example.com"


def headers_of(mail: OutgoingMail) -> dict[str, str]:
    message = message_from_bytes(bytes(build_message(mail, SENDER)), policy=policy.default)
    return {name: str(value) for name, value in message.items()}


class TestHeaders:
    def test_a_reply_names_what_it_answers(self) -> None:
        mail = replace(MAIL, in_reply_to="<b@x>", references=("<a@x>", "<b@x>"))

        headers = headers_of(mail)

        assert headers["In-Reply-To"] == "<b@x>"
        assert headers["References"] == "<a@x> <b@x>"

    def test_a_long_thread_keeps_its_first_and_its_last_references(self) -> None:
        ids = tuple(f"<{number}@x>" for number in range(100))

        kept = headers_of(replace(MAIL, references=ids))["References"].split()

        assert kept == ["<0@x>", *[f"<{number}@x>" for number in range(80, 100)]]

    def test_outreach_can_be_unsubscribed_with_one_click(self) -> None:
        url = "https://clinic.example/api/v1/unsubscribe/" + "x" * 400

        headers = headers_of(replace(MAIL, unsubscribe_url=url))

        assert headers["List-Unsubscribe"] == f"<{url}>"
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_a_person_is_not_a_machine(self) -> None:
        assert "Auto-Submitted" not in headers_of(replace(MAIL, is_automatic=False))

    @pytest.mark.parametrize("field", ["to_name", "sender_name", "subject", "in_reply_to"])
    @pytest.mark.parametrize("breaker", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028"])
    def test_no_value_can_begin_a_header(self, field: str, breaker: str) -> None:
        poison = f"Dana{breaker}Bcc: victim@example.org"

        changes: dict[str, Any] = {field: poison}

        headers = headers_of(replace(MAIL, **changes))

        assert "Bcc" not in headers
        assert headers["To"].endswith("<dana@example.org>")

    @pytest.mark.parametrize(
        "address",
        ["", "nobody", "a@b\r\nBcc: c@example.org", "a@b@c", "a b@example.org", "<a@example.org>"],
    )
    def test_an_address_that_is_none_is_refused(self, address: str) -> None:
        with pytest.raises(PermanentMailError):
            build_message(replace(MAIL, to=address), SENDER)

    def test_an_international_address_is_kept(self) -> None:
        message = build_message(replace(MAIL, to="josé@ejemplo.example"), SENDER)

        assert "josé@ejemplo.example".encode() in bytes(message)
