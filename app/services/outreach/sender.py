"""The sender: works the outbox off, each message at most once.

pending → claimed (`sending`, under a term and a lease) → asked at the gate → handed over → noted.
Every write repeats the term of the claim. What a crash leaves in `sending` is looked up at the
transport: it is noted as sent, put back into the queue, or given to a person.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.db.database import UNAVAILABLE_ERRORS
from app.db.errors import DuplicateValueError
from app.db.indexes import INTERACTION_DAY_SLOT
from app.db.repositories import Repositories
from app.db.repositories.outbox import are_of_two_addresses
from app.db.repositories.records import CLOCK_SKEW_MARGIN
from app.models.base import PyObjectId
from app.models.campaign import Campaign
from app.models.decision import Urgency
from app.models.interaction import Delivery, DeliveryStatus, Interaction
from app.models.patient import Channel, Patient, normalise_email
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.mail.transport import (
    OutgoingMail,
    PermanentMailError,
    SentMail,
    TransientMailError,
    UnknownOutcomeError,
)
from app.services.mail.transports import Transports
from app.services.outreach.consent import ConsentService
from app.services.outreach.dropping import DroppedMessages
from app.services.outreach.gate import GateVerdict, SendGate, Verdict
from app.services.outreach.pacing import Pacing
from app.services.outreach.postmark import Postmark
from app.services.outreach.retrying import (
    CONCURRENCY,
    GIVEN_UP,
    LONGEST_BACKOFF,
    MAX_ATTEMPTS,
    backoff,
)
from app.services.outreach.routes import Route
from app.services.work import each_of

logger = logging.getLogger(__name__)

BATCH = 20
SENDING_LEASE = timedelta(seconds=45)
"""After a crash its messages wait this long, or as long as the transport may take."""
LEASE_MARGIN_SECONDS = 20.0


@dataclass(frozen=True)
class _Claim:
    """A message that is ours to send until the lease ends."""

    message: Interaction
    delivery: Delivery
    term: int
    lease_until: datetime
    route: Route | None = None
    has_moved: bool = False
    """Whether it may have left for another address, whose slot of the day it holds still, or on
    another channel: there it is known should it have left.
    """


class OutboxSender:
    """Sends what is due. Any number of them may run at once."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        gate: SendGate,
        postmark: Postmark,
        transports: Transports,
        pacing: Pacing,
        lifecycle: CampaignLifecycle,
        consent: ConsentService,
        clinic: ClinicService,
        clock: Clock,
        observe: Callable[[str, str], None],
        announce: Callable[[PyObjectId], Awaitable[None]] | None = None,
    ) -> None:
        """`observe` is told the message class and the outcome of every message worked on,
        `announce` the message that was given up.
        """
        self._repositories = repositories
        self._gate = gate
        self._postmark = postmark
        self._transports = transports
        self._lifecycle = lifecycle
        self._consent = consent
        self._clinic = clinic
        self._clock = clock
        self._observe = observe
        self._announce = announce
        self._dropped = DroppedMessages(
            repositories=repositories,
            lifecycle=lifecycle,
            clinic=clinic,
            clock=clock,
            observe=observe,
        )
        self._pacing = pacing
        by_deadline = timedelta(seconds=transports.deadline_seconds + LEASE_MARGIN_SECONDS)
        self._lease = max(SENDING_LEASE, by_deadline)

    async def work_off(self) -> int:
        """Send what is due, after settling what a crash left; how many messages were worked on."""
        outbox = self._repositories.outbox
        now = self._clock.now()
        abandoned = await outbox.abandoned(now - CLOCK_SKEW_MARGIN, BATCH)
        settled = await each_of(abandoned, self._settle_or_log, at_once=CONCURRENCY)
        due = await outbox.due(now, BATCH)
        return settled + await each_of(due, self._work_on, at_once=CONCURRENCY)

    async def _work_on(self, message: Interaction) -> bool:
        """Take one message as far as it goes; whether it was ours."""
        claim = await self._claim_or_put_off(message)
        if claim is None:
            return False
        try:
            await self._send(claim)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception as error:  # one bad message must not keep the others from leaving
            logger.exception("message failed", extra={"interaction_id": str(message.id)})
            await self._try_later(claim, type(error).__name__)
        return True

    async def _claim_or_put_off(self, message: Interaction) -> _Claim | None:
        """One that cannot even be claimed makes room at the head of the queue."""
        try:
            return await self._claim(message)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception as error:  # a record that cannot be read, say
            logger.exception("message not claimed", extra={"interaction_id": str(message.id)})
            fields = {
                "not_before": self._clock.now() + LONGEST_BACKOFF,
                "error": type(error).__name__,
            }
            await self._repositories.outbox.hold(message, fields)
            return None

    async def _claim(self, message: Interaction) -> _Claim | None:
        now = self._clock.now()
        delivery = _delivery_of(message)
        route = await self._gate.route(message, await self._patient(message))
        slot = await self._gate.day_slot(message, route, now)
        has_moved = are_of_two_addresses(delivery.day_slot, slot) or (
            delivery.was_tried and route is not None and route.channel != message.channel
        )
        try:
            claimed = await self._repositories.outbox.claim_for_sending(
                message,
                lease_until=now + self._lease,
                day_slot=None if has_moved else slot,
                channel=None if has_moved or route is None else route.channel,
            )
        except DuplicateValueError as error:
            if error.index != INTERACTION_DAY_SLOT:
                raise
            await self._hold(message, delivery, await self._gate.slot_taken(message, slot, now))
            return None
        if not claimed:
            return None
        return _Claim(message, delivery, delivery.term + 1, now + self._lease, route, has_moved)

    async def _hold(self, message: Interaction, delivery: Delivery, verdict: GateVerdict) -> None:
        """Put off, or drop, a message that could not be claimed."""
        if verdict.verdict is Verdict.DROP:
            await self._dropped.drop(message, DeliveryStatus.PENDING, delivery.term, verdict.reason)
            return
        fields = {"not_before": verdict.until, "error": verdict.reason}
        await self._repositories.outbox.hold(message, fields)
        self._observe(delivery.message_class, verdict.verdict)

    async def _send(self, claim: _Claim) -> None:
        """Everything the gate looks at is read again here, after the claim."""
        message = claim.message
        patient, campaign = await self._patient(message), await self._campaign(message)
        if claim.has_moved:
            if not await self._is_settled_by_earlier_try(claim, campaign):
                await self._requeue(claim)
            return
        verdict = await self._gate.decide(message, patient, campaign, self._clock.now())
        if verdict.verdict is Verdict.SEND and patient is not None and verdict.route is not None:
            if verdict.route != claim.route:  # its slot of the day is another address's
                moved = GateVerdict(Verdict.DEFER, "contact_changed", self._clock.now())
                await self._defer(claim, moved)
                return
            mail = await self._postmark.address(message, patient, campaign, verdict.route)
            if await self._is_still_ours(claim):
                await self._hand_over(claim, mail, campaign)
        elif verdict.verdict is Verdict.DEFER:
            await self._defer(claim, verdict)
        else:
            await self._drop(claim, verdict.reason, campaign)

    async def _is_still_ours(self, claim: _Claim) -> bool:
        """Where reading took so long that the lease might end in the act, it is renewed: whoever
        took the message over meanwhile sends it.
        """
        now = self._clock.now()
        if now + timedelta(seconds=self._transports.deadline_seconds) <= claim.lease_until:
            return True
        outbox, until = self._repositories.outbox, now + self._lease
        return await outbox.renew_lease(claim.message.id, claim.term, until)

    async def _drop(self, claim: _Claim, reason: str, campaign: Campaign | None) -> None:
        """Unless a try before this one got through: what the patient has got was not dropped."""
        if await self._is_settled_by_earlier_try(claim, campaign):
            return
        await self._dropped.ask_for_a_person(claim.message, reason, campaign)
        await self._dropped.drop(claim.message, DeliveryStatus.SENDING, claim.term, reason)

    async def _is_settled_by_earlier_try(self, claim: _Claim, campaign: Campaign | None) -> bool:
        """It had left and is noted so, or it waits until somebody can tell. One of unknown outcome
        is staff's already.
        """
        if not claim.delivery.was_tried:
            return False
        sent = None
        try:
            with contextlib.suppress(UnknownOutcomeError):
                sent = await self._look_up(claim.message)
        except TransientMailError as error:
            await self._try_later(claim, str(error), error.retry_after)
            return True
        if sent is not None:
            await self._note(claim, self._record_found(claim, sent, campaign))
        return sent is not None

    async def _look_up(self, message: Interaction) -> SentMail | None:
        """Raises `TransientMailError`, `UnknownOutcomeError`."""
        since = _delivery_of(message).tried_at or message.timestamp
        return await self._transports.look_up(message.channel, str(message.id), since)

    async def _hand_over(
        self, claim: _Claim, mail: OutgoingMail, campaign: Campaign | None
    ) -> None:
        try:
            sent = await self._transports.send(mail)
        except TransientMailError as error:
            await self._try_later(claim, str(error), error.retry_after)
        except PermanentMailError as error:
            if error.recipient_refused:
                by = "smtp_refusal" if mail.channel is Channel.EMAIL else "relay_refusal"
                await self._consent.hard_bounce(mail.to, source=by, letter_id=claim.message.id)
            await self._give_up(claim, DeliveryStatus.FAILED, str(error))
        except UnknownOutcomeError as error:
            await self._note(claim, self._give_up(claim, DeliveryStatus.UNKNOWN, str(error)))
        else:
            noting = self._record(
                claim, sent, mail.subject, campaign, channel=mail.channel, to=mail.to
            )
            await self._note(claim, noting)

    async def _note(self, claim: _Claim, noting: Awaitable[None]) -> None:
        """The message left, or may have: no fault in noting that may send it again.

        What could not be noted is settled like a crash, when the lease has run out.
        """
        try:
            await noting
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            logger.exception(
                "message sent and not noted", extra={"interaction_id": str(claim.message.id)}
            )

    async def _record(
        self,
        claim: _Claim,
        sent: SentMail,
        subject: str,
        campaign: Campaign | None,
        *,
        channel: Channel,
        to: str | None = None,
    ) -> None:
        """The thread is noted first: with the status written, nobody would come back for it."""
        if campaign is not None and campaign.channel.thread_id is None:
            await self._repositories.campaigns.set_thread(campaign.id, sent.thread_id, channel)
        fields = {
            "status": DeliveryStatus.SENT,
            "sent_at": self._clock.now(),
            "provider_message_id": sent.provider_message_id,
            **({"sent_to": normalise_email(to)} if to else {}),
        }
        await self._repositories.outbox.record_sent(
            claim.message, claim.term, fields, subject=subject, thread_id=sent.thread_id
        )
        await self._pacing.left(claim.message, self._clock.now())
        self._observe(claim.delivery.message_class, DeliveryStatus.SENT)

    async def _record_found(self, claim: _Claim, sent: SentMail, campaign: Campaign | None) -> None:
        """It left on the channel that it was claimed for before."""
        message = claim.message
        subject = await self._postmark.subject(message)
        await self._record(claim, sent, subject, campaign, channel=message.channel)

    async def _defer(self, claim: _Claim, verdict: GateVerdict, *, was_tried: bool = False) -> None:
        """Back into the queue. Waiting is no attempt, and keeps no slot of the day, unless a try
        may have got through.
        """
        fields = {
            "status": DeliveryStatus.PENDING,
            "not_before": verdict.until,
            "attempts": claim.delivery.attempts,
            "error": verdict.reason,
        }
        may_have_left = was_tried or claim.delivery.was_tried
        await self._finish(claim, fields, verdict.verdict, may_have_left=may_have_left)

    async def _try_later(
        self, claim: _Claim, error: str, retry_after: timedelta | None = None
    ) -> None:
        """Back into the queue. A pause that the other side asked for is no try.

        The message may have left all the same, so its address's slot of the day stays its own: no
        other outreach goes there before its fate is known. What a patient gets once a day for their
        own sake may come twice rather than not at all: that slot is free for another channel.
        """
        if retry_after is not None:
            verdict = GateVerdict(Verdict.DEFER, error, self._clock.now() + retry_after)
            await self._defer(claim, verdict, was_tried=True)
            return
        tries = claim.delivery.attempts + 1
        if tries >= MAX_ATTEMPTS:
            await self._give_up_trying(claim, error)
            return
        not_before = self._clock.now() + backoff(tries)
        fields = {"status": DeliveryStatus.PENDING, "not_before": not_before, "error": error}
        await self._finish(claim, fields, "retry", may_have_left=True)

    async def _give_up_trying(self, claim: _Claim, error: str) -> None:
        """One of the tries may have got through: only what surely did not counts as failed."""
        message, status = claim.message, DeliveryStatus.FAILED
        try:
            sent = await self._look_up(message)
        except UnknownOutcomeError:  # such a transport says so itself when it does not know
            sent = None
        except TransientMailError:
            sent, status = None, DeliveryStatus.UNKNOWN
        if sent is None:
            await self._give_up(claim, status, error)
            return
        await self._note(claim, self._record_found(claim, sent, await self._campaign(message)))

    async def _give_up(self, claim: _Claim, status: DeliveryStatus, error: str) -> None:
        """A person looks at it. Attention comes first: a crash after it repeats, and loses not.

        A message that may have left keeps its slot of the day, one that surely did not frees it.
        """
        if claim.message.campaign_id:
            await self._lifecycle.raise_attention(
                claim.message.campaign_id,
                reason=f"delivery_{status}",
                summary=GIVEN_UP[status],
                urgency=Urgency.NORMAL,
            )
        fields = {"status": status, "error": error}
        may_have_left = status is DeliveryStatus.UNKNOWN
        await self._finish(claim, fields, status, may_have_left=may_have_left)
        if self._announce is not None:
            await self._announce(claim.message.id)

    async def _requeue(self, claim: _Claim) -> None:
        """It did not leave: as if it had never been tried."""
        fields = {"status": DeliveryStatus.PENDING, "not_before": self._clock.now()}
        await self._finish(claim, fields, "requeued", may_have_left=False)

    async def _finish(
        self, claim: _Claim, fields: Mapping[str, object], outcome: str, *, may_have_left: bool
    ) -> None:
        """What may have left keeps the slot of its address, and is known to have been tried."""
        message, gone = claim.message, list[str]()
        if not may_have_left:
            gone.append("delivery.tried_at")
        if not (may_have_left and self._gate.is_one_an_address(message)):
            gone.append("delivery.day_slot")
        await self._repositories.outbox.finish_sending(message.id, claim.term, fields, unset=gone)
        self._observe(claim.delivery.message_class, outcome)

    async def _settle_or_log(self, message: Interaction) -> bool:
        try:
            return await self._settle(message)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:  # it comes round again when its new lease ends; the others go on now
            logger.exception("message not settled", extra={"interaction_id": str(message.id)})
            return False

    async def _settle(self, message: Interaction) -> bool:
        """Decide what became of a message whose sender is gone; whether it was ours to decide."""
        delivery = _delivery_of(message)
        lease_until = self._clock.now() + self._lease
        if not await self._repositories.outbox.take_over(message, lease_until):
            return False
        claim = _Claim(message, delivery, delivery.term + 1, lease_until)
        try:
            sent = await self._look_up(message)
        except TransientMailError as error:  # asked again when this lease has run out
            logger.warning(
                "message not settled yet",
                extra={"interaction_id": str(message.id), "error": str(error)},
            )
            return False
        except UnknownOutcomeError as error:
            await self._give_up(claim, DeliveryStatus.UNKNOWN, str(error))
            return True
        if sent is None:
            await self._requeue(claim)
        else:
            await self._record_found(claim, sent, await self._campaign(message))
        return True

    async def _patient(self, message: Interaction) -> Patient | None:
        """Whom it is for: while two records are being merged, the one that stays."""
        if message.patient_id is None:
            return None
        return await self._repositories.patients.standing(message.patient_id)

    async def _campaign(self, message: Interaction) -> Campaign | None:
        if message.campaign_id is None:
            return None
        return await self._repositories.campaigns.get(message.campaign_id)


def _delivery_of(message: Interaction) -> Delivery:
    assert message.delivery is not None  # noqa: S101 - the outbox holds outgoing messages only
    return message.delivery


__all__ = ["MAX_ATTEMPTS", "OutboxSender", "backoff"]
