"""What schemathesis is to find wrong beside its own checks (`tests/schemathesis.toml`)."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response

from app.api.access import Access

FIRST_REFUSAL = 400


@schemathesis.check
def only_the_public_answers_without_a_sign_in(
    _context: CheckContext, response: Response, case: Case[Any]
) -> None:
    """An operation that is not public refuses whoever sends no token."""
    is_public = case.operation.definition.raw.get("x-access") == Access.ANYBODY
    has_token = "Authorization" in response.request.headers
    if not is_public and not has_token:
        assert response.status_code >= FIRST_REFUSAL, "answered without a sign-in"
