"""A sign-in and its refresh tokens: one family, of which one token at a time is good."""

from datetime import datetime, timedelta

from pydantic import Field

from app.models.base import Document, PyObjectId, UtcDatetime

RETRY_WINDOW = timedelta(seconds=10)
"""How long the token that was just used still gets the answer it got.

A client whose answer was lost, or two windows that refresh at once, would otherwise look like a
thief and be signed out in the middle of a phone call. The answer is the same token again, so that
the family has one good token at all times; a thief who is as quick holds that one too, and the
next refresh but one of either gives it away.
"""


class Session(Document):
    """What is kept of a sign-in: hashes of its refresh tokens, never one that could be used.

    `used_hashes` ends with the token used last. Whether the session lasts is not said here but in
    `StaffMember.sessions`.
    """

    staff_id: PyObjectId
    token_hash: str
    used_hashes: list[str] = Field(default_factory=list)
    refreshed_at: UtcDatetime
    idle_until: UtcDatetime
    ends_at: UtcDatetime

    def is_retry(self, hashed: str, now: datetime) -> bool:
        """Whether this token was the last one used, moments ago."""
        is_last = self.used_hashes[-1:] == [hashed]
        return is_last and now - self.refreshed_at <= RETRY_WINDOW
