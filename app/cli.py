"""The command line: serve, worker, sweep, imports, create-admin, demo, train, check and so on."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from app.core.clock import SystemClock
from app.core.config import Settings
from app.core.errors import AppError
from app.core.interpreter import keep_for_good
from app.core.logging import configure_logging
from app.db.database import UNAVAILABLE_ERRORS
from app.db.embedded import DataDirectoryInUseError, EmbeddedDatabaseStartError
from app.demo.process import ServiceNotReadyError
from app.demo.walkthrough import WalkFailedError, run_demo, run_gmail_demo
from app.main import background_work, create_app
from app.models.imports import Import, ImportKind, ImportOptions, ImportState, MissingVisits
from app.models.patient import normalise_email
from app.services.checks import Checks
from app.services.container import Services, running_services
from app.services.imports.intake import ImportRequest
from app.services.mail import MailConfigurationError
from app.services.mail.gmail.authorize import authorize
from app.services.mail.gmail.errors import GmailError
from app.services.metrics import Metrics
from app.serving import run_server

commands = typer.Typer(
    help="Dental patient engagement.", no_args_is_help=True, pretty_exceptions_enable=False
)

EXPECTED_FAILURES = (
    AppError,
    DataDirectoryInUseError,
    EmbeddedDatabaseStartError,
    GmailError,
    MailConfigurationError,
    ServiceNotReadyError,
    WalkFailedError,
)
"""What ends a command with a sentence instead of a traceback."""


def main() -> None:
    """Run the command line; expected failures are one sentence and exit code 1."""
    try:
        commands()
    except ValidationError as error:
        _fail("; ".join(f"{_setting(e['loc'])}{_sentence(e['msg'])}" for e in error.errors()))
    except UNAVAILABLE_ERRORS:
        _fail("The database does not answer. Check MONGO_URI, and that the server runs.")
    except EXPECTED_FAILURES as error:
        _fail(str(error))


def _setting(location: tuple[int | str, ...]) -> str:
    return f"{str(location[0]).upper()}: " if location else ""


def _sentence(message: str) -> str:
    """Our own sentences without pydantic's label before them."""
    return message.removeprefix("Value error, ")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(1)


def _announce(notice: str) -> None:
    typer.echo(notice)


@commands.command()
def serve() -> None:
    """Serve the API, with the schedule and the workers in the same process."""
    settings = Settings()
    configure_logging(settings.log_level)
    listener = _listen(settings)
    port = listener.getsockname()[1]
    typer.echo(f"Serving on http://{settings.host}:{port} (documentation: /docs). Ctrl-C stops.")
    app = create_app(settings, announce=_announce, loaded=keep_for_good)
    expected = (*EXPECTED_FAILURES, *UNAVAILABLE_ERRORS)
    run_server(app, listener, expected, settings.trusted_proxies)


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is started: a taken one is a sentence, not a traceback."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError:
        _fail(
            f"Port {settings.port} on {settings.host} cannot be used; another program may hold it. "
            "Set PORT to another one."
        )
    return listener


@commands.command()
def worker() -> None:
    """Run the schedule and the workers without the API (beside API processes on one database)."""

    async def work() -> None:
        stopped = asyncio.Event()
        for wanted in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(wanted, stopped.set)
        async with (
            _services() as services,
            background_work(services, loaded=keep_for_good),
        ):
            typer.echo("Working. Ctrl-C stops.")
            await stopped.wait()

    _run(work())


@commands.command()
def sweep(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list who would be written to, and why.")
    ] = False,
) -> None:
    """Run a sweep now."""

    async def run() -> None:
        async with _services() as services:
            done = await services.outreach.sweeps.run_now(None, dry_run)
            for contact in done.planned:
                typer.echo(json.dumps(contact.model_dump(mode="json")))
            typer.echo(json.dumps({"sweep_id": done.id, "counts": done.counts.model_dump()}))

    _run(run())


ImportFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@commands.command("import-appointments")
def import_appointments(
    file: ImportFile,
    *,
    dry_run: DryRun = False,
    missing: Annotated[
        MissingVisits, typer.Option(help="What happens to visits the file no longer names.")
    ] = MissingVisits.KEEP,
    notify: Annotated[bool, typer.Option(help="Send our letters about what changed.")] = False,
    remind: Annotated[bool, typer.Option(help="Send our reminders of these visits.")] = False,
    create_missing: Annotated[
        bool, typer.Option(help="Make unknown providers and chairs, without hours or services.")
    ] = False,
) -> None:
    """Import the practice's schedule from a CSV file."""
    options = ImportOptions(
        missing=missing, notify=notify, remind=remind, create_missing=create_missing
    )
    _import(ImportRequest(ImportKind.APPOINTMENTS, _BY_COMMAND, dry_run, options), file)


@commands.command("import-patients")
def import_patients(file: ImportFile, *, dry_run: DryRun = False) -> None:
    """Import the practice's patients from a CSV file."""
    _import(ImportRequest(ImportKind.PATIENTS, _BY_COMMAND, dry_run), file)


_BY_COMMAND = "command-line"
_CHUNK_BYTES = 64 * 1024
_LOOK_AGAIN_SECONDS = 0.2


def _import(request: ImportRequest, file: Path) -> None:
    async def run() -> None:
        async with _services() as services:
            wanted = await services.imports.intake.submit(request, _chunks(file))
            done = await _watched(services, wanted)
            for row in (await services.imports.desk.not_done(wanted.id)).items:
                shown = row.model_dump(mode="json", include=_SHOWN_OF_ROWS, exclude_none=True)
                typer.echo(json.dumps(shown))
            typer.echo(json.dumps({"import_id": str(done.id), "counts": done.counts}))
            if done.state == ImportState.FAILED:
                _fail(done.error or "The import failed.")

    _run(run())


_SHOWN_OF_ROWS = {"number", "external_id", "outcome", "reason", "detail"}


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, _CHUNK_BYTES):
            yield chunk


async def _watched(services: Services, wanted: Import) -> Import:
    """Work it off here (or watch another process do so), telling how far it is."""
    while True:
        done = await services.imports.processor.work_off()
        now = await services.imports.desk.get(wanted.id)
        if now.finished_at is not None:
            return now
        typer.echo(f"{now.rows_done} of {now.rows} rows", err=True)
        if not done:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


@commands.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Option(prompt=True, help="The address to sign in with.")],
    *,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a password and show it once.")
    ] = False,
) -> None:
    """Create an administrator. Asks for the password, or makes one."""
    password = None if generate else typer.prompt("Password", hide_input=True, default="") or None

    async def create() -> None:
        async with _services() as services:
            if await services.repositories.staff.with_email(normalise_email(email)):
                _fail("A member of staff with this address exists already.")
            made = await services.security.create_admin(email, password)
            shown = f" The password, shown only now: {made}" if made else ""
            typer.echo(f"Created the administrator.{shown}")

    _run(create())


@commands.command()
def demo(
    data_dir: Annotated[
        Path | None, typer.Option(help="An empty folder to keep; a temporary one without.")
    ] = None,
    *,
    gmail: Annotated[
        bool, typer.Option("--gmail", help="All mail through a Gmail in memory, no account needed.")
    ] = False,
) -> None:
    """Start the service on an empty folder and walk the whole loop over HTTP."""
    walk = run_gmail_demo if gmail else run_demo
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="dental-demo-") as folder:
            _run(walk(Path(folder), typer.echo))
        return
    if data_dir.exists() and any(data_dir.iterdir()):
        _fail(f"{data_dir} is not empty; the demo needs a folder of its own.")
    _run(walk(data_dir, typer.echo))


@commands.command()
def evaluate(
    language_model: Annotated[
        bool,
        typer.Option(help="Measure the configured language model; it is asked some 550 times."),
    ] = False,
) -> None:
    """Measure the agent on its evaluation set: the local engine, or the language model."""
    from app.services.agent.intent import ModelMismatchError  # noqa: PLC0415 - see `train`
    from app.services.agent.llm.measuring import model_evaluation_report  # noqa: PLC0415
    from app.services.agent.measuring import evaluation_report  # noqa: PLC0415

    settings = Settings()
    try:
        if not language_model:
            typer.echo(evaluation_report(settings.model_dir))
            return
        report = model_evaluation_report(settings, lambda line: typer.echo(line, err=True))
    except ModelMismatchError as error:
        _fail(str(error))
    typer.echo(report or _fail("Set LLM_BASE_URL and LLM_MODEL to measure a language model."))


@commands.command()
def train(
    corrections: Annotated[
        Path | None,
        typer.Option("--with", exists=True, dir_okay=False, help="Staff's corrections to add."),
    ] = None,
) -> None:
    """Rebuild the agent's model files (in MODEL_DIR), unless the evaluation got worse with them."""
    # Imports scikit-learn's training: seconds that no other command should wait for.
    from app.services.agent.measuring import train_and_report  # noqa: PLC0415
    from app.services.agent.retraining import WorseModelError  # noqa: PLC0415
    from app.services.agent.training import TrainingSetError  # noqa: PLC0415

    try:
        typer.echo(train_and_report(corrections, Settings().model_dir))
    except (WorseModelError, TrainingSetError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"The model's files cannot be read or written: {error.strerror}.")


_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@commands.command("export-corrections")
def export_corrections(
    file: Annotated[Path, typer.Argument(help="A new file; what patients wrote will be in it.")],
    since: Annotated[
        datetime | None, typer.Option(help="Only those made on this day (UTC) or later.")
    ] = None,
) -> None:
    """Write the intents that staff corrected as labelled replies, for `train --with`."""

    async def run() -> None:
        async with _services() as services:
            first = since.replace(tzinfo=UTC) if since else _BEFORE_ALL
            try:
                written = await services.desk.corrections.write(file, first)
            except FileExistsError:
                _fail(f"{file} exists already; name a new file.")
            typer.echo(f"{written} corrections written.")

    _run(run())


@commands.command("gmail-authorize")
def gmail_authorize() -> None:
    """Allow the Gmail mailbox once in a browser, and print the line for `.env`. Stores nothing."""

    def show(url: str) -> None:
        typer.echo(f"Open this address and choose the practice's mailbox:\n\n{url}\n")

    refresh_token = asyncio.run(authorize(Settings(), show))
    typer.echo(f"Put this line into .env (it is a secret):\n\nGMAIL_REFRESH_TOKEN={refresh_token}")


@commands.command()
def check() -> None:
    """Check configuration, database, indexes, mail and model: a line each."""
    settings = Settings()

    async def run() -> bool:
        ok = True
        async for result in Checks(settings).run():
            ok = ok and result.ok
            typer.echo(f"{'ok  ' if result.ok else 'FAIL'} {result.name}: {result.detail}")
        return ok

    if not asyncio.run(run()):
        sys.exit(1)


@commands.command()
def retention(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
) -> None:
    """Remove what has been kept for its time, as the nightly job does."""

    async def run() -> None:
        async with _services() as services:
            periods = services.retention.periods
            counts = await (periods.due() if dry_run else periods.run())
            typer.echo(json.dumps(counts.as_facts()) if counts else "Another process is at it.")

    _run(run())


@commands.command("verify-audit")
def verify_audit() -> None:
    """Walk the chains of the audit log and name the first place of each that does not hold."""

    async def run() -> bool:
        ok = True
        async with _services() as services:
            async for chain in services.audit.verification.run():
                ok = ok and chain.fault is None
                typer.echo(json.dumps(chain.as_facts()))
        return ok

    if not asyncio.run(run()):
        sys.exit(1)


@contextlib.asynccontextmanager
async def _services() -> AsyncIterator[Services]:
    settings = Settings()
    configure_logging(settings.log_level)
    async with running_services(settings, SystemClock(), Metrics()) as services:
        yield services


def _run(work: Coroutine[Any, Any, object]) -> None:
    asyncio.run(work)
