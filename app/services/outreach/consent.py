"""Whether somebody wants to be written to, and can be. "Stop" means stop, for everybody on that
mailbox; an address that does not work is left alone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import CampaignStatus
from app.models.patient import Patient, normalise_email
from app.models.records import AuditEntry, Bounce, BounceKind, Suppression, SuppressionReason
from app.services.campaigns import CampaignLifecycle
from app.services.tokens import LinkTokens, TokenPurpose

OPT_OUTS = (SuppressionReason.OPT_OUT, SuppressionReason.UNSUBSCRIBE_LINK)
UNSUBSCRIBE_SOURCE = "unsubscribe_link"
PATIENT = "patient"
SOFT_BOUNCES_TO_GIVE_UP = 3
SOFT_BOUNCES_WITHIN = timedelta(days=14)
"""So many letters back softly in so long, with no word from there: it is as good as dead.

A mailbox that was full over a holiday gets a letter or two in that time: outreach comes days apart.
"""
_WEAKER = {
    SuppressionReason.HARD_BOUNCE: (*OPT_OUTS, SuppressionReason.SOFT_BOUNCES),
    SuppressionReason.OPT_OUT: (SuppressionReason.SOFT_BOUNCES,),
    SuppressionReason.UNSUBSCRIBE_LINK: (SuppressionReason.SOFT_BOUNCES,),
    SuppressionReason.SOFT_BOUNCES: (),
}
"""What each reason replaces. A wish outlives soft bounces, which a reply would lift."""


class ConsentService:
    """Records opt-outs, opt-ins and dead addresses. Every operation may run twice."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        tokens: LinkTokens,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._tokens = tokens
        self._clock = clock

    async def opt_out(
        self,
        patient: Patient,
        *,
        reason: SuppressionReason,
        source: str,
        by: str = PATIENT,
        whole_mailbox: bool = True,
        heard_from: str | None = None,
    ) -> None:
        """No more outreach: suppress the address, note the wish, end the active campaign.

        What came over the mailbox holds for everybody on it; what staff were told by one person
        (`whole_mailbox=False`) holds for that one. `heard_from` is the phone that the wish came
        from, or an address of theirs that is not on file: it holds for everybody on it.

        The address comes first, because the send gate reads it: a crash after it has already
        stopped the mail. Campaigns of others on the same mailbox end at the next sweep. A campaign
        that may not be declined any more (booked) stays as it is.
        """
        if patient.email and whole_mailbox:
            await self._suppress(patient.email, reason, source)
        if heard_from:
            await self._suppress(heard_from, reason, source)
        is_new = await self._repositories.patients.record_opt_out(
            patient.id, at=self._clock.now(), reason=reason, source=source
        )
        if is_new:
            details = {"reason": reason.value, "source": source}
            await self._keep_record(patient, "opt_out", by, details)
        campaign = await self._repositories.campaigns.active_for(patient.id)
        if campaign is not None:
            await self._lifecycle.move(campaign, CampaignStatus.RECOVERY_DECLINED, by=by)

    async def opt_in(
        self, patient: Patient, *, source: str, by: str, consented_by: str = PATIENT
    ) -> None:
        """They want messages again. A dead address stays suppressed: consent does not revive it.

        One that only came back softly is tried again. `by` is who recorded it, `consented_by` who
        gave the consent, `source` how.
        """
        details = {
            "source": source,
            "consented_by": consented_by,
            "opted_out_at": patient.consent.opted_out_at,
        }
        await self._keep_record(patient, "opt_in", by, details)
        await self._repositories.patients.record_opt_in(
            patient.id, at=self._clock.now(), by=consented_by, source=source
        )
        for contact in filter(None, (patient.email, patient.phone)):
            await self._repositories.suppressions.remove(contact, OPT_OUTS)
        if patient.email:
            await self.address_works(patient.email, self._clock.now())

    async def hard_bounce(
        self, address: str, *, source: str, letter_id: PyObjectId | None = None
    ) -> None:
        """The address does not exist (any more): nothing at all is sent to it."""
        bounced = normalise_email(address)
        await self._suppress(bounced, SuppressionReason.HARD_BOUNCE, source)
        key = str(letter_id) if letter_id else source
        await self._count(bounced, BounceKind.HARD, key, self._clock.now(), source)

    async def soft_bounce(
        self, address: str, *, letter_id: PyObjectId, at: datetime, source: str
    ) -> bool:
        """A letter did not arrive, which counts once; whether the address is given up by now."""
        bounced = normalise_email(address)
        await self._count(bounced, BounceKind.SOFT, str(letter_id), at, source)
        since = at - SOFT_BOUNCES_WITHIN
        if await self._repositories.bounces.count_soft(bounced, since) < SOFT_BOUNCES_TO_GIVE_UP:
            return False
        await self._suppress(bounced, SuppressionReason.SOFT_BOUNCES, source)
        return True

    async def address_works(self, address: str, at: datetime) -> None:
        """Somebody wrote from there at `at`: soft bounces before that count no more."""
        await self._repositories.bounces.clear_soft(address, at)
        await self._repositories.suppressions.remove(
            address, (SuppressionReason.SOFT_BOUNCES,), until=at
        )

    async def _count(
        self, address: str, kind: BounceKind, key: str, at: datetime, source: str
    ) -> None:
        bounce = Bounce(address=address, kind=kind, key=key, at=at, source=source)
        await self._repositories.bounces.record(bounce)

    async def unsubscribe(self, token: str) -> None:
        """What the link in a message does (RFC 8058). Raises `InvalidLinkError`.

        A patient who is gone meanwhile is as unsubscribed as one can be: that is no error.
        """
        patient = await self.patient_of(token)
        if patient is not None:
            await self.opt_out(
                patient, reason=SuppressionReason.UNSUBSCRIBE_LINK, source=UNSUBSCRIBE_SOURCE
            )

    async def patient_of(self, token: str) -> Patient | None:
        """Whom an unsubscribe link is for; changes nothing. Raises `InvalidLinkError`."""
        ids = self._tokens.read(token, TokenPurpose.UNSUBSCRIBE)
        return await self._repositories.patients.standing(PyObjectId(ids["patient_id"]))

    async def _keep_record(
        self, patient: Patient, action: str, by: str, details: Mapping[str, Any]
    ) -> None:
        """The patient shows the wish that stands; every one there was stays in the audit log."""
        entry = AuditEntry(
            actor=by,
            action=action,
            subject="patient",
            subject_id=str(patient.id),
            at=self._clock.now(),
            details=dict(details),
        )
        await self._repositories.audit.insert(entry)

    async def _suppress(self, address: str, reason: SuppressionReason, source: str) -> None:
        suppressions = self._repositories.suppressions
        entry = Suppression(address=address, reason=reason, at=self._clock.now(), source=source)
        if not await suppressions.add(entry):
            await suppressions.escalate(entry, _WEAKER[reason])
