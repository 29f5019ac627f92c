"""What one reply costs: how often the database is asked from Gmail's word to the end."""

import pytest
from pymongo import monitoring

from app.models.campaign import CampaignStatus
from app.models.decision import Intent
from app.models.interaction import MessageClass
from tests.gmail_desk import Desk

pytestmark = pytest.mark.mongo

S = CampaignStatus


class Commands(monitoring.CommandListener):
    """Everything that any database is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """See `CommandListener`."""
        self.asked.append(f"{event.command_name} {event.command.get(event.command_name)}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to see."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to see."""


COMMANDS = Commands()
monitoring.register(COMMANDS)


async def asked_for(desk: Desk) -> list[str]:
    """What a round of the worker asks when one message has been told of, and all that follows."""
    await desk.notify()
    before = len(COMMANDS.asked)
    await desk.stage.work_off()
    looking = len(COMMANDS.asked)
    await desk.stage.work_off()
    await desk.stage.work_off()
    assert looking - before <= 14, COMMANDS.asked[before:looking]
    return COMMANDS.asked[looking:]


class TestReply:
    async def test_costs_so_many_commands_and_no_more(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.stage.engine.intent = Intent.BOOKING_REQUEST
        desk.answer(patient, campaign)
        await desk.notify()
        await desk.drain()

        desk.answer(patient, campaign, text="And in the morning, please.")
        answered = await asked_for(desk)
        desk.stage.engine.intent = Intent.IRRELEVANT_CONFUSED
        desk.answer(patient, campaign, text="Blue")
        handed_over = await asked_for(desk)
        desk.answer(patient, campaign, text="Green")
        kept = await asked_for(desk)

        sent = [
            one.delivery.message_class for one in await desk.stage.outgoing(patient) if one.delivery
        ]
        assert sent.count(MessageClass.AGENT_ANSWER) == 2
        assert (await desk.stage.campaign_now(campaign)).status == S.HANDOFF_REQUIRED
        for found, most in ((answered, 24), (handed_over, 21), (kept, 17)):
            assert len(found) <= most, found
