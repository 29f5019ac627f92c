"""What is written about the program is true of it."""

import re
from pathlib import Path

import pytest

from app.core.config import Settings

ROOT = Path(__file__).parent.parent
ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)")


def env_example() -> dict[str, tuple[str, str]]:
    """Each setting of `.env.example`: its value, and the line above it."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {
        match[1]: (match[2], above)
        for above, line in zip(["", *lines], lines, strict=False)
        if (match := ASSIGNMENT.fullmatch(line))
    }


class TestEnvExample:
    def test_names_every_setting_and_no_other(self) -> None:
        assert set(env_example()) == {name.upper() for name in Settings.model_fields}

    def test_shows_the_defaults(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        for name in env_example():
            monkeypatch.delenv(name, raising=False)
        defaults = Settings()

        read = Settings(_env_file=ROOT / ".env.example")

        assert read == defaults

    def test_leaves_nothing_out_that_has_a_default(self) -> None:
        unset = {name.lower() for name, (value, _) in env_example().items() if not value}

        empty = {n for n, f in Settings.model_fields.items() if f.default in (None, [])}
        assert unset == empty

    def test_says_what_each_one_means(self) -> None:
        for name, (_, above) in env_example().items():
            assert re.fullmatch(r"# .{3,}\.", above), name
