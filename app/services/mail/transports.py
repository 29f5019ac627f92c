"""The transports by channel: what a message goes out with is decided by where it goes to."""

from collections.abc import Mapping
from datetime import datetime

from app.models.patient import Channel
from app.services.mail.transport import OutgoingMail, SentMail, Transport, UnknownOutcomeError


class Transports:
    """Mail always has one; other channels may."""

    def __init__(self, email: Transport, others: Mapping[Channel, Transport] | None = None) -> None:
        self._by_channel = {**(others or {}), Channel.EMAIL: email}

    @property
    def channels(self) -> frozenset[Channel]:
        """Where something goes out."""
        return frozenset(self._by_channel)

    @property
    def deadline_seconds(self) -> float:
        """The longest one `send` can take, on any of them."""
        return max(one.deadline_seconds for one in self._by_channel.values())

    async def send(self, mail: OutgoingMail) -> SentMail:
        """See `Transport.send`."""
        return await self._by_channel[mail.channel].send(mail)

    async def look_up(self, channel: Channel, key: str, since: datetime) -> SentMail | None:
        """See `Transport.look_up`; nobody can tell what a transport did that is there no more."""
        transport = self._by_channel.get(channel)
        if transport is None:
            message = "The channel it was sent on is no longer set up."
            raise UnknownOutcomeError(message)
        return await transport.look_up(key, since)
