"""Messages that must not leave: what becomes of their attempt, and who hears of an answer that the
patient does not get.
"""

from collections.abc import Callable

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.campaign import Campaign
from app.models.decision import Urgency
from app.models.interaction import DeliveryStatus, Interaction, MessageClass
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.outreach.planner import days_after
from app.services.outreach.proactive import dropped_key
from app.services.outreach.reach import Obstacle
from app.services.outreach.unreachable import UnreachablePatients

ANSWER_WITHHELD = "answer_withheld"
ANSWER_WITHHELD_SUMMARY = (
    "The patient wrote, and the answer may not leave: they, or somebody who shares their address "
    "or number, asked for no more messages. Call them."
)
DROPPED_BY = "send gate"


class DroppedMessages:
    """Takes messages out of the outbox for good."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        clinic: ClinicService,
        clock: Clock,
        observe: Callable[[str, str], None],
    ) -> None:
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._clinic = clinic
        self._clock = clock
        self._observe = observe
        self._unreachable = UnreachablePatients(repositories, clinic, clock)

    async def ask_for_a_person(
        self, message: Interaction, reason: str, campaign: Campaign | None
    ) -> None:
        """Where somebody would be left without a word, and nobody knew. Comes before the message
        is taken out: a crash between the two repeats it.
        """
        if reason == Obstacle.NO_ADDRESS and message.patient_id is not None:
            await self._unreachable.ask_for_a_person(message.patient_id)
        is_answer = _class_of(message) == MessageClass.AGENT_ANSWER
        if reason == Obstacle.OPTED_OUT and is_answer and campaign is not None:
            await self._lifecycle.hand_off(
                campaign,
                reason=ANSWER_WITHHELD,
                summary=ANSWER_WITHHELD_SUMMARY,
                by=DROPPED_BY,
                urgency=Urgency.NORMAL,
            )

    async def drop(
        self, message: Interaction, status: DeliveryStatus, term: int, reason: str
    ) -> None:
        """Drop a message that stands in `status` under `term`. Outreach gives its attempt back, and
        its dedupe key with it.

        The attempt comes first, so that no crash can lose it. Where it was not counted yet, the
        path that counts it finds the message dropped and gives the attempt back itself.
        """
        gives_back = message.attempt is not None and message.campaign_id is not None
        given_back = gives_back and await self._give_back(message)
        await self._repositories.outbox.suppress(
            message,
            status=status,
            term=term,
            reason=reason,
            dedupe_key=dropped_key(message) if gives_back else None,
        )
        if gives_back and not given_back:
            await self._give_back(message)
        self._observe(_class_of(message), DeliveryStatus.SUPPRESSED)

    async def _give_back(self, message: Interaction) -> bool:
        if message.attempt is None or message.campaign_id is None:
            return False
        zone = (await self._clinic.current()).zone
        return await self._repositories.campaigns.give_back_attempt(
            message.campaign_id,
            attempt=message.attempt,
            next_attempt_at=days_after(self._clock.now(), 1, zone),
        )


def _class_of(message: Interaction) -> MessageClass:
    assert message.delivery is not None  # noqa: S101 - only outgoing messages come here
    return message.delivery.message_class
