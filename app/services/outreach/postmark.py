"""From a message in the outbox to a mail: whom it is for, and which thread it belongs to."""

import re
from datetime import datetime

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import Campaign
from app.models.interaction import Interaction, MessageClass
from app.models.patient import Channel, Patient
from app.services.clinic import ClinicService
from app.services.mail.reply_tags import ReplyTags
from app.services.mail.transport import OutgoingMail
from app.services.outreach.links import Links
from app.services.outreach.routes import Route

PATIENT_THREAD = "p-"
"""Begins the thread of letters to a patient that belong to no campaign; their id follows."""

_REPLY_PREFIX = re.compile(r"^(?:re|aw|sv|rv|fwd?)\s*:\s*", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]+@[^<>\s]+>")


_UNSUBSCRIBED_FROM = frozenset(
    {MessageClass.OUTREACH, MessageClass.WAITLIST_OFFER, MessageClass.WAITLIST_CLOSED}
)
"""What an opt-out stops, and what so carries the headers of one-click unsubscribe."""


class Postmark:
    """Addresses mail. The address is the one on file now, never one that a message brought."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        links: Links,
        tags: ReplyTags,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._links = links
        self._tags = tags
        self._settings = settings
        self._clock = clock

    async def address(
        self, message: Interaction, patient: Patient, campaign: Campaign | None, route: Route
    ) -> OutgoingMail:
        """`message` on its way by `route`, or as mail to `MAIL_REDIRECT_TO` while that is set."""
        clinic = await self._clinic.recent()
        earlier = await self._earlier(message, route.channel)
        redirected_to = self._settings.mail_redirect_to
        return OutgoingMail(
            key=str(message.id),
            to=redirected_to or route.address,
            channel=route.channel,
            to_name=None if redirected_to else patient.name,
            sender_name=clinic.name,
            subject=thread_subject(message, earlier),
            text=_text_for(route.channel, message),
            html=message.html,
            calendar=message.calendar,
            date=self._clock.now(),
            thread_id=_thread_of(patient, campaign, route.channel, earlier),
            in_reply_to=_answered_by(message, earlier, route.channel),
            references=_references(message, earlier),
            is_automatic=_class_of(message) is not MessageClass.STAFF,
            unsubscribe_url=self._unsubscribe_url(message, patient),
            tried_since=_tried_since(message),
            reply_to=self._tags.reply_to(message.id),
        )

    async def subject(self, message: Interaction) -> str:
        """The subject under which `message` leaves, or left."""
        return thread_subject(message, await self._earlier(message, message.channel))

    async def _earlier(self, message: Interaction, channel: Channel) -> list[Interaction]:
        """What already left in the same conversation on `channel`. Without a campaign there is
        none."""
        if message.campaign_id is None:
            return []
        sent = await self._repositories.interactions.sent_in_campaign(message.campaign_id)
        return [other for other in sent if other.id != message.id and other.channel is channel]

    def _unsubscribe_url(self, message: Interaction, patient: Patient) -> str | None:
        if _class_of(message) not in _UNSUBSCRIBED_FROM:
            return None
        return self._links.unsubscribe_link(patient.id)


def _text_for(channel: Channel, message: Interaction) -> str:
    """A text message is not a letter: it has words of its own."""
    short = None if channel is Channel.EMAIL else message.short
    return short or message.content


def thread_subject(message: Interaction, earlier: list[Interaction]) -> str:
    """A conversation keeps its first subject: mail programs thread by it (Gmail insists)."""
    if not earlier:
        return message.subject or ""
    return f"Re: {_REPLY_PREFIX.sub('', earlier[0].subject or '')}"


def _tried_since(message: Interaction) -> datetime | None:
    """Since when it may have left, by a try before this one."""
    delivery = message.delivery
    if delivery is None or not delivery.was_tried:
        return None
    return delivery.tried_at or message.timestamp


def _thread_of(
    patient: Patient, campaign: Campaign | None, channel: Channel, earlier: list[Interaction]
) -> str:
    """The campaign's own where it runs on this channel; a conversation may run on several."""
    if campaign is None:
        return f"{PATIENT_THREAD}{patient.id}"
    own = campaign.channel.thread_id if campaign.channel.type is channel else None
    of_earlier = earlier[-1].thread_id if earlier else None
    return own or of_earlier or f"t-{campaign.id}"


def _answered_by(
    message: Interaction, earlier: list[Interaction], channel: Channel = Channel.EMAIL
) -> str | None:
    if channel is not Channel.EMAIL:
        return message.in_reply_to if message.answers_on is channel else None
    if message.in_reply_to and _MESSAGE_ID.fullmatch(message.in_reply_to):
        return message.in_reply_to
    ids = _sent_ids(earlier)
    return ids[-1] if ids else None


def _references(message: Interaction, earlier: list[Interaction]) -> tuple[str, ...]:
    answered = _answered_by(message, earlier)
    chain = [*_sent_ids(earlier), *([answered] if answered else [])]
    return tuple(dict.fromkeys(chain))


def _sent_ids(earlier: list[Interaction]) -> list[str]:
    return [
        message.delivery.provider_message_id
        for message in earlier
        if message.delivery and message.delivery.provider_message_id
    ]


def _class_of(message: Interaction) -> MessageClass | None:
    return message.delivery.message_class if message.delivery else None
