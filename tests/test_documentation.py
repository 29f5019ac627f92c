"""What is written about the program is true of it."""

import re
from pathlib import Path

import pytest

from app.cli import commands
from app.core.config import Settings
from app.main import create_app
from tests.factories import make_settings

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


def readme() -> str:
    return (ROOT / "README.md").read_text()


class TestReadme:
    def test_lists_exactly_the_operations_there_are(self) -> None:
        document = create_app(make_settings(mongo_uri="mongodb://127.0.0.1:1/")).openapi()
        there_are = {
            f"{method.upper()} {path.removeprefix('/api/v1') or path}": operation["summary"]
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }

        listed = dict(re.findall(r"^\| `([A-Z]+ /\S*)` \| (.+) \|$", readme(), re.MULTILINE))

        assert listed == there_are

    def test_names_only_commands_of_make_that_exist(self) -> None:
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

        named = set(re.findall(r"(?:^|`|\s)make ([a-z]+)", readme()))

        assert named <= targets
        assert {"run", "test", "check", "demo"} <= named

    def test_names_every_command_of_the_command_line(self) -> None:
        sentence = re.search(r"`python -m app` .* with (.*)\.", readme())
        assert sentence is not None

        named = {words.split()[0] for words in re.findall(r"`([^`]+)`", sentence[1])}

        registered = {
            command.name or str(getattr(command.callback, "__name__", ""))
            for command in commands.registered_commands
        }
        assert named == registered

    def test_every_link_leads_somewhere(self) -> None:
        targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", readme())

        assert targets
        assert [target for target in targets if not (ROOT / target).exists()] == []
