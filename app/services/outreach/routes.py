"""The ways to a patient: by the channels they prefer, as far as something goes out on them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.models.patient import Channel, Patient
from app.models.records import UNDELIVERABLE, Suppression


@dataclass(frozen=True)
class Route:
    """One way: a channel, and the address or number in E.164 on it."""

    channel: Channel
    address: str


class Routes:
    """Knows which channels something goes out on."""

    def __init__(self, channels: Collection[Channel]) -> None:
        self.channels = frozenset(channels)

    def of(self, patient: Patient, first: Channel | None = None) -> list[Route]:
        """The ways to a patient, the best one first: `first` (what they wrote on), what they
        prefer, and e-mail after all else.
        """
        begin = [first] if first else []
        wanted = dict.fromkeys([*begin, *patient.preferred_channel, Channel.EMAIL])
        known = {channel: _contact(patient, channel) for channel in wanted}
        return [
            Route(channel, address)
            for channel, address in known.items()
            if channel in self.channels and address
        ]


BY_EMAIL = Routes({Channel.EMAIL})
"""Where nothing but mail goes out."""


def by_email(patient: Patient) -> Route | None:
    """Their mailbox, where they have one."""
    return Route(Channel.EMAIL, patient.email) if patient.email else None


def best_of(routes: Sequence[Route], suppressions: Mapping[str, Suppression]) -> Route | None:
    """The first way that messages arrive on; where none is, the first.

    A wish that messages stop leads to no other way: it is no trouble with the way.
    """
    alive = (one for one in routes if not _is_dead(suppressions.get(one.address)))
    return next(alive, routes[0] if routes else None)


def addresses_of(routes: Iterable[Route]) -> list[str]:
    """Where they lead."""
    return [route.address for route in routes]


def _is_dead(suppression: Suppression | None) -> bool:
    return suppression is not None and suppression.reason in UNDELIVERABLE


def _contact(patient: Patient, channel: Channel) -> str | None:
    return patient.email if channel is Channel.EMAIL else patient.phone
