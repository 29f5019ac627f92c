"""A message on the wire: its headers, and what must never get into one."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from app.models.interaction import CalendarMethod, CalendarPart
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

    def test_identifiers_and_links_stand_in_the_wire_as_they_are(self) -> None:
        """Encoded words are decoded by nobody there: no thread, and no way to unsubscribe."""
        url = "https://clinic.example/api/v1/unsubscribe/" + "x" * 400
        ids = tuple(f"<{'Q' * 110}{number}@eurprd06.prod.outlook.com>" for number in range(20))
        answer = replace(
            MAIL,
            key="k" * 90,
            in_reply_to=ids[-1],
            references=ids,
            unsubscribe_url=url,
            reply_to=f"frontdesk+{'t' * 60}@clinic-with-a-long-name.example.com",
        )

        for recipient in ("dana@example.org", "josé@example.org"):
            raw = bytes(build_message(replace(answer, to=recipient), SENDER)).split(b"\r\n\r\n")[0]

            unfolded = raw.replace(b"\r\n ", b" ").decode().split("\r\n")
            assert f"List-Unsubscribe: <{url}>" in unfolded
            assert f"In-Reply-To: {ids[-1]}" in unfolded
            assert f"References: {' '.join(ids)}" in unfolded
            assert f"Message-ID: <{answer.key}@example.com>" in unfolded
            assert f"Reply-To: {answer.reply_to}" in unfolded
            assert max(map(len, raw.split(b"\r\n"))) <= 998

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


FILE = CalendarPart(
    method=CalendarMethod.REQUEST,
    content="BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nX-NOTE:Año\r\nEND:VCALENDAR\r\n",
)


def read_back(mail: OutgoingMail) -> EmailMessage:
    message = message_from_bytes(bytes(build_message(mail, SENDER)), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts_of(message: EmailMessage) -> list[EmailMessage]:
    parts = list(message.iter_parts())
    assert all(isinstance(part, EmailMessage) for part in parts)
    return [part for part in parts if isinstance(part, EmailMessage)]


class TestBody:
    def test_text_alone_is_no_multipart(self) -> None:
        message = read_back(MAIL)

        assert message.get_content_type() == "text/plain"
        assert message.get_content().splitlines() == MAIL.text.splitlines()

    def test_html_is_the_better_alternative(self) -> None:
        message = read_back(replace(MAIL, html="<p>mañana está bien</p>"))

        assert message.get_content_type() == "multipart/alternative"
        text, html = parts_of(message)
        assert text.get_content().splitlines() == MAIL.text.splitlines()
        assert html.get_content_type() == "text/html"
        assert html.get_content().strip() == "<p>mañana está bien</p>"

    def test_a_visit_stands_where_each_mail_program_looks_for_it(self) -> None:
        message = read_back(replace(MAIL, html="<p>mañana</p>", calendar=FILE))

        assert message.get_content_type() == "multipart/mixed"
        alternatives, file = parts_of(message)
        assert alternatives.get_content_type() == "multipart/alternative"
        kinds = [part.get_content_type() for part in parts_of(alternatives)]
        assert kinds == ["text/plain", "text/html", "text/calendar"]
        invitation = parts_of(alternatives)[-1]
        assert dict(invitation["Content-Type"].params) == {"charset": "utf-8", "method": "REQUEST"}
        assert invitation.get_content().splitlines() == FILE.content.splitlines()
        assert file.get_content_type() == "application/ics"
        assert file.get_content_disposition() == "attachment"
        assert file.get_filename() == "appointment.ics"
        assert file.get_content() == FILE.content.encode()

    def test_no_octet_is_over_seven_bits_and_no_line_over_long(self) -> None:
        mail = replace(MAIL, html=f"<p>{'mañana ' * 400}</p>", calendar=FILE, text="ñ" * 3000)

        wire = bytes(build_message(mail, SENDER))

        assert wire.isascii()
        assert max(map(len, wire.split(b"\r\n"))) <= 998

    def test_the_same_mail_says_the_same_again(self) -> None:
        mail = replace(MAIL, html="<p>mañana</p>", calendar=FILE)

        first, again = read_back(mail), read_back(mail)

        assert [part.as_string() for part in first.walk() if not part.is_multipart()] == [
            part.as_string() for part in again.walk() if not part.is_multipart()
        ]

    def test_nothing_in_a_body_can_end_its_part(self) -> None:
        text = "--===============\n\nContent-Type: text/html\n\n<script>"

        message = read_back(replace(MAIL, text=text, html="<p>x</p>"))

        assert [part.get_content_type() for part in parts_of(message)] == [
            "text/plain",
            "text/html",
        ]
