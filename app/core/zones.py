"""Which time zones a clinic can be in."""

from zoneinfo import ZoneInfo

_NO_PLACES = frozenset({"localtime", "posixrules", "Factory"})
"""Files beside the places of the zone database: the machine's own zone, and none at all."""
_OTHER_CLOCKS = ("right/", "posix/")
"""Copies of the database. Those under "right" count leap seconds, which no other clock does."""


def known_zone(name: str) -> ZoneInfo:
    """The zone of the IANA database called so; the same on every machine. Raises `ValueError`."""
    try:
        zone = ZoneInfo(name)
    # A folder of the zone database ("America") fails as a file, a path ("../x") as a value.
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(name) from error
    if name in _NO_PLACES or name.startswith(_OTHER_CLOCKS):
        raise ValueError(name)
    return zone
