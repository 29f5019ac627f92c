"""Zones that mean the same on every machine, and nothing else."""

import pytest

from app.core.zones import known_zone


@pytest.mark.parametrize("name", ["America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "UTC"])
def test_knows_places(name: str) -> None:
    assert known_zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        *("Mars/Base", "America", "../etc/passwd", "/etc/localtime", ""),
        *("localtime", "posixrules", "Factory", "right/America/New_York", "posix/Europe/London"),
    ],
)
def test_refuses_what_is_no_place(name: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - pydantic asks for no other
        known_zone(name)

    assert str(refused.value) == name
