"""Files as they come in over HTTP: as the body itself, or as a part of a form."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from app.core.errors import AppError, UnprocessableError

CHUNK_BYTES = 64 * 1024
_PLAIN = frozenset({"text/csv", "application/csv", "text/plain", "application/octet-stream", ""})
_FORM = "multipart/form-data"


class NotAFileError(AppError):
    """Neither a CSV body nor a form."""

    status = 415
    slug = "unsupported-media-type"
    title = "This type of content is not taken"


class NoFileError(UnprocessableError):
    """A form without a file."""

    slug = "no-file"
    title = "There is no file in this form"


async def uploaded(request: Request) -> AsyncIterator[bytes]:
    """The bytes of the one file of a request, as they come.

    Raises `NotAFileError`, `NoFileError`, and a 400 where the client went away before the end.
    """
    kind = Headers(scope=request.scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        async for chunk in _from_form(request):
            yield chunk
        return
    if kind not in _PLAIN:
        message = f"Send the file as text/csv, or as a file in {_FORM}."
        raise NotAFileError(message)
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error


async def _from_form(request: Request) -> AsyncIterator[bytes]:
    async with request.form(max_files=1, max_fields=10) as form:
        file = next((part for part in form.values() if isinstance(part, UploadFile)), None)
        if file is None:
            message = "The form holds no file."
            raise NoFileError(message)
        while chunk := await file.read(CHUNK_BYTES):
            yield chunk


def csv_body(example: str) -> dict[str, Any]:
    """What `openapi_extra` says of an operation that takes a CSV file."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": example},
                _FORM: {
                    "schema": {
                        "type": "object",
                        "properties": {"file": {"type": "string", "format": "binary"}},
                        "required": ["file"],
                    },
                    "example": {"file": example},
                },
            },
        }
    }
