"""Whose message this is: the thread first, then the letter of ours that it answers or returns,
then the letter that the address it was sent to names, then the sender's address or number, else a
person decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.repositories import Repositories
from app.models.base import PyObjectId, as_object_id
from app.models.campaign import Campaign
from app.models.interaction import Direction, Interaction
from app.models.patient import Channel, Patient
from app.services.agent.replies import sender_address
from app.services.outreach.postmark import PATIENT_THREAD


@dataclass(frozen=True)
class Match:
    """Whom and which campaign a message belongs to, as far as that can be told."""

    patient: Patient | None = None
    campaign: Campaign | None = None


class MessageMatcher:
    """Finds the conversation of an incoming message.

    A known thread settles it, also where a stranger wrote in it: whether the sender is the patient
    is a guard's question. A thread is a campaign's, or, where letters about a visit run in it, a
    patient's. One of a campaign that has ended leads to the patient's active one, which
    must not go on as if nobody had answered. On every channel but e-mail a thread in which several
    patients are spoken to tells nothing. Without a thread, families share mailboxes and
    phones: one that several patients use only counts where exactly one of them is in a campaign,
    and has it on file, not from a record that was merged into theirs.
    """

    def __init__(self, repositories: Repositories) -> None:
        self._campaigns = repositories.campaigns
        self._patients = repositories.patients
        self._interactions = repositories.interactions

    async def match(
        self,
        thread_id: str,
        sender: str,
        *,
        answered: Sequence[str] = (),
        returned_key: str | None = None,
        channel: Channel = Channel.EMAIL,
        tagged: PyObjectId | None = None,
    ) -> Match:
        """The patient and the campaign; nothing where it would be a guess.

        `answered`: the Message-IDs it refers to; `returned_key`: of which letter it is the bounce;
        `tagged`: the letter whose reply address it was sent to; `sender`: on every `channel` but
        e-mail a number in E.164.
        """
        found = await self._by_thread(thread_id, channel)
        found = found or await self._by_letter(answered, returned_key)
        found = found or await self._by_tag(tagged)
        return found or await self._by_sender(sender, channel)

    async def conversation(self, thread_id: str, answered: Sequence[str]) -> Match:
        """Whose conversation a message from us goes on with: by its thread, or by what it answers.

        Never by its recipient: what begins a thread goes on with nothing.
        """
        found = await self._by_thread(thread_id, Channel.EMAIL)
        found = found or await self._by_letter(answered, None)
        return found or await self._by_their_thread(thread_id) or Match()

    async def letter_returned(
        self, thread_id: str, answered: Sequence[str], returned_key: str | None
    ) -> Interaction | None:
        """Which letter of ours a bounce or a complaint is about, where it really names one.

        Anybody can write a bounce. Its own key or Message-ID only who got the letter knows, and
        only they make the mail provider put it into the letter's thread.
        """
        letter = await self._letter(answered, returned_key)
        return letter or await self._interactions.last_sent_in_thread(thread_id)

    async def _by_letter(self, answered: Sequence[str], returned_key: str | None) -> Match | None:
        """The letter that it answers (RFC 5322, section 3.6.4), or that came back with it."""
        return await self._about(await self._letter(answered, returned_key))

    async def _by_tag(self, tagged: PyObjectId | None) -> Match | None:
        return await self._about(await self._outgoing(tagged)) if tagged else None

    async def _letter(
        self, answered: Sequence[str], returned_key: str | None
    ) -> Interaction | None:
        letter_id = as_object_id(returned_key or "")
        letter = await self._outgoing(letter_id) if letter_id else None
        if letter is None and answered:
            letter = await self._interactions.sent_as(answered)
        return letter

    async def _outgoing(self, letter_id: PyObjectId) -> Interaction | None:
        found = await self._interactions.get(letter_id)
        return found if found and found.direction is Direction.OUTGOING else None

    async def _about(self, letter: Interaction | None) -> Match | None:
        if letter is None or letter.patient_id is None:
            return None
        if letter.campaign_id is not None:
            return await self._in_campaign(await self._campaigns.get(letter.campaign_id))
        patient = await self._patients.get(letter.patient_id)
        return Match(patient, await self._campaign_of(patient)) if patient else None

    async def _by_thread(self, thread_id: str, channel: Channel) -> Match | None:
        """A relay may name a thread after the number, which a family shares."""
        found = await self._by_campaign_thread(thread_id)
        found = found or await self._by_patient_thread(thread_id)
        if found is None or found.patient is None or channel is Channel.EMAIL:
            return found
        is_shared = await self._interactions.has_other_in_thread(thread_id, found.patient.id)
        return None if is_shared else found

    async def _by_campaign_thread(self, thread_id: str) -> Match | None:
        return await self._in_campaign(await self._campaigns.with_thread(thread_id))

    async def _in_campaign(self, campaign: Campaign | None) -> Match | None:
        if campaign is None:
            return None
        patient = await self._patients.get(campaign.patient_id)
        if not campaign.is_active:
            campaign = await self._campaigns.active_for(campaign.patient_id) or campaign
        return Match(patient, campaign) if patient else None

    async def _by_patient_thread(self, thread_id: str) -> Match | None:
        """The thread as we named it, or as the mail provider did when the letter left."""
        patient_id = as_object_id(thread_id.removeprefix(PATIENT_THREAD))
        if patient_id is None or not thread_id.startswith(PATIENT_THREAD):
            letter = await self._interactions.last_sent_in_thread(thread_id)
            patient_id = letter.patient_id if letter else None
        patient = await self._patients.get(patient_id) if patient_id else None
        return Match(patient, await self._campaign_of(patient)) if patient else None

    async def _by_their_thread(self, thread_id: str) -> Match | None:
        """The patient began it, with a mail that answered none of ours."""
        said = await self._interactions.in_thread(thread_id)
        patient_id = next((one.patient_id for one in said if one.patient_id), None)
        patient = await self._patients.get(patient_id) if patient_id else None
        return Match(patient, await self._campaign_of(patient)) if patient else None

    async def _by_sender(self, sender: str, channel: Channel) -> Match:
        contact = sender_address(sender) if channel is Channel.EMAIL else sender
        patients = await self._on_contact(contact, channel) if contact else []
        if len(patients) == 1:
            return Match(patients[0], await self._campaign_of(patients[0]))
        campaigns = await self._campaigns.all_for(patient.id for patient in patients)
        active = [campaign for campaign in campaigns if campaign.is_active]
        if len(active) != 1:
            return Match()
        owner = next(patient for patient in patients if patient.id == active[0].patient_id)
        return Match(owner, active[0]) if contact in (owner.email, owner.phone) else Match()

    async def _on_contact(self, contact: str, channel: Channel) -> list[Patient]:
        """Whoever has it on file, and whoever has it beside that."""
        by_mail = channel is Channel.EMAIL
        look_up = self._patients.with_email if by_mail else self._patients.with_phone
        beside = await self._patients.with_other_contact(contact)
        found = {patient.id: patient for patient in (*await look_up(contact), *beside)}
        return list(found.values())

    async def _campaign_of(self, patient: Patient) -> Campaign | None:
        active = await self._campaigns.active_for(patient.id)
        return active or await self._campaigns.latest_for(patient.id)
