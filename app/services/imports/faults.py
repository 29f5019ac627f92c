"""Why a row is not taken, in sentences a person can use. They never quote names or addresses."""

from types import MappingProxyType


class RowFault(Exception):  # noqa: N818 - a fault of the file, not an error of ours
    """This row cannot be taken: `reason` for programs, the sentence for people."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sentence = sentence


CUT_OFF = "cut_off"
OVERTAKEN = "It is being changed by somebody else just now. Send the file again."

_UNREADABLE = MappingProxyType(
    {
        "more_cells_than_headings": "The row has more cells than the first row has headings.",
        "cell_too_long": "A cell is longer than 1000 characters.",
        CUT_OFF: "The file ends within this row: it was cut off. Export it again.",
        "control_characters": "A cell holds control characters.",
    }
)


def erased() -> RowFault:
    """The person was erased here: nothing is written about them, nor booked for them."""
    reason = "patient_erased"
    sentence = "This patient was erased here. Add them as a new patient, where they came back."
    return RowFault(reason, sentence)


def unreadable(fault: str) -> RowFault:
    """What the reader of the file found."""
    kind, _, row = fault.partition(":")
    if kind == "repeats_row":
        sentence = f"Row {row} has the same external_id; the first of them counts."
        return RowFault("repeated_external_id", sentence)
    return RowFault(kind, _UNREADABLE[kind])
