"""What every body on the wire has in common."""

from pydantic import BaseModel, ConfigDict

EXAMPLE_ID = "66f2a1b4c3d2e1f0a9b8c7d6"
EXAMPLE_OTHER_ID = "66f2a1b4c3d2e1f0a9b8c7d7"
"""Ids as examples show them."""


class InputSchema(BaseModel):
    """A request body: unknown fields are refused, so nothing can be assigned by surprise.

    Python's JSON reader lets `NaN` and `Infinity` through, which are not JSON: refused as well.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class OutputSchema(BaseModel):
    """A response body: only what is named here leaves."""

    model_config = ConfigDict(from_attributes=True)
