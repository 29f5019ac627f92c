"""What of a patient's words leaves this machine."""

import pytest

from app.services.agent.llm.redaction import HEAD_CHARACTERS, TAIL_CHARACTERS, redacted


class TestRedacted:
    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("mail m.lopez+x@example.co.uk please", "mail [address] please"),
            ("call (212) 555-0142 or +1 646 555 0143", "call [number] or [number]"),
            ("born 03/04/1981, SSN 123-45-6789", "born [number], SSN [number]"),
            ("see https://a.example/b?c=1 or www.b.example", "see [link] or [link]"),
            ("card 4111 1111 1111 1111", "card [number]"),
        ],
    )
    def test_what_tells_who_or_where_somebody_is_stays(self, text: str, sent: str) -> None:
        assert redacted(text) == sent

    @pytest.mark.parametrize(
        "text",
        [
            "Is whitening $350 or $1,200.00?",
            "Tuesday at 9:30 am, or between 10 and 11:15",
            "I have 2 kids, 8 and 11",
        ],
    )
    def test_what_is_asked_goes(self, text: str) -> None:
        assert redacted(text) == text

    def test_the_patients_names_stay(self) -> None:
        text = "Hi, MARIA here (López). Marian says hello. Li too, I said."

        told = redacted(text, ["Maria López", "Li", "I"])

        assert told == "Hi, [name] here ([name]). Marian says hello. [name] too, I said."

    def test_a_long_text_keeps_its_beginning_and_its_end(self) -> None:
        told = redacted("a" * 50_000 + "the end")

        assert len(told) < HEAD_CHARACTERS + TAIL_CHARACTERS + 10
        assert told.endswith("the end")

    def test_characters_that_nobody_sees_go(self) -> None:
        assert redacted("a\u202eb\u200bc\x00d") == "a b c d"

    def test_half_a_character_does_not_break_it(self) -> None:
        assert redacted("a\ud800b") == "a?b"

    @pytest.mark.parametrize("text", ["", "@" * 3000, "1" * 3000, "+(" * 1500, "a." * 1500])
    def test_hostile_text_is_read_at_once(self, text: str) -> None:
        assert len(redacted(text, ["Ann Other"])) <= max(len(text), 10)
