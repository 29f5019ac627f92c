"""The service about itself."""

from typing import Literal

from pydantic import Field

from app.schemas.base import OutputSchema


class About(OutputSchema):
    """Which service answers."""

    status: Literal["ok"] = "ok"
    name: str = Field(examples=["Dental AI Patient Engagement"])
    version: str = Field(examples=["0.1.0"])


class Health(OutputSchema):
    """All is well; anything else is a problem document."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """It can do its work; `degraded` names what works less well than it should."""

    degraded: list[str] = Field(
        default=[],
        description="What works less well than it should, in sentences; empty as a rule.",
        examples=[[]],
    )
