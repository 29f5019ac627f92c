"""A bare yes, and what only looks like one."""

from dataclasses import dataclass, replace

import pytest

from app.models.decision import Intent
from app.services.agent.guards.assent import is_bare_assent
from app.services.agent.guards.guard import GuardFindings
from app.services.agent.verdict import combine

ASSENT = GuardFindings(sender_verified=True, assent=True)


@dataclass(frozen=True)
class Said:
    """What an engine makes of it."""

    intent: Intent
    confidence: float

    @property
    def probabilities(self) -> dict[Intent, float]:
        """All it has to say."""
        return {self.intent: self.confidence}


class TestBareAssent:
    @pytest.mark.parametrize(
        "text",
        [
            "yes",
            "Yes.",
            "YES!!!",
            "yesss",
            "ok",
            "Yes, please",
            "Sure, thank you!",
            "Yes! \U0001f44d",
            "S\u00ed",
            "si, por favor",
            "Claro que s\u00ed",
            "Dale",
            "Oui, volontiers",
            "D'accord",
            "Ja, gerne",
            "Sim",
            "Of course",
        ],
    )
    def test_is_a_wish_to_come(self, text: str) -> None:
        assert is_bare_assent(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yes?",
            "ok???",
            "no",
            "yes but how much is it",
            "yes, stop",
            "yeah right",
            "yes no",
            "thanks",
            "\U0001f44d",
            "Sure, when hell freezes over",
            "ja ja ja no",
            "si no",
            "I know",
        ],
    )
    def test_anything_beside_it_is_for_the_engine(self, text: str) -> None:
        assert not is_bare_assent(text)

    @pytest.mark.parametrize("said", [Intent.BOOKING_REQUEST, Intent.IRRELEVANT_CONFUSED])
    def test_settles_what_an_engine_doubts(self, said: Intent) -> None:
        verdict = combine(ASSENT, Said(said, 0.5), 0.6)

        assert verdict.intent is Intent.BOOKING_REQUEST
        assert not verdict.needs_person
        assert "guard:bare_assent" in verdict.reasons

    def test_outweighs_nothing_more_serious(self) -> None:
        stranger = combine(replace(ASSENT, sender_verified=False), None, 0.6)
        stop = combine(replace(ASSENT, opt_out=True), None, 0.6)
        suspected = combine(ASSENT, Said(Intent.EMERGENCY, 0.3), 0.6)

        assert stranger.intent is Intent.UNVERIFIED_SENDER
        assert stop.intent is Intent.OPT_OUT
        assert suspected.intent is Intent.EMERGENCY
