"""The one form of every error: RFC 9457 `application/problem+json`."""

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong. Kinds of problem may add members of their own (`alternatives`, ids)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Names the kind of problem.",
        examples=["http://127.0.0.1:8000/problems/slot-taken"],
    )
    title: str = Field(description="The kind in a few words.", examples=["Slot taken"])
    status: int = Field(description="The HTTP status again.", examples=[409])
    detail: str = Field(
        description="A sentence about this occurrence.", examples=["This time is no longer free."]
    )
    instance: str = Field(
        description="The path that was asked, without its query; tokens are masked.",
        examples=["/api/v1/appointments/book"],
    )
    request_id: str = Field(
        description="The same as the response's `X-Request-ID`.",
        examples=["9b2f6c0e4d4b4a0f9a53c3a1f0f1d2e3"],
    )


class FieldError(BaseModel):
    """One rule that one part of the request breaks. Never holds what was sent."""

    loc: list[str | int] = Field(description="Where.", examples=[["body", "email"]])
    msg: str = Field(description="The rule.", examples=["Field required"])
    type: str = Field(description="The rule's name.", examples=["missing"])


class ValidationProblem(Problem):
    """A request that is not of the form this operation takes, or breaks one of its rules."""

    errors: list[FieldError] | None = Field(
        default=None, description="Present where single fields are at fault."
    )
