"""What an engine is told of a conversation so far."""

from collections.abc import Sequence

from app.models.decision import ENGINE_INTENTS
from app.models.interaction import Direction, Interaction, MessageClass
from app.services.agent.context import Turn

_SENT = {
    MessageClass.OUTREACH: "wrote first and invited them to come in",
    MessageClass.AGENT_ANSWER: "answered automatically",
    MessageClass.HANDOFF_NOTICE: "said that a person will answer",
    MessageClass.EMERGENCY_TEXT: "told them whom to call in an emergency",
    MessageClass.OPT_OUT_RECEIPT: "confirmed that messages stop",
    MessageClass.VISIT_NOTICE: "told them about a visit",
    MessageClass.REMINDER: "reminded them of a visit",
    MessageClass.WAITLIST_OFFER: "offered times that freed up",
    MessageClass.WAITLIST_CLOSED: "said that offered times are gone",
    MessageClass.STAFF: "wrote to them in person",
}


def turns_before(reply: Interaction, said: Sequence[Interaction]) -> list[Turn]:
    """What was said before `reply`, oldest first.

    A letter of ours holds names, links and visits: its kind is enough to understand a "yes" by.
    """
    before = [one for one in said if one.id != reply.id and one.timestamp <= reply.timestamp]
    return [_turn(one) for one in before if not _is_by_another(one)]


def _is_by_another(message: Interaction) -> bool:
    """What a machine or a stranger wrote into the conversation is not the patient's word."""
    analysis = message.ai_analysis
    return analysis is not None and analysis.intent not in ENGINE_INTENTS


def _turn(message: Interaction) -> Turn:
    if message.direction == Direction.INCOMING:
        return Turn(is_patient=True, text=message.content)
    kind = message.delivery.message_class if message.delivery else MessageClass.STAFF
    return Turn(is_patient=False, text=_SENT[kind])
