"""Whether the sender is the patient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.agent.guards.sender import is_same_address

PATIENT = "ana.ruiz+dental@example.org"


class TestSender:
    @pytest.mark.parametrize(
        "header",
        [
            "ana.ruiz+dental@example.org",
            "Ana.Ruiz+Dental@Example.ORG",
            "  ana.ruiz+dental@example.org ",
            "<ana.ruiz+dental@example.org>",
            "Ana Ruiz <ana.ruiz+dental@example.org>",
            '"Ruiz, Ana" <ana.ruiz+dental@example.org>',
            '"ana.ruiz+dental@example.org" <ana.ruiz+dental@example.org>',
            "=?utf-8?q?Ana_Ru=C3=ADz?= <ana.ruiz+dental@example.org>",
            "Ana Ru\u00edz <ana.ruiz+dental@example.org>",
        ],
    )
    def test_the_address_on_file_is_recognised(self, header: str) -> None:
        assert is_same_address(header, PATIENT)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Ana Ruiz",
            "anaruiz+dental@example.org",
            "ana.ruiz@example.org",
            "ana.ruiz+dental@examp1e.org",
            "ana.ruiz+dental@example.org.evil.net",
            "xana.ruiz+dental@example.org",
            "ana.ruiz+dental@example.orgx",
            '"ana.ruiz+dental@example.org" <mallory@evil.net>',
            "ana.ruiz+dental@example.org <mallory@evil.net>",
            "Mallory <mallory@evil.net>, ana.ruiz+dental@example.org",
            "ana.ruiz+dental@example.org, mallory@evil.net",
            "mallory@evil.net <ana.ruiz+dental@example.org>",
            "<mallory@evil.net> <ana.ruiz+dental@example.org>",
            "ana.ruiz+dental@example.org)@evil.net",
            "ana.ruiz+dental@example.org(@evil.net",
            "(ana.ruiz+dental@example.org) mallory@evil.net",
            "ana.ruiz+dental@example.org@evil.net",
            "staff: ana.ruiz+dental@example.org;",
            "Ana <ana.ruiz+dental@example.org>\r\nBcc: mallory@evil.net",
            "Ana <ana.ruiz+dental@example.org>\x00",
            '"Ana\r\nBcc: x" <ana.ruiz+dental@example.org>',
            "\u0430na.ruiz+dental@example.org",
            "ana.ruiz+dental@ex\u0430mple.org",
            "ana.ruiz\uff0bdental@example.org",
            "ana.ruiz+dental@example\u3002org",
            "ana.ruiz+dental\u200b@example.org",
            "ana?ruiz+dental@example.org",
        ],
    )
    def test_anything_else_is_a_stranger(self, header: str) -> None:
        assert not is_same_address(header, PATIENT)

    def test_a_dot_in_the_address_matches_only_a_dot(self) -> None:
        assert not is_same_address("anaxruiz@example.org", "ana.ruiz@example.org")

    def test_a_letter_that_folds_to_another_does_not_match(self) -> None:
        assert not is_same_address("\u212bim@example.org", "kim@example.org")
        assert not is_same_address("\u212aim@example.org", "kim@example.org")

    @pytest.mark.parametrize("address", [None, ""])
    def test_a_patient_without_an_address_matches_nobody(self, address: str | None) -> None:
        assert not is_same_address("ana@example.org", address)
        assert not is_same_address("", address)

    @given(st.text(max_size=200))
    def test_any_header_gets_an_answer(self, header: str) -> None:
        assert is_same_address(header, PATIENT) in {True, False}
