"""What follows from a reply that holds several things, case by case and without a database."""

import pytest

from app.models.campaign import CampaignStatus
from app.models.decision import AiAnalysis, Intent
from app.services.agent.policy import Action, Choice, Reading, Reason, Situation, choose

LED = Situation(status=CampaignStatus.RE_ENGAGED)
BOOKING, QUESTION, DENIAL = Intent.BOOKING_REQUEST, Intent.QUESTION, Intent.SERVICE_DENIAL


def chosen(intent: Intent, *also: Intent, situation: Situation = LED) -> Choice:
    """What the agent does about a reply that wants this, and that beside it."""
    analysis = AiAnalysis(intent=intent, engine="local", secondary_intents=list(also))
    return choose(Reading(analysis), situation)


SEVERAL = Choice(Action.HAND_OFF, Reason.SEVERAL_REQUESTS)


class TestSeveralThings:
    @pytest.mark.parametrize(
        ("intent", "also", "expected"),
        [
            (BOOKING, (), Choice(Action.SEND_BOOKING_LINK, Reason.BOOKING_REQUEST)),
            (BOOKING, (QUESTION,), Choice(Action.SEND_ANSWER, Reason.QUESTION)),
            (QUESTION, (BOOKING,), Choice(Action.SEND_ANSWER, Reason.QUESTION)),
            (BOOKING, (DENIAL,), Choice(Action.SEND_BOOKING_LINK, Reason.BOOKING_REQUEST)),
            (DENIAL, (), Choice(Action.CLOSE, Reason.DECLINED)),
            (DENIAL, (QUESTION,), SEVERAL),
            (DENIAL, (BOOKING,), SEVERAL),
            (QUESTION, (DENIAL,), SEVERAL),
            (DENIAL, (Intent.OPT_OUT,), Choice(Action.CLOSE, Reason.DECLINED)),
            (BOOKING, (Intent.OPT_OUT,), SEVERAL),
            (QUESTION, (Intent.EMERGENCY,), SEVERAL),
            (DENIAL, (Intent.EMERGENCY,), SEVERAL),
            (Intent.OPT_OUT, (), Choice(Action.OPT_OUT, Reason.OPTED_OUT)),
            (Intent.OPT_OUT, (BOOKING,), Choice(Action.OPT_OUT, Reason.OPTED_OUT_AND_ASKED)),
            (Intent.OPT_OUT, (DENIAL,), Choice(Action.OPT_OUT, Reason.OPTED_OUT)),
            (
                Intent.EMERGENCY,
                (Intent.OPT_OUT, BOOKING),
                Choice(Action.EMERGENCY, Reason.EMERGENCY),
            ),
        ],
    )
    def test_the_more_cautious_leads(
        self, intent: Intent, also: tuple[Intent, ...], expected: Choice
    ) -> None:
        assert chosen(intent, *also) == expected

    def test_a_day_has_only_so_many_automatic_turns(self) -> None:
        spent = Situation(status=CampaignStatus.RE_ENGAGED, turns_left=0)

        assert chosen(BOOKING, situation=spent) == Choice(Action.HAND_OFF, Reason.TOO_MANY_TURNS)
        assert chosen(Intent.EMERGENCY, situation=spent).action == Action.EMERGENCY
