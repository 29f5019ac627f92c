import pytest
from pydantic import ValidationError

from app.models.voice import ClinicVoice, VoiceWords


class TestVoiceWords:
    @pytest.mark.parametrize(
        "given",
        [
            {"greeting": ""},
            {"greeting": "x" * 41},
            {"closing_line": "See you at www.example.com"},
            {"closing_line": "Book at example.com"},
            {"closing_line": "Write to us: desk@example"},
            {"closing_line": "two\nlines"},
            {"sign_off": "Yours\u2028truly"},
            {"disclosure": "This message was written with love."},
            {"disclosure": "Our assistant wrote this: https://example"},
        ],
    )
    def test_no_link_no_second_line_and_no_machine_that_hides(self, given: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            VoiceWords.model_validate(given)

    @pytest.mark.parametrize(
        "disclosure",
        [
            "Nora, our virtual assistant, wrote this message.",
            "An AI wrote this.",
            "Este mensaje es automático.",
        ],
    )
    def test_a_machine_may_have_a_name(self, disclosure: str) -> None:
        assert VoiceWords(disclosure=disclosure).disclosure == disclosure

    def test_another_language_is_spoken_to_in_english(self) -> None:
        voice = ClinicVoice(en=VoiceWords(greeting="Hi"), es=VoiceWords(greeting="Buenos días"))
        assert [voice.words(language).greeting for language in ("en", "es", "fr")] == [
            "Hi",
            "Buenos días",
            "Hi",
        ]
