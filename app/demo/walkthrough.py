"""The whole loop, walked over HTTP against a real service process: what `make demo` prints.

It starts the service on a folder of its own, plays four patients and the front desk, and checks
every answer: where one is not what it should be, the walk ends with `WalkFailedError`.
"""

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx

from app.core.clock import utc_now
from app.db.embedded import free_port
from app.demo.gmail.process import gmail_settings, running_gmail
from app.demo.mail import FolderPost, GmailPost, Letter, Post
from app.demo.process import running_service

Json = dict[str, Any]
Echo = Callable[[str], None]
T = TypeVar("T")

STEP_WITHIN_SECONDS = 45.0
ADMIN_EMAIL = "admin@example.com"
BOOKING_REPLY = "Yes please, I would like to come in. How do I book?"
QUESTION_REPLY = "Before I decide: do you take Delta Dental?"
DENIAL_REPLY = "No thank you, I have decided not to have this done."
EMERGENCY_REPLY = "My face is badly swollen since last night and I have a fever. Please help!"


class WalkFailedError(Exception):
    """An answer was not what the loop promises."""


@dataclass
class Api:
    """The service over HTTP, signed in."""

    client: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def sign_in(self, username: str, password: str) -> None:
        """Keep a token for the calls that follow."""
        form = {"username": username, "password": password}
        answer = await self.client.post("/api/v1/auth/login", data=form)
        token = _expect(answer, 200)["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **params: str | int) -> Json:
        """A read that must succeed."""
        answer = await self.client.get(f"/api/v1{path}", params=params, headers=self.headers)
        return _expect(answer, 200)

    async def post(self, path: str, body: Json, *, status: int) -> Json:
        """A write that must answer `status`."""
        answer = await self.client.post(f"/api/v1{path}", json=body, headers=self.headers)
        return _expect(answer, status)


def _expect(answer: httpx.Response, status: int) -> Json:
    if answer.status_code != status:
        message = f"{answer.request.method} {answer.request.url.path}: {answer.status_code}, "
        raise WalkFailedError(message + f"expected {status}: {answer.text[:500]}")
    return cast("Json", answer.json()) if answer.content else {}


def _require(condition: object, message: str) -> None:
    if not condition:
        raise WalkFailedError(message)


@dataclass(frozen=True)
class Conversation:
    """One patient who takes part in the walk."""

    campaign_id: str
    patient_id: str
    address: str
    thread_id: str


class Walkthrough:
    """The steps, in order. Each prints what it did and what came back."""

    def __init__(self, api: Api, post: Post, echo: Echo) -> None:
        self._api = api
        self._post = post
        self._echo = echo
        self._zone = ZoneInfo("UTC")

    async def walk(self) -> Json:
        """Everything, from the first sweep to the recall. Answers the last dashboard."""
        clinic = await self._api.get("/clinic")
        self._zone = ZoneInfo(clinic["timezone"])
        await self._sweep()
        people = await self._four_patients()
        await self._replies(people)
        appointment = await self._book(people[0], people[1])
        await self._visit(appointment, people[0])
        await self._recall(people[0])
        return await self._dashboard()

    async def _sweep(self) -> None:
        self._title("Sweep: who is the practice losing?")
        plan = await self._api.post("/admin/sweeps", {"dry_run": True}, status=200)
        self._show("POST /admin/sweeps {dry_run: true}", plan["counts"])
        sweep = await self._api.post("/admin/sweeps", {"dry_run": False}, status=200)
        counts = sweep["counts"]
        self._show("POST /admin/sweeps", {"status": sweep["status"], "counts": counts})
        created = counts["recovery_created"] + counts["recall_created"]
        _require(created > 0, "The sweep created no campaign.")
        _require(counts["messages_queued"] == created, "Not every campaign got its message.")
        sent = await self._until(self._all_due_sent, "The outbox was not sent.")
        left = await self._post.letters()
        _require(len(left) == sent, f"{sent} messages sent, {len(left)} found.")
        self._echo(f"  {len(left)} {self._post.kind}. The first reads:\n")
        self._letter(left[0])

    async def _all_due_sent(self) -> int | None:
        now = utc_now()
        await asyncio.sleep(0.2)
        waiting = await self._api.get("/admin/deliveries", status="pending", limit=100)
        sending = await self._api.get("/admin/deliveries", status="sending", limit=1)
        overdue = [m for m in waiting["deliveries"] if _instant(m["not_before"]) <= now]
        if overdue or sending["deliveries"]:
            return None
        sent = await self._api.get("/admin/deliveries", status="sent", limit=1)
        return int(sent["pagination"]["total_items"])

    async def _four_patients(self) -> list[Conversation]:
        listed = await self._api.get("/admin/campaigns", status="ATTEMPTING_RECOVERY", limit=100)
        people: list[Conversation] = []
        for row in listed["campaigns"]:
            detail = await self._api.get(f"/admin/campaigns/{row['campaign_id']}")
            thread = detail["campaign_details"]["channel"]["thread_id"]
            file = await self._api.get(f"/admin/patients/{row['patient_id']}")
            patient = file["patient"]
            if thread and patient["language"] == "en" and patient["email"] not in _FAMILY:
                people.append(
                    Conversation(row["campaign_id"], row["patient_id"], patient["email"], thread)
                )
            if len(people) == 4:  # noqa: PLR2004 - one for each action of the agent
                return people
        message = "There are not four patients to play."
        raise WalkFailedError(message)

    async def _replies(self, people: list[Conversation]) -> None:
        cast_list = (
            ("wants to book", BOOKING_REPLY, "RE_ENGAGED"),
            ("asks a question", QUESTION_REPLY, "RE_ENGAGED"),
            ("declines", DENIAL_REPLY, "RECOVERY_DECLINED"),
            ("has an emergency", EMERGENCY_REPLY, "HANDOFF_REQUIRED"),
        )
        for person, (what, text, status) in zip(people, cast_list, strict=True):
            await self._reply(person, what, text, status)
        urgent = await self._api.get("/admin/handoffs")
        first = urgent["handoffs"][0]
        _require(first["campaign_id"] == people[3].campaign_id, "The emergency is not first.")
        self._show("GET /admin/handoffs (first)", first["attention"])

    async def _reply(self, person: Conversation, what: str, text: str, status: str) -> None:
        self._title(f"A patient {what}: “{text}”")
        done = await self._post.answer(person.thread_id, person.address, text)
        self._echo(f"  {done}")

        async def settled() -> Json | None:
            detail = await self._api.get(f"/admin/campaigns/{person.campaign_id}")
            answers = _answers(detail)
            done = answers and answers[-1]["delivery_status"] == "sent"
            return detail if done else None

        detail = await self._until(settled, f"The reply of the patient who {what} got no answer.")
        details = detail["campaign_details"]
        _require(details["status"] == status, f"The campaign is {details['status']}.")
        analysis = _incoming(detail)[-1]["ai_analysis"]
        shown = {key: analysis[key] for key in ("intent", "confidence", "engine")}
        self._show("GET /admin/campaigns/{id}", {"status": details["status"], **shown})
        self._letter(await self._letter_of(_answers(detail)[-1]))

    async def _book(self, person: Conversation, rival: Conversation) -> Json:
        self._title("Booking: the first patient opens the link")
        token = await self._booking_token(person)
        slot = await self._first_slot()
        booking = self._booking(person, slot, token)
        booked = await self._api.post("/appointments/book", booking, status=201)
        self._show("POST /appointments/book", _without(booked, "manage_url"))
        await self._status(person, "BOOKING_INITIATED")
        self._title("… and somebody else wants the same time")
        rival_booking = self._booking(rival, slot, await self._booking_token(rival))
        refused = await self._api.post("/appointments/book", rival_booking, status=409)
        _require(len(refused["alternatives"]) == 3, "A 409 names three free times.")  # noqa: PLR2004
        shown = {key: refused[key] for key in ("status", "title", "detail", "alternatives")}
        self._show("POST /appointments/book", shown)
        return booked

    def _booking(self, person: Conversation, slot: Json, token: str) -> Json:
        return {
            "name": "As the link says",
            "email": person.address,
            "phone": "+1 212-555-0147",
            "service_id": "checkup_cleaning",
            "provider_id": slot["providers"][0]["provider_id"],
            "appointment_date": slot["starts_at"],
            "booking_token": token,
        }

    async def _first_slot(self) -> Json:
        today = utc_now().astimezone(self._zone).date()
        answer = await self._api.get(
            "/availability/slots",
            **{"from": str(today), "to": str(today + timedelta(days=14))},
            service_id="checkup_cleaning",
        )
        return cast("Json", answer["slots"][0])

    async def _visit(self, booked: Json, person: Conversation) -> None:
        self._title("Visit: the front desk marks it completed, next check-up due today")
        today = utc_now().astimezone(self._zone).date()
        completed = await self._api.post(
            f"/admin/appointments/{booked['appointment_id']}/complete",
            {"next_follow_up_date": str(today)},
            status=200,
        )
        self._show("POST /admin/appointments/{id}/complete", {"status": completed["status"]})
        await self._status(person, "RECOVERED")

    async def _recall(self, person: Conversation) -> None:
        self._title("Future recall: the next sweep finds that patient due")
        sweep = await self._api.post("/admin/sweeps", {"dry_run": False}, status=200)
        self._show("POST /admin/sweeps", sweep["counts"])
        _require(sweep["counts"]["recall_created"] == 1, "One recall was due.")
        file = await self._api.get(f"/admin/patients/{person.patient_id}")
        newest = file["campaigns"][0]
        _require(newest["campaign_type"] == "RECALL", "The newest campaign is no RECALL.")
        shown = {key: newest[key] for key in ("campaign_type", "status")}
        self._show("GET /admin/patients/{id}, newest campaign", shown)

    async def _dashboard(self) -> Json:
        self._title("Dashboard")
        stats = await self._api.get("/admin/dashboard-stats")
        figures = _without(stats, "definitions", "series")
        self._show("GET /admin/dashboard-stats", figures)
        value = stats["value"]
        _require(value["recovered_campaigns_month"] == 1, "One campaign was recovered.")
        _require(stats["kpis"]["visits_completed_month"] == 1, "One visit was completed.")
        _require(stats["kpis"]["handoffs_requiring_action"] == 1, "One hand-off is open.")
        return stats

    async def _status(self, person: Conversation, status: str) -> None:
        detail = await self._api.get(f"/admin/campaigns/{person.campaign_id}")
        found = detail["campaign_details"]["status"]
        _require(found == status, f"The campaign is {found}, not {status}.")
        self._echo(f"  the campaign is {found}")

    async def _booking_token(self, person: Conversation) -> str:
        """The token in the newest letter to this patient that has a booking link."""
        for letter in reversed(await self._post.letters()):
            if person.address not in letter.to.casefold():
                continue
            for link in re.findall(r"https?://\S+", letter.text):
                tokens = parse_qs(urlsplit(link).query).get("booking_token")
                if tokens:
                    return str(tokens[0])
        message = "No letter to this patient holds a booking link."
        raise WalkFailedError(message)

    async def _letter_of(self, interaction: Json) -> Letter:
        for letter in await self._post.letters():
            if letter.key == interaction["interaction_id"]:
                return letter
        message = "A message that counts as sent did not leave."
        raise WalkFailedError(message)

    async def _until(self, look: Callable[[], Awaitable[T | None]], message: str) -> T:
        deadline = time.monotonic() + STEP_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(0.1)
        raise WalkFailedError(message)

    def _title(self, text: str) -> None:
        self._echo(f"\n── {text}")

    def _show(self, what: str, answer: object) -> None:
        rendered = json.dumps(answer, indent=2, ensure_ascii=False)
        self._echo(f"  {what} →\n{_indented(rendered)}")

    def _letter(self, letter: Letter) -> None:
        text = f"To: {letter.to}\nSubject: {letter.subject}\n\n{letter.text}"
        self._echo(_indented(text.rstrip(), "  │ "))


_FAMILY = ("sandberg.family@example.com",)


def _indented(text: str, prefix: str = "    ") -> str:
    return "\n".join(prefix + line for line in text.splitlines())


def _without(answer: Json, *names: str) -> Json:
    return {name: value for name, value in answer.items() if name not in names}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _incoming(detail: Json) -> list[Json]:
    return [m for m in detail["conversation_history"] if m["direction"] == "incoming"]


def _answers(detail: Json) -> list[Json]:
    """What went out after the patient's last message."""
    said: list[Json] = detail["conversation_history"]
    incoming = [index for index, m in enumerate(said) if m["direction"] == "incoming"]
    return [m for m in said[incoming[-1] + 1 :] if m["direction"] == "outgoing"] if incoming else []


DEMO_SETTINGS = {
    "ENVIRONMENT": "development",
    "DEMO_DATA": "true",
    "SENDING_HOURS": "00:00-24:00",
    "SWEEP_TIME": "23:59",
    "NEW_CAMPAIGNS_PER_DAY": "100",
    "OUTREACH_ENABLED": "true",
    "MAIL_TRANSPORT": "file",
    "STAFF_ALERT_EMAIL": "desk@example.com",
    "FIRST_ADMIN_EMAIL": ADMIN_EMAIL,
    "LOG_LEVEL": "INFO",
}
"""The demo runs at any hour, writes to everybody at once and sweeps only by hand; a practice
would not.
"""


async def run_demo(data_dir: Path, echo: Echo) -> Json:
    """Start a service on the (empty) `data_dir`, walk the loop, stop it. Raises `WalkFailedError`.

    Answers the last dashboard.
    """
    async with _signed_in(data_dir, {}, echo) as api:
        post = FolderPost(data_dir / "outbox", api.client)
        return await Walkthrough(api, post, echo).walk()


async def run_gmail_demo(data_dir: Path, echo: Echo) -> Json:
    """The same walk with all mail through a Gmail of our own: sent, notified, fetched."""
    port = free_port()
    echo("Starting a Gmail without an account …")
    async with running_gmail(data_dir, port) as gmail:
        settings = {**gmail_settings(str(gmail.base_url).rstrip("/")), "PORT": str(port)}
        async with _signed_in(data_dir, settings, echo) as api:
            return await Walkthrough(api, GmailPost(gmail), echo).walk()


@contextlib.asynccontextmanager
async def _signed_in(data_dir: Path, settings: Mapping[str, str], echo: Echo) -> AsyncIterator[Api]:
    password = secrets.token_urlsafe(18)
    chosen = {**DEMO_SETTINGS, **settings, "FIRST_ADMIN_PASSWORD": password}
    echo(f"Starting the service on {data_dir} …")
    async with (
        running_service(data_dir, chosen) as (url, _process),
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        api = Api(client)
        await api.sign_in(ADMIN_EMAIL, password)
        echo(f"  ready on {url}, signed in")
        yield api
