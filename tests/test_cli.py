"""The command line, through its front door."""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner, Result

from app.cli import commands
from app.core.clock import SystemClock
from app.db.database import Database
from app.db.indexes import INDEXES
from app.db.repositories import Repositories
from app.models.decision import AiAnalysis, Intent
from app.models.interaction import Direction, IntentCorrection, Interaction
from app.models.records import AuditEntry
from app.models.role import StaffRole
from app.services.agent.training import read_corrections
from app.services.imports.table import UnreadableFileError
from tests.factories import SECRET, make_patient, make_settings
from tests.fakes import NOON

T = TypeVar("T")

pytestmark = pytest.mark.mongo

PASSWORD = "a-long-enough-password"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The commands set logging up for a process of their own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class CommandLine:
    """Runs commands on one database and one folder."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._uri = uri
        self._name = make_settings().database_name
        self._environment = {
            "MONGO_URI": uri,
            "DATABASE_NAME": self._name,
            "DATA_DIR": str(folder),
            "JWT_SECRET_KEY": SECRET,
            "DEMO_DATA": "false",
            "OUTREACH_ENABLED": "true",
        }

    def run(self, *arguments: str, given: str | None = None, **settings: str) -> Result:
        """What a command printed and how it ended."""
        environment = {**self._environment, **settings}
        return CliRunner().invoke(commands, list(arguments), input=given, env=environment)

    def look(self, question: Callable[[Repositories], Awaitable[T]]) -> T:
        """What the same database holds, asked from an event loop of its own."""

        async def ask() -> T:
            database = Database(self._uri, self._name)
            try:
                return await question(Repositories.over(database, SystemClock()))
            finally:
                database.close()

        return asyncio.run(ask())

    def drop(self) -> None:
        """Remove the database."""

        async def drop() -> None:
            database = Database(self._uri, self._name)
            await database.drop()
            database.close()

        asyncio.run(drop())


@pytest.fixture
def line(mongo_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    monkeypatch.chdir(tmp_path)
    line = CommandLine(mongo_uri, tmp_path / "data")
    yield line
    line.drop()


class TestCreateAdmin:
    def test_with_a_password_that_is_typed(self, line: CommandLine) -> None:
        result = line.run("create-admin", "--email", "Owner@Example.com", given=f"{PASSWORD}\n")

        member = line.look(lambda stored: stored.staff.with_email("owner@example.com"))
        assert result.exit_code == 0
        assert PASSWORD not in result.output
        assert member is not None
        assert member.role == StaffRole.ADMIN

    def test_with_a_password_that_is_made_and_shown_once(self, line: CommandLine) -> None:
        result = line.run("create-admin", "--email", "owner@example.com", "--generate")

        assert result.exit_code == 0
        assert len(result.output.split()[-1]) >= 20

    def test_an_address_that_is_taken_is_said(self, line: CommandLine) -> None:
        line.run("create-admin", "--email", "owner@example.com", "--generate")

        result = line.run("create-admin", "--email", "owner@example.com", "--generate")

        assert result.exit_code == 1
        assert "exists already" in result.output


class TestSweep:
    def test_a_dry_run_lists_and_writes_nothing(self, line: CommandLine) -> None:
        line.look(lambda stored: stored.patients.insert(make_patient()))

        result = line.run("sweep", "--dry-run")

        rows = [json.loads(row) for row in result.stdout.splitlines()]
        assert result.exit_code == 0
        assert rows[0]["campaign_type"] == "RECOVERY"
        assert rows[-1]["counts"]["recovery_created"] == 1
        assert line.look(lambda stored: stored.sweeps.latest()) is None

    def test_a_run_creates_campaigns_and_their_messages(self, line: CommandLine) -> None:
        line.look(lambda stored: stored.patients.insert(make_patient()))

        result = line.run("sweep")

        counts = json.loads(result.stdout.splitlines()[-1])["counts"]
        assert (counts["recovery_created"], counts["messages_queued"]) == (1, 1)


class TestVerifyAudit:
    def test_names_the_place_that_does_not_hold(self, line: CommandLine) -> None:
        entry = AuditEntry(actor="staff:1", action="x", subject="visit", at=SystemClock().now())
        line.look(lambda stored: stored.audit.insert(entry))
        whole = line.run("verify-audit")

        line.look(lambda stored: stored.audit.update_fields(entry.id, {"actor": "staff:2"}))
        broken = line.run("verify-audit")

        assert whole.exit_code == 0
        assert json.loads(whole.stdout)["entries"] == 1
        assert broken.exit_code == 1
        assert json.loads(broken.stdout)["fault_entry"] == str(entry.id)


class TestCheck:
    def test_a_line_each(self, line: CommandLine) -> None:
        result = line.run("check")

        assert result.exit_code == 0, result.output
        rows = result.stdout.splitlines()
        assert [row.split()[1] for row in rows] == [
            "configuration:",
            "database:",
            "indexes:",
            "mail:",
            "gmail:",
            "model:",
        ]
        assert str(sum(len(wanted) for wanted in INDEXES.values())) in rows[2]

    def test_names_what_fails_and_goes_on(self, line: CommandLine) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = str(closed.getsockname()[1])

            result = line.run("check", MAIL_TRANSPORT="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=port)

        failed = [row for row in result.stdout.splitlines() if row.startswith("FAIL")]
        assert result.exit_code == 1
        assert [row.split()[1] for row in failed] == ["mail:"]
        assert "model:" in result.stdout

    def test_a_gmail_without_credentials_is_a_sentence(self, line: CommandLine) -> None:
        result = line.run("check", MAIL_TRANSPORT="gmail")

        assert result.exit_code == 1
        assert "MAIL_TRANSPORT=gmail needs GMAIL_MAILBOX" in result.stdout


SCHEDULE = (
    "external_id,name,email,provider,chair,start,minutes\n"
    "A-1,Maria Lopez,maria@example.com,Dr. Rivera,Room 1,{start},30\n"
    "A-2,Jo Park,jo@example.com,Dr. Rivera,Room 1,soon,30\n"
)


class TestImports:
    def test_of_a_schedule_tells_how_far_it_is_and_what_became_of_it(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        file = tmp_path / "schedule.csv"
        start = (SystemClock().now() + timedelta(days=30)).isoformat(timespec="minutes")
        file.write_text(SCHEDULE.format(start=start))

        told = line.run("import-appointments", str(file), "--dry-run", "--create-missing")
        done = line.run("import-appointments", str(file), "--create-missing")

        assert (told.exit_code, done.exit_code) == (0, 0), told.output + done.output
        assert "2 of 2 rows" in done.stderr
        refused, summary = (json.loads(row) for row in done.stdout.splitlines())
        assert (refused["number"], refused["reason"]) == (3, "invalid_start")
        assert summary["counts"] == {"created": 1, "refused": 1}
        assert len(line.look(lambda stored: stored.appointments._find({}))) == 1

    def test_of_patients(self, line: CommandLine, tmp_path: Path) -> None:
        file = tmp_path / "patients.csv"
        file.write_text("name,email\nMaria Lopez,maria@example.com\n")

        done = line.run("import-patients", str(file))

        assert done.exit_code == 0, done.output
        found = line.look(lambda stored: stored.patients.with_email("maria@example.com"))
        assert [one.name for one in found] == ["Maria Lopez"]

    def test_of_a_file_that_cannot_be_read_is_a_sentence(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        file = tmp_path / "patients.csv"
        file.write_text("nothing\n")

        done = line.run("import-patients", str(file))

        assert isinstance(done.exception, UnreadableFileError)
        assert "missing: name or last_name" in str(done.exception)


class TestDemo:
    def test_wants_a_folder_of_its_own(self, line: CommandLine, tmp_path: Path) -> None:
        (tmp_path / "kept.txt").write_text("mine")

        result = line.run("demo", "--data-dir", str(tmp_path))

        assert result.exit_code == 1
        assert "not empty" in result.output


class TestExportCorrections:
    def test_writes_labelled_replies_without_names_once(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        patient = make_patient(name="Dana Smith", language="es")
        analysis = AiAnalysis(intent=Intent.QUESTION, engine="local", engine_version="v1")
        reply = Interaction(
            patient_id=patient.id,
            direction=Direction.INCOMING,
            content="Dana here, 212 555 0142: no more of this",
            timestamp=NOON,
            ai_analysis=analysis,
        )

        async def store(stored: Repositories) -> None:
            await stored.patients.insert(patient)
            await stored.interactions.insert(reply)
            for intent in (Intent.SERVICE_DENIAL, Intent.OPT_OUT):
                correction = IntentCorrection(
                    intent=intent, said=Intent.QUESTION, by="staff:x", at=NOON, engine="local"
                )
                await stored.interactions.correct_intent(reply.id, correction)

        line.look(store)
        file = tmp_path / "corrections.jsonl"

        result = line.run("export-corrections", str(file))

        assert (result.exit_code, result.output) == (0, "1 corrections written.\n")
        (written,) = [json.loads(text) for text in file.read_text().splitlines()]
        assert (written["label"], written["lang"]) == ("OPT_OUT", "es")
        assert written["text"] == "[name] here, [number]: no more of this"
        assert file.stat().st_mode & 0o077 == 0
        (read,) = read_corrections(file)
        assert read.label is Intent.OPT_OUT
        again = line.run("export-corrections", str(file))
        assert again.exit_code == 1
        assert "exists already" in again.output
        later = line.run("export-corrections", "--since", "2030-01-01", str(tmp_path / "later"))
        assert later.output == "0 corrections written.\n"


class TestTrain:
    def test_corrections_that_are_none_end_it_before_anything_is_written(
        self, line: CommandLine, tmp_path: Path
    ) -> None:
        model = tmp_path / "model"
        file = tmp_path / "corrections.jsonl"
        file.write_text('{"label": "OPT_OUT", "lang": "en", "text": "no more"}\n{"secret": 1}\n')

        result = line.run("train", "--with", str(file), MODEL_DIR=str(model))

        assert result.exit_code == 1
        assert result.output == "line 2 of the corrections is no labelled reply\n"
        assert list(model.iterdir()) == []
