"""What is done about a reply that belongs to no campaign, or to nobody the practice knows.

Guards hold here too: "stop" means stop, and an emergency gets the fixed text where there is an
address on file to send it to. Everything else waits in the unmatched list for a person.
"""

from app.db.repositories import Repositories
from app.models.interaction import MessageClass
from app.models.patient import Patient
from app.models.records import SuppressionReason
from app.services.agent.policy import Action, Reason
from app.services.agent.replies import (
    AGENT,
    Alerts,
    Reply,
    ReplyMail,
    heard_on,
    interaction_source,
    reply_key,
    returned_letter,
)
from app.services.agent.returned import is_own_word
from app.services.outreach.composer import Composer
from app.services.outreach.consent import ConsentService


class OutsideActions:
    """Acts on replies outside every campaign. Every effect may run twice and happens once."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        mail: ReplyMail,
        composer: Composer,
        consent: ConsentService,
        alerts: Alerts,
    ) -> None:
        self._repositories = repositories
        self._mail = mail
        self._composer = composer
        self._consent = consent
        self._alerts = alerts

    async def perform(self, reply: Reply) -> None:
        """Do everything the stored decision asks for."""
        action = Action(reply.decision.action)
        if reply.patient is not None:
            await self._note_address(reply, reply.patient, action)
        if action in {Action.OPT_OUT, Action.OPT_OUT_AGAIN} or reply.decision.opts_out_too:
            await self._opt_out(reply, with_receipt=action == Action.OPT_OUT)
        if action == Action.EMERGENCY and reply.patient is not None:
            await self._send_emergency_text(reply, reply.patient)
        is_settled = action in _SETTLED and reply.patient is not None
        if not is_settled and action != Action.RECORD_ONLY:
            await self._leave_to_staff(reply)

    async def _opt_out(self, reply: Reply, *, with_receipt: bool) -> None:
        """A stranger in a patient's thread stops their own address, never the patient's."""
        patient = reply.patient
        if patient is None or reply.decision.reason == Reason.UNVERIFIED_SENDER:
            await self._mail.suppress_sender(reply.interaction)
            return
        await self._consent.opt_out(
            patient,
            reason=SuppressionReason.OPT_OUT,
            source=interaction_source(reply.interaction),
            by=AGENT,
            **heard_on(reply.interaction, patient),
        )
        if with_receipt:
            letter = self._composer.opt_out_receipt(reply.clinic, patient)
            kind, key = (
                MessageClass.OPT_OUT_RECEIPT,
                reply_key(reply.interaction.id, "opt_out_receipt"),
            )
            await self._mail.queue(reply.interaction, patient, letter, kind, key)

    async def _note_address(self, reply: Reply, patient: Patient, action: Action) -> None:
        """What it tells of whether mail reaches them."""
        letter_id = returned_letter(reply.interaction)
        source, at = interaction_source(reply.interaction), reply.interaction.timestamp
        if patient.email is None:
            return
        if is_own_word(reply.interaction, patient):
            await self._consent.address_works(patient.email, at)
        if action == Action.BOUNCE:
            await self._consent.hard_bounce(patient.email, source=source, letter_id=letter_id)
        elif action == Action.SOFT_BOUNCE and letter_id:
            await self._consent.soft_bounce(
                patient.email, letter_id=letter_id, at=at, source=source
            )
        if action in _RETURNED and letter_id:
            reason = reply.decision.reason or Reason.BOUNCED
            await self._repositories.outbox.mark_bounced(letter_id, reason)

    async def _send_emergency_text(self, reply: Reply, patient: Patient) -> None:
        letter = self._composer.emergency(reply.clinic, patient)
        kind, key = MessageClass.EMERGENCY_TEXT, reply_key(reply.interaction.id, "emergency")
        await self._mail.queue(reply.interaction, patient, letter, kind, key)

    async def _leave_to_staff(self, reply: Reply) -> None:
        if reply.interaction.settlement is not None:
            return  # staff have read it: it comes from the very list it would go to
        await self._repositories.interactions.mark_unmatched(reply.interaction.id)
        await self._alerts.unmatched_arrived(reply.interaction.id, reply.analysis.urgency)


_RETURNED = frozenset({Action.BOUNCE, Action.SOFT_BOUNCE})
_SETTLED = frozenset({Action.OPT_OUT, Action.OPT_OUT_AGAIN})
"""What leaves nothing for a person, where the patient is known."""
