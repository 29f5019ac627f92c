"""Does what was decided about a reply in a campaign. Every effect may run twice, happens once.

Messages are queued under keys made of the reply's id, moves go through the life cycle and name the
statuses the agent may lead from, attentions and suppressions are set and not added. So a crash
between any two lines is repaired by running the same decision again.
"""

from collections.abc import Awaitable, Callable

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.campaign import FOLLOWED_UP_STATUSES, Briefing, Campaign, CampaignStatus
from app.models.decision import Urgency
from app.models.interaction import MessageClass
from app.models.records import SuppressionReason
from app.services.agent.briefing import briefing_of
from app.services.agent.handoff import engagement_summary, handoff_summary
from app.services.agent.llm.redaction import redacted
from app.services.agent.policy import Action, Reason
from app.services.agent.replies import (
    AGENT,
    Alerts,
    CampaignReply,
    ReplyMail,
    heard_on,
    interaction_source,
    reply_key,
    returned_letter,
)
from app.services.agent.returned import is_own_word
from app.services.agent.suggesting import FreeTimes
from app.services.agent.unanswered import parts_of
from app.services.campaigns import CampaignLifecycle, Moved, MoveResult
from app.services.metrics import Metrics
from app.services.outreach.composer import Composer, Suggestion
from app.services.outreach.consent import ConsentService
from app.services.outreach.letters import Letter
from app.services.outreach.links import Links
from app.services.outreach.planner import follow_up_after_reply
from app.services.scheduling.localtime import local_day

OPT_OUT_CONCERNS_STAFF = frozenset(
    {
        CampaignStatus.HANDOFF_REQUIRED,
        CampaignStatus.BOOKING_INITIATED,
        CampaignStatus.BOOKING_COMPLETED,
    }
)
"""Where an opt-out leaves something for a person: an open question, or a visit to come."""

_FOR_A_PERSON_TOO = frozenset({Reason.OPT_OUT_SUSPECTED, Reason.OPTED_OUT_AND_ASKED})

Handler = Callable[[CampaignReply], Awaitable[None]]


class CampaignActions:
    """One method for each `Action` that a reply in a campaign can lead to."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        mail: ReplyMail,
        composer: Composer,
        links: Links,
        consent: ConsentService,
        alerts: Alerts,
        metrics: Metrics,
        free_times: FreeTimes,
        clock: Clock,
    ) -> None:
        self._free_times = free_times
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._mail = mail
        self._composer = composer
        self._links = links
        self._consent = consent
        self._alerts = alerts
        self._metrics = metrics
        self._clock = clock
        self._handlers: dict[Action, Handler] = {
            Action.SEND_BOOKING_LINK: self._send_booking_link,
            Action.SEND_ANSWER: self._send_answer,
            Action.CLOSE: self._close,
            Action.HAND_OFF: self._hand_off,
            Action.HAND_OFF_SILENTLY: self._hand_off_silently,
            Action.RAISE_ATTENTION: self._keep_for_person,
            Action.EMERGENCY: self._emergency,
            Action.OPT_OUT: self._opt_out,
            Action.OPT_OUT_AGAIN: self._opt_out_again,
            Action.BOUNCE: self._bounce,
            Action.SOFT_BOUNCE: self._soft_bounce,
            Action.RECORD_ONLY: self._record_only,
        }

    async def perform(self, reply: CampaignReply) -> None:
        """Do everything the stored decision asks for, and bring the summary up to date."""
        if is_own_word(reply.interaction, reply.patient) and reply.patient.email:
            await self._consent.address_works(reply.patient.email, reply.interaction.timestamp)
        await self._handlers[Action(reply.decision.action)](reply)
        replies, answers = await self._repositories.interactions.count_turns(reply.campaign.id)
        day = local_day(reply.interaction.timestamp, reply.clinic.zone)
        summary = engagement_summary(replies, answers, reply.analysis, day)
        fields = {"engagement_summary": summary}
        await self._repositories.campaigns.update_fields(reply.campaign.id, fields)

    # Where the agent leads

    async def _send_booking_link(self, reply: CampaignReply) -> None:
        suggestion = await self._suggestion(reply)
        letter = self._composer.booking_link(
            reply.clinic, reply.patient, reply.campaign, suggestion
        )
        await self._send_link(reply, letter, "booking_link")

    async def _send_answer(self, reply: CampaignReply) -> None:
        text = reply.decision.answer or ""
        suggestion = await self._suggestion(reply)
        letter = self._composer.answer(
            reply.clinic, reply.patient, reply.campaign, text, suggestion
        )
        await self._send_link(reply, letter, "answer")

    async def _suggestion(self, reply: CampaignReply) -> Suggestion:
        return await self._free_times.going_with(reply.decision, reply.patient, reply.campaign)

    async def _send_link(self, reply: CampaignReply, letter: Letter, purpose: str) -> None:
        if not await self._leads(reply, purpose):
            return
        await self._queue(reply, letter, MessageClass.AGENT_ANSWER, purpose)
        await self._repositories.campaigns.note_link_sent(
            reply.campaign.id,
            self._links.booking_link(
                reply.patient.id, reply.campaign.id, reply.decision.proposed_times
            ),
            follow_up_after_reply(self._clock.now(), reply.clinic.zone),
        )

    async def _close(self, reply: CampaignReply) -> None:
        if not await self._leads(reply, "closing"):
            return
        letter = self._composer.closing(reply.clinic, reply.patient)
        await self._queue(reply, letter, MessageClass.AGENT_ANSWER, "closing")
        await self._lifecycle.move(
            reply.campaign,
            CampaignStatus.RECOVERY_DECLINED,
            by=AGENT,
            only_from=FOLLOWED_UP_STATUSES,
        )

    async def _leads(self, reply: CampaignReply, purpose: str) -> bool:
        """Whether the conversation is still the agent's after the reply counted as one.

        A person or a booking can have come first since the decision: then a person reads the
        reply, unless an earlier run had already answered it.
        """
        campaign = await self._engage(reply)
        if campaign.status == CampaignStatus.RE_ENGAGED and campaign.agent_silent_since is None:
            return True
        if not await self._mail.is_queued(reply.interaction, purpose):
            await self._attend(reply, Urgency.NORMAL)
        return False

    async def _note_reply(self, reply: CampaignReply) -> None:
        """The patient, a person, wrote. Nothing leads back to where nobody has replied."""
        await self._stop_waiting_outreach(reply)
        if reply.campaign.status == CampaignStatus.ATTEMPTING_RECOVERY:
            await self._lifecycle.move(
                reply.campaign,
                CampaignStatus.RE_ENGAGED,
                by=AGENT,
                only_from={CampaignStatus.ATTEMPTING_RECOVERY},
                reads_back=False,
            )

    async def _engage(self, reply: CampaignReply) -> Campaign:
        """The same, and the campaign as it stands then."""
        await self._stop_waiting_outreach(reply)
        current = await self._repositories.campaigns.get(reply.campaign.id)
        result = await self._lifecycle.move(
            current or reply.campaign,
            CampaignStatus.RE_ENGAGED,
            by=AGENT,
            only_from={CampaignStatus.ATTEMPTING_RECOVERY},
        )
        return result.campaign

    async def _stop_waiting_outreach(self, reply: CampaignReply) -> None:
        """As of now and not of when they wrote: a sweep may have come between, after an outage."""
        await self._repositories.campaigns.note_reply(reply.campaign.id, self._clock.now())

    # Where a person does

    async def _hand_off(self, reply: CampaignReply) -> None:
        await self._note_reply(reply)
        if reply.decision.reason == Reason.QUESTION_WITHOUT_ANSWER:
            await self._keep_question(reply)
        result = await self._give_to_person(reply, reply.analysis.urgency)
        if not result.is_refused:
            letter = self._composer.handoff_notice(reply.clinic, reply.patient)
            key = notice_key(result.campaign)
            await self._queue(reply, letter, MessageClass.HANDOFF_NOTICE, "handoff_notice", key)

    async def _keep_question(self, reply: CampaignReply) -> None:
        names, said = (reply.patient.name,), reply.interaction
        question, parts = redacted(said.content, names), parts_of(said.content, names)
        await self._repositories.unanswered.record(said.id, question, parts)

    async def _hand_off_silently(self, reply: CampaignReply) -> None:
        """A stranger or a third person wrote: no word to anybody but staff."""
        if reply.decision.opts_out_too:
            await self._mail.suppress_sender(reply.interaction)
        await self._give_to_person(reply, reply.analysis.urgency)

    async def _give_to_person(self, reply: CampaignReply, urgency: Urgency) -> MoveResult:
        """Attention, and the status where the table allows."""
        result = await self._lifecycle.hand_off(
            reply.campaign,
            reason=reply.decision.reason or Reason.IRRELEVANT_OR_CONFUSED,
            summary=self._summary(reply),
            by=AGENT,
            urgency=urgency,
            briefing=_briefing(reply),
        )
        if result.outcome == Moved.MOVED:
            self._metrics.handoff(urgency)
        await self._alerts.attention_raised(reply.campaign.id, urgency)
        return result

    async def _keep_for_person(self, reply: CampaignReply) -> None:
        """Booked, handed off, ended, or a thread that a person keeps."""
        await self._note_reply(reply)
        await self._attend(reply, Urgency.NORMAL)

    async def _attend(self, reply: CampaignReply, urgency: Urgency) -> None:
        await self._lifecycle.raise_attention(
            reply.campaign,
            reason=reply.decision.reason or Reason.IRRELEVANT_OR_CONFUSED,
            summary=self._summary(reply),
            urgency=urgency,
            briefing=_briefing(reply),
        )
        await self._alerts.attention_raised(reply.campaign.id, urgency)

    def _summary(self, reply: CampaignReply) -> str:
        reason = reply.decision.reason or Reason.IRRELEVANT_OR_CONFUSED
        return handoff_summary(reply.patient, reply.campaign, reply.interaction, reason)

    # What holds in every status

    async def _emergency(self, reply: CampaignReply) -> None:
        await self._note_reply(reply)
        await self._give_to_person(reply, Urgency.URGENT)
        letter = self._composer.emergency(reply.clinic, reply.patient)
        await self._queue(reply, letter, MessageClass.EMERGENCY_TEXT, "emergency")
        if reply.decision.opts_out_too:
            await self._record_opt_out(reply)

    async def _opt_out(self, reply: CampaignReply) -> None:
        await self._silence(reply)
        letter = self._composer.opt_out_receipt(reply.clinic, reply.patient)
        await self._queue(reply, letter, MessageClass.OPT_OUT_RECEIPT, "opt_out_receipt")

    async def _opt_out_again(self, reply: CampaignReply) -> None:
        """They had their receipt; there may be a mailbox or a campaign that is new since."""
        await self._silence(reply)

    async def _silence(self, reply: CampaignReply) -> None:
        """Suppress first: from here on the send gate drops whatever still waits."""
        await self._record_opt_out(reply)
        await self._stop_waiting_outreach(reply)
        concerns_staff = reply.decision.campaign_status in OPT_OUT_CONCERNS_STAFF
        if concerns_staff or reply.decision.reason in _FOR_A_PERSON_TOO:
            await self._attend(reply, Urgency.NORMAL)

    async def _record_opt_out(self, reply: CampaignReply) -> None:
        await self._consent.opt_out(
            reply.patient,
            reason=SuppressionReason.OPT_OUT,
            source=interaction_source(reply.interaction),
            by=AGENT,
            **heard_on(reply.interaction, reply.patient),
        )

    async def _bounce(self, reply: CampaignReply) -> None:
        """The address does not work. Where a person keeps the campaign, they find another way."""
        letter_id = returned_letter(reply.interaction)
        if reply.patient.email:
            await self._consent.hard_bounce(
                reply.patient.email,
                source=interaction_source(reply.interaction),
                letter_id=letter_id,
            )
        outbox = self._repositories.outbox
        if letter_id is not None:
            await outbox.mark_bounced(letter_id, Reason.BOUNCED)
        else:
            await outbox.mark_last_bounced(reply.campaign.id, reply.interaction.timestamp)
        await self._give_up(reply)

    async def _soft_bounce(self, reply: CampaignReply) -> None:
        """This letter did not arrive. Whoever has a visit to come should hear of it otherwise."""
        letter_id = returned_letter(reply.interaction)
        if letter_id is None or reply.patient.email is None:
            return
        is_given_up = await self._consent.soft_bounce(
            reply.patient.email,
            letter_id=letter_id,
            at=reply.interaction.timestamp,
            source=interaction_source(reply.interaction),
        )
        await self._repositories.outbox.mark_bounced(letter_id, Reason.SOFT_BOUNCE)
        if is_given_up:
            await self._give_up(reply)
        elif reply.decision.campaign_status not in FOLLOWED_UP_STATUSES:
            await self._attend(reply, Urgency.NORMAL)

    async def _give_up(self, reply: CampaignReply) -> None:
        result = await self._lifecycle.move(
            reply.campaign,
            CampaignStatus.RECOVERY_FAILED,
            by=AGENT,
            only_from=FOLLOWED_UP_STATUSES,
        )
        if reply.decision.campaign_status not in FOLLOWED_UP_STATUSES or result.is_refused:
            await self._attend(reply, Urgency.NORMAL)

    async def _record_only(self, reply: CampaignReply) -> None:
        if reply.decision.postpone_until:
            await self._repositories.campaigns.postpone(
                reply.campaign.id, reply.decision.postpone_until
            )

    async def _queue(
        self,
        reply: CampaignReply,
        letter: Letter,
        message_class: MessageClass,
        purpose: str,
        key: str | None = None,
    ) -> None:
        key = key or reply_key(reply.interaction.id, purpose)
        await self._mail.queue(reply.interaction, reply.patient, letter, message_class, key)


def notice_key(campaign: Campaign) -> str:
    """The dedupe key of a hand-off's one notice, however many replies led to it at once."""
    details = campaign.handoff_details
    at = int(details.handed_off_at.timestamp() * 1000) if details else 0
    return f"handoff:{campaign.id}:{at}"


def _briefing(reply: CampaignReply) -> Briefing:
    reason = reply.decision.reason or Reason.IRRELEVANT_OR_CONFUSED
    return briefing_of(reply.patient, reply.campaign, reply.interaction, reason)
