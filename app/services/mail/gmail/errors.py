"""How Gmail and Google's sign-in can fail. No message repeats an address or a text."""

from datetime import timedelta


class GmailError(Exception):
    """Anything that kept Gmail from doing what it was asked to."""


class GmailUnavailableError(GmailError):
    """No answer in time, or a 5xx: later it may work. What was asked for may have happened."""


class RateLimitedError(GmailError):
    """Too much was asked for. `retry_after`: how long Gmail wants to be left alone, if it said."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HistoryGoneError(GmailError):
    """Gmail's history no longer reaches back to the cursor: only a full look-through helps."""


class NotInMailboxError(GmailError):
    """The message or thread does not exist (any more)."""


class GmailRefusedError(GmailError):
    """Gmail understood and will not do it. `status` is HTTP's, `reason` Gmail's own word."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class GmailSignInError(GmailError):
    """Google gives us no access; the sentence tells the operator what to do."""
