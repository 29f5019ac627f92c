"""What webhooks are sent, for the OpenAPI document: bodies are read strictly and by hand."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.models.patient import Channel

MESSAGE_EXAMPLE: dict[str, JsonValue] = {
    "channel": "whatsapp",
    "thread_id": "wa-12125550142",
    "message_id": "wamid.HBgLMTIxMjU1NTAxNDIVAgASGBQz",
    "sender": "+12125550142",
    "message_content": "Yes, I would like to come in.",
}
PUSH_EXAMPLE: dict[str, JsonValue] = {
    "message": {
        "data": (
            "eyJ0aHJlYWRfaWQiOiAidC02NmYyYTFiNGMzZDJlMWYwYTliOGM3ZDYiLCAibWVzc2FnZV9pZCI6ICJtLTEi"
            "LCAiZnJvbSI6ICJtYXJpYS5sb3BlekBleGFtcGxlLmNvbSIsICJzdWJqZWN0IjogIlJlOiBZb3VyIHZpc2l0"
            "IiwgImNvbnRlbnQiOiAiWWVzLCBJIHdvdWxkIGxpa2UgdG8gY29tZSBpbi4ifQ=="
        ),
        "messageId": "11223344556677",
        "publishTime": "2026-08-19T16:00:00Z",
    },
    "subscription": "projects/my-project/subscriptions/gmail-push",
}


class PushMessage(BaseModel):
    """The message inside a push. Fields that Pub/Sub adds beside these are ignored."""

    data: str = Field(
        description=(
            "Base64 or base64url, padded or not, of a JSON object in UTF-8: Gmail's "
            '`{"emailAddress", "historyId"}`, or from a relay '
            '`{"thread_id", "message_id", "from", "subject"?, "content"}`.'
        ),
        examples=["eyJlbWFpbEFkZHJlc3MiOiAiY2xpbmljQGV4YW1wbGUuY29tIiwgImhpc3RvcnlJZCI6ICI5In0="],
    )
    messageId: str = Field(  # noqa: N815 - Pub/Sub's own name
        min_length=1,
        max_length=256,
        description="What a second delivery is recognised by.",
        examples=["11223344556677"],
    )
    publishTime: str | None = Field(  # noqa: N815 - Pub/Sub's own name
        default=None, examples=["2026-08-19T16:00:00Z"]
    )
    attributes: dict[str, str] | None = None


class PushBody(BaseModel):
    """A Pub/Sub push."""

    model_config = ConfigDict(json_schema_extra={"example": PUSH_EXAMPLE})

    message: PushMessage
    subscription: str | None = Field(
        default=None, max_length=512, examples=["projects/my-project/subscriptions/gmail-push"]
    )

    @classmethod
    def inline_schema(cls) -> dict[str, Any]:
        """The JSON schema without references, as `openapi_extra` needs it."""
        schema = cls.model_json_schema()
        schema["properties"]["message"] = schema.pop("$defs")["PushMessage"]
        return schema


class IncomingMessage(BaseModel):
    """A message that a relay hands over. Members beside these are ignored."""

    model_config = ConfigDict(json_schema_extra={"example": MESSAGE_EXAMPLE})

    channel: Channel
    thread_id: str = Field(min_length=1, max_length=256, examples=["wa-12125550142"])
    message_id: str = Field(
        min_length=1,
        max_length=256,
        description="The channel's own; what a second delivery is recognised by.",
        examples=["wamid.HBgLMTIxMjU1NTAxNDIVAgASGBQz"],
    )
    sender: str = Field(
        min_length=1,
        max_length=320,
        description="A phone number (E.164, or as it is dialled in the clinic's country); with "
        "`email` an address, perhaps with a display name.",
        examples=["+12125550142"],
    )
    message_content: str = Field(max_length=262_144, examples=["Yes, I would like to come in."])

    @classmethod
    def inline_schema(cls) -> dict[str, Any]:
        """The JSON schema without references, as `openapi_extra` needs it."""
        schema = cls.model_json_schema()
        schema["properties"]["channel"] = schema.pop("$defs")["Channel"]
        return schema
