"""Letters to look at before anybody gets them, as they cross HTTP."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.models.base import PyObjectId
from app.models.campaign import CampaignType
from app.models.voice import LetterKind
from app.schemas.base import InputSchema, OutputSchema
from app.schemas.text import LongText, PersonName, ShortText
from app.schemas.voice import VoiceEntry

MAX_ATTEMPT = 20


class MessagePreview(InputSchema):
    """Which letter to show, and what is known of who gets it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "kind": "outreach",
                "campaign_type": "RECOVERY",
                "attempt": 2,
                "language": "en",
                "patient_name": "Maria Lopez",
                "initial_inquiry": "Asked about teeth whitening",
            }
        },
    )

    kind: LetterKind = LetterKind.OUTREACH
    campaign_type: CampaignType = CampaignType.RECOVERY
    attempt: Annotated[int, Field(ge=1, le=MAX_ATTEMPT)] = 1
    language: Literal["en", "es"] | None = Field(
        default=None, description="Without it: the patient's, else English."
    )
    patient_id: PyObjectId | None = Field(
        default=None, description="Somebody on file; the next three are theirs then."
    )
    patient_name: PersonName = "Maria Lopez"
    initial_inquiry: Annotated[LongText, StringConstraints(max_length=1000)] | None = None
    last_treatment: ShortText | None = None
    answer: Annotated[LongText, StringConstraints(max_length=4000)] = Field(
        default="We are open Monday to Friday from 9:00 to 17:00.",
        description="What an `answer` quotes from the knowledge base.",
    )
    voice: VoiceEntry | None = Field(
        default=None, description="A voice to try before it is saved with `PATCH /admin/clinic`."
    )


class LetterRead(OutputSchema):
    """A letter as the patient reads it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "subject": "Shall we find a time for you?",
                "text": "Hello Maria,\n\nWe wrote to you a few days ago …",
                "html": "<!doctype html>…",
                "short_text": "Demo Dental: shall we find a time for you? Take whatever …",
            }
        }
    )

    subject: str
    text: str
    html: str
    short_text: str = Field(description="What goes out instead where it is a text message.")
