"""What of a model's answer is let through: passages, to the letter, that hold what was asked."""

import pytest

from app.services.agent.llm.support import holds_what_was_asked, supported
from app.services.agent.retrieval import ScoredPassage


def passage(text: str, title: str = "Prices", **given: object) -> ScoredPassage:
    """A sentence of an article."""
    fields: dict[str, object] = {
        "article_id": "1",
        "title": title,
        "tags": (),
        "text": text,
        "before": "",
        "after": "",
        "position": 1,
        "score": 0.8,
    }
    return ScoredPassage(**{**fields, **given})  # type: ignore[arg-type]


CLEANING = passage("A routine cleaning costs $120 and a deep cleaning costs $240.")
HOURS = passage("We are open Monday to Friday from 9 am to 5 pm.", "Hours")
DELTA = passage("We do not accept Delta Dental.", "Plans")
LINK = passage("The form is at https://clinic.example/form?x=1.", "Forms")
ALL = [CLEANING, HOURS, DELTA, LINK]


class TestSupported:
    @pytest.mark.parametrize(
        "sentence",
        [
            "A routine cleaning costs $120 and a deep cleaning costs $240.",
            "  routine CLEANING costs $120 and deep cleaning costs $240  ",
            "\u201cA routine cleaning costs $120 and a deep cleaning costs $240\u201d",
        ],
    )
    def test_a_passage_is_recognised_by_its_words(self, sentence: str) -> None:
        assert supported([sentence], ALL) == [CLEANING]

    def test_several_are_kept_in_the_models_order(self) -> None:
        said = [HOURS.text, CLEANING.text]

        assert supported(said, ALL) == [HOURS, CLEANING]

    @pytest.mark.parametrize(
        "sentence",
        [
            "A routine cleaning costs $120.",
            "A deep cleaning costs $120 and a routine cleaning costs $240.",
            "A routine cleaning costs $119 and a deep cleaning costs $240.",
            "A routine cleaning costs €120 and a deep cleaning costs €240.",
            "A routine cleaning costs $1.20 and a deep cleaning costs $240.",
            "A routine cleaning costs $\uff11\uff12\uff10 and a deep cleaning costs $240.",
            "We accept Delta Dental.",
            "We do accept Delta Dental.",
            "No, we do not accept Delta Dental.",
            "We do not accept Cigna Dental.",
            "We are open Monday to Saturday from 9 am to 5 pm.",
            "We are closed Monday to Friday from 9 am to 5 pm.",
            "We are open Monday to Friday from 9 pm to 5 am.",
            "The form is at https://clinic.example.evil.example/form?x=1.",
            "The form is at https://cl\u0456nic.example/form?x=1.",
            "The form is at https://clinic.example/form?x=2.",
            "The form is at [https://clinic.example/form?x=1](https://evil.example).",
            "You are welcome to come without an appointment.",
            "!!!",
        ],
    )
    def test_anything_else_is_not(self, sentence: str) -> None:
        assert supported([sentence], ALL) is None

    def test_one_sentence_that_is_not_spoils_the_answer(self) -> None:
        assert supported([HOURS.text, "We are the best."], ALL) is None

    @pytest.mark.parametrize("said", [[], ["  "]])
    def test_nothing_said_is_no_answer(self, said: list[str]) -> None:
        assert supported(said, ALL) is None


class TestHoldsWhatWasAsked:
    @pytest.mark.parametrize(
        ("question", "picked", "holds"),
        [
            ("How much is a cleaning?", CLEANING, True),
            ("How much is a cleaning with a warranty?", CLEANING, False),
            ("Do you sell cleaning brushes?", CLEANING, False),
            ("How much is a crown?", CLEANING, False),
            ("How much is a cleaning?", HOURS, False),
            ("Are you open on Saturday?", HOURS, False),
            ("Are you open on Tuesday?", HOURS, True),
            ("Do you take Cigna?", DELTA, False),
            ("Do you take Delta Dental?", DELTA, True),
            ("Can I have a cleaning while pregnant?", CLEANING, False),
            ("Is it?", HOURS, False),
        ],
    )
    def test_a_related_passage_is_no_answer(
        self, question: str, picked: ScoredPassage, holds: bool
    ) -> None:
        assert holds_what_was_asked([picked], [question], question, None) is holds

    def test_each_question_needs_its_own(self) -> None:
        questions = ["How much is a cleaning?", "Do you take Delta Dental?"]

        assert not holds_what_was_asked([CLEANING], questions, " ".join(questions), None)
        assert holds_what_was_asked([CLEANING, DELTA], questions, " ".join(questions), None)
