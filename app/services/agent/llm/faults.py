"""What goes wrong with a model server, in names for records and metrics."""

from enum import StrEnum


class LlmFault(StrEnum):
    """Why there is no usable answer from the model."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CUT_OFF = "cut_off"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    INVALID_ANSWER = "invalid_answer"
    WRONG_SCHEMA = "wrong_schema"
    EMPTY_ANSWER = "empty_answer"
    UNFINISHED = "unfinished"
    CIRCUIT_OPEN = "circuit_open"
    BUDGET_SPENT = "budget_spent"


TRANSIENT = frozenset(
    {
        LlmFault.TIMEOUT,
        LlmFault.UNREACHABLE,
        LlmFault.CUT_OFF,
        LlmFault.RATE_LIMITED,
        LlmFault.SERVER_ERROR,
    }
)
"""What may be gone a moment later. At temperature 0 a wrong answer would only come again."""
UNPAID = frozenset({LlmFault.UNREACHABLE, LlmFault.RATE_LIMITED, LlmFault.REFUSED})
"""After these the model has certainly not worked: nothing of the budget was used."""


class LlmError(Exception):
    """The model gave no usable answer. Holds nothing of what was asked or said."""

    def __init__(self, fault: LlmFault, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.retry_after_seconds = retry_after_seconds
