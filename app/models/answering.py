"""Who answers a patient."""

from enum import StrEnum


class AnsweredBy(StrEnum):
    """Who answered first."""

    AGENT = "agent"
    PERSON = "person"
