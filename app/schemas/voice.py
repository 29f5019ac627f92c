"""The practice's voice as it crosses HTTP."""

from pydantic import ConfigDict, Field

from app.models.voice import ClinicVoice, ClosingLine, Disclosure, Greeting, Signature
from app.schemas.base import InputSchema


class VoiceWordsEntry(InputSchema):
    """The practice's words in one language; what is left out is as the letters have it."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    greeting: Greeting | None = Field(default=None, examples=["Dear"])
    closing_line: ClosingLine | None = Field(
        default=None, examples=["We look forward to seeing you."]
    )
    sign_off: Greeting | None = Field(default=None, examples=["With kind regards,"])
    disclosure: Disclosure | None = Field(
        default=None,
        description="Says that an automated assistant wrote the message; how to reach a person "
        "always follows it.",
        examples=["Nora, our virtual assistant, wrote this message."],
    )


class VoiceEntry(InputSchema):
    """How the practice sounds in its letters, in English and in Spanish."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_extra={
            "example": {
                "signature": "Dr. Ana Ruiz and her team",
                "en": {"greeting": "Dear", "closing_line": "We look forward to seeing you."},
                "es": {"sign_off": "Hasta pronto,"},
            }
        },
    )

    signature: Signature | None = None
    en: VoiceWordsEntry = Field(default_factory=VoiceWordsEntry)
    es: VoiceWordsEntry = Field(default_factory=VoiceWordsEntry)

    def to_voice(self) -> ClinicVoice:
        """As it is stored."""
        return ClinicVoice.model_validate(self.model_dump(exclude_none=True))
