"""Reading a request's headers where every request pays for it."""

from starlette.types import Scope


def first_header(scope: Scope, name: bytes) -> str:
    """The first header of that (lower-case) name; empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""
