"""The campaign life cycle: who may move a campaign where, and how a person is asked for.

Every path (API, sweep, agent, booking) moves campaigns through here, so that the table in
`app.models.campaign` is asked exactly once per move and each move is one conditional update.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.core.clock import Clock
from app.core.errors import ConflictError
from app.db.errors import DuplicateValueError
from app.db.repositories.campaigns import CampaignRepository
from app.models.base import PyObjectId
from app.models.campaign import (
    BOOKED_STATUSES,
    ENDED_STATUSES,
    FOLLOWED_UP_STATUSES,
    TRANSITIONS,
    Attention,
    Briefing,
    Campaign,
    CampaignStatus,
    HandoffDetails,
    StatusChange,
)
from app.models.decision import Urgency

RACE_ATTEMPTS = 5
"""How often a move is tried again after another write came first. Each loser sees a newer status,
and a status path is shorter than this, so running out means a bug and not bad luck."""


_VISIT_DECIDES = " Cancel its visit or note a no-show, and the campaign follows."


class CampaignTransitionError(ConflictError):
    """The life cycle does not allow this move from where the campaign stands."""

    slug = "campaign-transition"
    title = "This campaign cannot move there"


class Moved(StrEnum):
    """What became of a move."""

    MOVED = "moved"
    ALREADY_THERE = "already_there"
    REFUSED = "refused"


@dataclass(frozen=True)
class MoveResult:
    """The outcome of a move, and the campaign as it stands now."""

    outcome: Moved
    campaign: Campaign

    @property
    def is_refused(self) -> bool:
        """Whether the table said no."""
        return self.outcome is Moved.REFUSED


class CampaignLifecycle:
    """Moves campaigns along the table and raises their attention."""

    def __init__(
        self,
        campaigns: CampaignRepository,
        clock: Clock,
        announce: Callable[[PyObjectId], Awaitable[None]] | None = None,
    ) -> None:
        """`announce` is told of every campaign somebody is asked for in, or no longer."""
        self._campaigns = campaigns
        self._clock = clock
        self._announce = announce

    async def move(
        self,
        campaign: Campaign,
        to: CampaignStatus,
        *,
        by: str,
        fields: Mapping[str, Any] | None = None,
        only_from: Collection[CampaignStatus] = TRANSITIONS.keys(),
        reads_back: bool = True,
    ) -> MoveResult:
        """Move `campaign` to `to`, setting `fields` in the same write.

        Whoever needs no campaign in the result saves a query with `reads_back=False`: after a move
        it is then the one from before.

        `by` names who moved it ("agent", "sweep", "booking", or `staff:<id>`). A move to where it
        already stands changes nothing (not even `fields`). Lost races are tried again against the
        newer status; what the table forbids is `REFUSED`, never an exception: the API turns that
        into a 409 (`require`), a background job into a logged no-op. `only_from` narrows the table
        for this mover, also after a lost race: the agent must not lead a campaign out of a status
        that a person or a booking has put it in meanwhile, although others may.
        """
        current = campaign
        for _ in range(RACE_ATTEMPTS):
            if current.status == to:
                return MoveResult(Moved.ALREADY_THERE, current)
            if current.status not in only_from or to not in TRANSITIONS[current.status]:
                return MoveResult(Moved.REFUSED, current)
            moved = await self._try_move(current, to, by, fields or {})
            if moved and not reads_back:
                return MoveResult(Moved.MOVED, current)
            current = await self._reload(current)
            if moved:
                return MoveResult(Moved.MOVED, current)
        return MoveResult(Moved.REFUSED, current)

    async def require(
        self,
        campaign: Campaign,
        to: CampaignStatus,
        *,
        by: str,
        fields: Mapping[str, Any] | None = None,
    ) -> MoveResult:
        """`move` by staff, where a refusal is their error. Raises `CampaignTransitionError`.

        Out of a booked status only its visit leads: a campaign that a person took out of there
        would be written to, or closed, while the visit stands.
        """
        result = await self.move(
            campaign, to, by=by, fields=fields, only_from=TRANSITIONS.keys() - BOOKED_STATUSES
        )
        if result.is_refused:
            status = result.campaign.status
            reason = _VISIT_DECIDES if status in BOOKED_STATUSES else ""
            message = f"A campaign in {status} cannot become {to}.{reason}"
            raise CampaignTransitionError(message)
        return result

    async def hand_off(
        self,
        campaign: Campaign,
        *,
        reason: str,
        summary: str,
        by: str,
        urgency: Urgency,
        briefing: Briefing | None = None,
    ) -> MoveResult:
        """Give the conversation to a person: attention first, then the status where allowed.

        In a status that the table does not lead on from (booked, ended) only the attention is
        raised. The order matters after a crash: an attention without the status is seen by staff,
        a status without the attention would not be.
        """
        await self.raise_attention(
            campaign, reason=reason, summary=summary, urgency=urgency, briefing=briefing
        )
        now = self._clock.now()
        details = HandoffDetails(reason=reason, summary=summary, handed_off_at=now, requested_by=by)
        fields = {"handoff_details": details.to_stored()}
        return await self.move(
            await self._reload(campaign),
            CampaignStatus.HANDOFF_REQUIRED,
            by=by,
            fields=fields,
            only_from=FOLLOWED_UP_STATUSES,
        )

    async def raise_attention(
        self,
        campaign: Campaign | PyObjectId,
        *,
        reason: str,
        summary: str,
        urgency: Urgency,
        briefing: Briefing | None = None,
    ) -> None:
        """Ask for a person, in any status, ended ones included.

        A task that is only brought up to date was announced before; what a crash kept from being
        announced then is made up for (`EventLog.reconcile`).
        """
        attention = Attention(
            reason=reason,
            urgency=urgency,
            summary=summary,
            briefing=briefing,
            since=self._clock.now(),
        )
        if await self._campaigns.set_attention(campaign, attention):
            await self._announce_attention(
                campaign.id if isinstance(campaign, Campaign) else campaign
            )

    async def claim_attention(self, campaign_id: PyObjectId, by: PyObjectId) -> bool:
        """Take an open attention that nobody holds; of two who try, one wins."""
        is_won = await self._campaigns.claim_attention(campaign_id, by)
        if is_won:
            await self._announce_attention(campaign_id)
        return is_won

    async def resolve_attention(self, before: Campaign, *, released: bool = False) -> bool:
        """Close what waited in the campaign as it was read; what has come since waits on.

        `released`: the conversation goes back to the agent.
        """
        is_closed = before.attention is not None and await self._campaigns.resolve_attention(
            before.id, before.attention, released=released
        )
        if is_closed:
            await self._announce_attention(before.id)
        return is_closed

    async def _announce_attention(self, campaign_id: PyObjectId) -> None:
        if self._announce is not None:
            await self._announce(campaign_id)

    async def _try_move(
        self, current: Campaign, to: CampaignStatus, by: str, fields: Mapping[str, Any]
    ) -> bool:
        change = StatusChange(from_status=current.status, to_status=to, at=self._clock.now(), by=by)
        also, unset = self._consequences(current.status, to)
        try:
            return await self._campaigns.change_status(
                current, change, {**also, **fields}, [name for name in unset if name not in fields]
            )
        except DuplicateValueError:
            return False

    def _consequences(
        self, leaving: CampaignStatus, to: CampaignStatus
    ) -> tuple[dict[str, Any], list[str]]:
        """What entering a status sets and removes with it, in the same write.

        The agent's silence ends with a release, which leads out of staff's hands. A first reply or
        a cancelled visit is none: whoever of the staff wrote in the thread before keeps it.
        """
        now = self._clock.now()
        fields: dict[str, Any] = {}
        unset: list[str] = []
        if to not in FOLLOWED_UP_STATUSES or to == CampaignStatus.RE_ENGAGED:
            unset.append("follow_up_details.next_attempt_at")
        if to == CampaignStatus.HANDOFF_REQUIRED:
            fields["agent_silent_since"] = now
        if to == CampaignStatus.RE_ENGAGED and leaving == CampaignStatus.HANDOFF_REQUIRED:
            unset.append("agent_silent_since")
        if to in ENDED_STATUSES:
            fields["ended_at"] = now
        return fields, unset

    async def _reload(self, campaign: Campaign) -> Campaign:
        return await self._campaigns.get(campaign.id) or campaign
