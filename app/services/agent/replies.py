"""A reply together with everything it is about, and how its effects are named and queued."""

from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any, Protocol

from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import Campaign
from app.models.decision import AiAnalysis, Intent, Urgency
from app.models.interaction import Decision, Interaction, MessageClass
from app.models.patient import Channel, Patient, normalise_email
from app.models.records import Suppression, SuppressionReason
from app.models.schedule import Clinic
from app.services.agent.guards.sender import is_same_address
from app.services.outreach.letters import Letter
from app.services.outreach.outbox import Draft, Outbox

AGENT = "agent"

UNREAD = AiAnalysis(intent=Intent.IRRELEVANT_CONFUSED, engine="none")
"""Stands for the analysis of a message that no engine could be asked about."""


class Alerts(Protocol):
    """Tells staff that somebody waits for them."""

    async def attention_raised(self, campaign_id: PyObjectId, urgency: Urgency) -> None:
        """At once where urgent, else with the next digest; telling twice is telling once."""
        ...

    async def unmatched_arrived(self, interaction_id: PyObjectId, urgency: Urgency) -> None:
        """The same for a message that belongs to no campaign."""
        ...


@dataclass(frozen=True)
class Reply:
    """A decided reply outside every campaign. No patient: nobody knows who wrote."""

    interaction: Interaction
    decision: Decision
    clinic: Clinic
    patient: Patient | None

    @property
    def analysis(self) -> AiAnalysis:
        """What was read in it."""
        return self.interaction.ai_analysis or UNREAD


@dataclass(frozen=True)
class CampaignReply:
    """A decided reply in a campaign of a known patient."""

    interaction: Interaction
    decision: Decision
    clinic: Clinic
    patient: Patient
    campaign: Campaign

    @property
    def analysis(self) -> AiAnalysis:
        """What was read in it."""
        return self.interaction.ai_analysis or UNREAD


def reply_key(interaction_id: PyObjectId, purpose: str) -> str:
    """The dedupe key of one effect of one reply."""
    return f"reply:{interaction_id}:{purpose}"


class ReplyMail:
    """Queues what is sent because of a reply, once for each reply and purpose."""

    def __init__(self, repositories: Repositories, outbox: Outbox) -> None:
        self._repositories = repositories
        self._outbox = outbox

    async def queue(
        self,
        interaction: Interaction,
        patient: Patient,
        letter: Letter,
        message_class: MessageClass,
        dedupe_key: str,
    ) -> None:
        """Queue `letter` as an answer in the thread of `interaction`, once for each key."""
        draft = Draft(
            patient_id=patient.id,
            campaign_id=interaction.campaign_id,
            subject=letter.subject,
            content=letter.content,
            html=letter.html,
            short=letter.short,
            message_class=message_class,
            dedupe_key=dedupe_key,
            answers_on=interaction.channel,
            in_reply_to=_message_id(interaction),
        )
        await self._outbox.enqueue(draft)

    async def is_queued(self, interaction: Interaction, purpose: str) -> bool:
        """Whether an earlier run got as far as this message."""
        key = reply_key(interaction.id, purpose)
        return await self._repositories.outbox.with_dedupe_key(key) is not None

    async def suppress_sender(self, interaction: Interaction) -> None:
        """Stop what goes to a contact whose owner asked for that and is no patient we can name."""
        address = sender_contact(interaction)
        if address is not None:
            await self._repositories.suppressions.add(
                Suppression(
                    address=address,
                    reason=SuppressionReason.OPT_OUT,
                    at=interaction.timestamp,
                    source=interaction_source(interaction),
                )
            )


def _message_id(interaction: Interaction) -> str | None:
    """The sender's own id of the message, out of the key it is stored under."""
    if interaction.mail is not None:
        return interaction.mail.message_id
    is_mail = interaction.channel is Channel.EMAIL
    prefix = f"relay:{interaction.thread_id}:" if is_mail else f"{interaction.channel}:"
    return interaction.provider_id.removeprefix(prefix) if interaction.provider_id else None


def returned_letter(interaction: Interaction) -> PyObjectId | None:
    """The letter of ours that a bounce really names."""
    return interaction.mail.letter_id if interaction.mail else None


def interaction_source(interaction: Interaction) -> str:
    """How a suppression names the message it goes back to."""
    return f"interaction:{interaction.id}"


def contact_to_verify(interaction: Interaction, patient: Patient | None) -> str | None:
    """What the sender must equal to be the patient: their address, or on other channels their
    number, or one of a record that was merged into theirs. Where nobody is known, whoever wrote is
    who they say.
    """
    if patient is None or is_from_other_contact(interaction, patient):
        return sender_contact(interaction)
    return patient.email if interaction.channel is Channel.EMAIL else patient.phone


def sender_contact(interaction: Interaction) -> str | None:
    """The address, or on other channels the number, that a message came from."""
    if interaction.channel is not Channel.EMAIL:
        return interaction.sender
    return sender_address(interaction.sender or "")


def is_from_other_contact(interaction: Interaction, patient: Patient) -> bool:
    """Whether it came from a contact of theirs that is not the one on file."""
    return sender_contact(interaction) in patient.other_contacts


def heard_on(interaction: Interaction, patient: Patient) -> dict[str, Any]:
    """For whom beside the patient a wish in this message holds (`ConsentService.opt_out`)."""
    is_mail = interaction.channel is Channel.EMAIL
    if is_mail and not is_from_other_contact(interaction, patient):
        return {"whole_mailbox": True}
    return {"whole_mailbox": False, "heard_from": sender_contact(interaction)}


def sender_address(sender: str) -> str | None:
    """The one address that a sender field names, as it is compared; `None` for anything odd."""
    address = parseaddr(sender)[1]
    return normalise_email(address) if is_same_address(sender, address) else None
