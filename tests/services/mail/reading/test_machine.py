"""Mail that no person wrote: what each kind is told by, and what it says."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.services.mail.reading.machine import MachineKind, MachineMail, classify
from app.services.mail.reading.parse import read_mail

FIXTURES = Path(__file__).parents[3] / "fixtures" / "mail"
MACHINES: dict[str, dict[str, Any]] = json.loads((FIXTURES / "machines.json").read_text())
TODAY = date(2026, 11, 23)
PERSON = (
    "From: Ana <ana@example.org>\r\nTo: care@riverbend.example\r\n"
    "Return-Path: <ana@example.org>\r\nSubject: Re: Time for your check-up\r\n"
)


def _verdict(name: str) -> MachineMail | None:
    return classify(read_mail((FIXTURES / "machines" / f"{name}.eml").read_bytes()), TODAY)


def _of(headers: str, body: str = "Yes please") -> MachineMail | None:
    return classify(read_mail(f"{PERSON}{headers}\r\n{body}\r\n".encode()), TODAY)


class TestMachineMail:
    def test_the_set_is_as_wide_as_promised(self) -> None:
        assert len(MACHINES) >= 40
        assert {expected["kind"] for expected in MACHINES.values()} == set(MachineKind)
        assert {path.stem for path in (FIXTURES / "machines").glob("*.eml")} == set(MACHINES)

    @pytest.mark.parametrize("name", sorted(MACHINES))
    def test_every_one_is_recognised_as_what_it_is(self, name: str) -> None:
        found, expected = _verdict(name), MACHINES[name]
        assert found is not None
        assert found.kind == expected["kind"]
        assert found.evidence

    @pytest.mark.parametrize(
        "name", sorted(name for name in MACHINES if "recipients" in MACHINES[name])
    )
    def test_a_report_names_the_address_and_our_own_mail(self, name: str) -> None:
        found, expected = _verdict(name), MACHINES[name]
        assert found is not None
        assert list(found.recipients) == expected["recipients"]
        assert found.status == expected.get("status", found.status)
        assert found.original_key == expected.get("key")
        assert found.original_message_id == expected.get("message_id")

    @pytest.mark.parametrize("name", sorted(n for n in MACHINES if n.startswith("oof-")))
    def test_the_day_of_return_is_read_where_it_is_said(self, name: str) -> None:
        found = _verdict(name)
        assert found is not None
        returns_on = found.returns_on.isoformat() if found.returns_on else None
        assert returns_on == MACHINES[name].get("returns_on")


class TestPerson:
    @pytest.mark.parametrize(
        "body",
        [
            "I was out of office last week, sorry! Can I book for Tuesday?",
            "I am on vacation until 3 December, can I book after that?",
            "My old e-mail bounced with user unknown, please use this one.",
            "Is this an automatic message or are you a person?",
            "Estoy de vacaciones, \u00bfpuedo agendar para enero?",
            "I filled my mailbox with your letters, delivery failed at the door",
        ],
    )
    def test_a_person_who_speaks_of_machines_is_a_person(self, body: str) -> None:
        assert _of("", body) is None

    @pytest.mark.parametrize(
        "need", ["My face is swollen and I have a fever.", "Please stop emailing me."]
    )
    def test_who_is_away_and_needs_something_now_is_a_person_unless_a_header_says(
        self, need: str
    ) -> None:
        body = f"I am away from the office. {need} Thank you for your message."
        proven = _of("Auto-Submitted: auto-replied\r\n", body)

        assert _of("", body) is None
        assert proven is not None
        assert proven.kind is MachineKind.OUT_OF_OFFICE

    def test_the_words_of_a_quoted_automatic_reply_are_not_the_writers(self) -> None:
        quoted = "> This is an automatic reply. I am out of the office until 3 December."
        body = f"Is anybody there?\r\n\r\nOn Mon, Nov 23, 2026 Clinic <a@b.org> wrote:\r\n{quoted}"
        assert _of("", body) is None

    def test_an_invitation_attached_as_a_file_that_only_publishes_is_no_answer(self) -> None:
        calendar = "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nEND:VCALENDAR\r\n"
        mixed = (
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n'
            "Does this time suit?\r\n--b\r\nContent-Type: text/calendar; method=PUBLISH\r\n"
            f"Content-Disposition: attachment\r\n\r\n{calendar}--b--\r\n"
        )
        assert classify(read_mail(f"{PERSON}{mixed}".encode()), TODAY) is None


class TestHostileReport:
    def test_a_daemon_that_says_nothing_is_a_soft_bounce(self) -> None:
        found = classify(read_mail(b"From: mailer-daemon@x.org\r\n\r\n"), TODAY)
        assert found is not None
        assert found.kind is MachineKind.SOFT_BOUNCE
        assert found.recipients == ()

    def test_a_huge_report_is_read_from_its_beginning(self) -> None:
        raw = b"From: mailer-daemon@x.org\r\n\r\n" + b"a.b@c.example \r\n" * 60_000
        found = classify(read_mail(raw), TODAY)
        assert found is not None
        assert len(found.recipients) <= 20

    def test_many_addresses_are_cut_short(self) -> None:
        rows = "".join(
            f"Final-Recipient: rfc822; p{n}@x.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
            for n in range(300)
        )
        raw = (
            "From: mailer-daemon@x.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; "
            'report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n\r\nfailed\r\n--b\r\n'
            f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n{rows}--b--"
        )
        found = classify(read_mail(raw.encode()), TODAY)
        assert found is not None
        assert found.kind is MachineKind.HARD_BOUNCE
        assert len(found.recipients) == 20
