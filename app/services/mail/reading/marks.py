"""Private characters that stand for what was taken out of a text, each on a line of its own."""

QUOTE = "\ue000"
"""Here stood quoted history; what follows may be new again."""
END = "\ue001"
"""Here the new words end: all that follows is history."""
MARKS = QUOTE + END
