import pytest

from app.services.agent.question_groups import group_alike
from app.services.agent.unanswered import MAX_CHARACTERS, MAX_PARTS, parts_of

ALIKE = [
    ["Do you take Delta Dental?", "¿Aceptan Delta Dental?", "is Delta Dental in network?"],
    ["Do you validate parking?", "Is there parking nearby?", "¿Hay estacionamiento?"],
    ["How much is a crown?", "what would a crown cost me", "Wie viel kostet eine Krone?"],
    ["How much does whitening cost?", "whats the price of teeth whitening"],
    ["Do you speak Polish?"],
    ["???"],
]


class TestGroupAlike:
    def test_joins_paraphrases_in_any_language_and_parts_two_treatments(self) -> None:
        asked = [text for group in ALIKE for text in group]
        asked = asked[::2] + asked[1::2]

        groups = [{asked[place] for place in group} for group in group_alike(asked)]

        assert sorted(map(sorted, groups)) == sorted(map(sorted, ALIKE))
        assert group_alike(asked) == group_alike(asked)

    @pytest.mark.parametrize("asked", [[], ["x"], ["", ""], ["?", "!"], ["a" * 5000] * 3])
    def test_takes_anything(self, asked: list[str]) -> None:
        places = [place for group in group_alike(asked) for place in group]
        assert sorted(places) == list(range(len(asked)))


class TestPartsOf:
    def test_is_each_question_without_who_asks(self) -> None:
        message = "Dana Smith here (212 555 0142). Do you take Delta? And is there parking, Dana?"
        assert parts_of(message, ["Dana Smith"]) == [
            "Do you take Delta?",
            "And is there parking, [name]?",
        ]

    def test_is_bounded(self) -> None:
        parts = parts_of("How much is a crown, really? " * 40 + "x" * 9000 + "?")
        assert len(parts) == MAX_PARTS
        assert max(map(len, parts)) <= MAX_CHARACTERS
        assert parts_of("hm") == ["hm"]
