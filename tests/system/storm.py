"""A storm on the book: many clients, several server processes, every way into the schedule.

It talks HTTP alone, remembers what was acknowledged, and judges the stored data by times and
lengths, not by the claims that the service keeps.
"""

import asyncio
import contextlib
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from app.core.clock import utc_now
from app.demo.process import running_service
from app.demo.walkthrough import ADMIN_EMAIL, Api
from app.services.scheduling.claims import claims_for
from tests.factories import SECRET
from tests.system.service import PASSWORD, PATIENCE_SECONDS, SETTINGS, Json, Stored

CLIENTS = 48
PEOPLE = 300
AREAS = (312, 718, 415)
"""With 555-01xx they are numbers that nobody has."""
DAYS = 12
PROVIDERS, CHAIRS = 3, 4
ZONE = ZoneInfo("America/New_York")
LIVE = ("booked", "confirmed")
HOLDS_TIME = (*LIVE, "completed")
WEEK = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
SERVICES: list[Json] = [
    {"service_id": "checkup", "name": "Check-up", "duration_minutes": 30},
    {
        "service_id": "filling",
        "name": "Filling",
        "duration_minutes": 45,
        "buffer_before_minutes": 5,
        "buffer_after_minutes": 10,
    },
    {
        "service_id": "crown",
        "name": "Crown",
        "duration_minutes": 80,
        "buffer_after_minutes": 15,
    },
]
ALLOWED = frozenset({200, 201, 202, 204, 404, 409, 422})
"""What an attempt may be answered: never a 5xx."""


class Servers:
    """Service processes on one database, which can be killed and started again."""

    def __init__(self, uri: str, name: str, folder: Path, count: int) -> None:
        self._settings = {
            **SETTINGS,
            "MONGO_URI": uri,
            "DATABASE_NAME": name,
            "JWT_SECRET_KEY": SECRET,
            "CLINIC_TIMEZONE": ZONE.key,
            "DEMO_DATA": "false",
            "ALLOW_NEW_PATIENT_BOOKING": "true",
            "BOOKING_LEAD_MINUTES": "0",
        }
        self._folders = [folder / f"process-{number}" for number in range(count)]
        self._clients: dict[int, httpx.AsyncClient] = {}
        self._processes: dict[int, Any] = {}
        self._stack = contextlib.AsyncExitStack()
        self.kills = 0

    @property
    def clients(self) -> list[httpx.AsyncClient]:
        """One for each process that runs."""
        return list(self._clients.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Servers"]:
        """All of them, until the block ends."""
        async with self._stack:
            for number in range(len(self._folders)):
                await self._start(number)
            yield self

    async def _start(self, number: int) -> None:
        url, process = await self._stack.enter_async_context(
            running_service(self._folders[number], self._settings)
        )
        limits = httpx.Limits(max_connections=None)
        client = httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS, limits=limits)
        self._clients[number] = await self._stack.enter_async_context(client)
        self._processes[number] = process

    async def kill_one(self, number: int) -> None:
        """`kill -9`, and start it again; what is on its way there breaks off."""
        del self._clients[number]
        self._processes[number].kill()
        self.kills += 1
        await self._start(number)

    def log(self) -> str:
        """What all of them wrote."""
        return "".join((folder / "service.log").read_text() for folder in self._folders)


@dataclass
class Visit:
    """A visit that was acknowledged, and what is known of it."""

    appointment_id: str
    token: str | None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    starts_at: datetime | None = None
    gone: bool = False
    certain: bool = True
    """Whether the last change was answered: a connection that broke leaves it open."""


@dataclass
class Storm:
    """So many attempts of every kind, `CLIENTS` at a time."""

    servers: Servers
    seed: int
    attempts: int
    headers: dict[str, str] = field(default_factory=dict)
    providers: list[str] = field(default_factory=list)
    chairs: list[str] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    cut_off: int = 0
    unhelpful: int = 0
    """Refusals of a taken time that do not name three others."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - the same storm every time
        today = utc_now().astimezone(ZONE).date()
        self._days = [today + timedelta(days=2 + number) for number in range(DAYS)]

    async def prepare(self) -> None:
        """Sign in, and set the practice up."""
        api = Api(self.servers.clients[0])
        await api.sign_in(ADMIN_EMAIL, PASSWORD)
        self.headers = api.headers
        for service in SERVICES:
            await api.post("/admin/services", service, status=201)
        hours = {day: [["08:00", "12:00"], ["13:00", "18:00"]] for day in WEEK}
        ids = [service["service_id"] for service in SERVICES]
        for number in range(PROVIDERS):
            body = {"name": f"Dr. {number}", "service_ids": ids, "working_hours": hours}
            made = await api.post("/admin/providers", body, status=201)
            self.providers.append(made["provider_id"])
        for number in range(CHAIRS):
            made = await api.post("/admin/chairs", {"name": f"Room {number}"}, status=201)
            self.chairs.append(made["chair_id"])

    async def rage(self) -> None:
        """Every attempt, from many clients at once."""
        numbers = iter(range(self.attempts))

        async def client() -> None:
            for number in numbers:
                await self._attempt(number)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    async def _attempt(self, number: int) -> None:
        kinds = {
            self._book: 30,
            self._book_by_staff: 20,
            self._move: 14,
            self._move_by_staff: 14,
            self._cancel: 8,
            self._cancel_by_staff: 8,
            self._confirm: 3,
            self._delete: 3,
            self._import: 1,
        }
        (kind,) = self._dice.choices(list(kinds), list(kinds.values()))
        with contextlib.suppress(httpx.TransportError):
            await kind(number)
            return
        self.cut_off += 1

    # The ways in

    async def _book(self, number: int) -> None:
        body = {**self._person(), **self._wish()}
        answer = await self._post("book", "/appointments/book", body)
        if answer.status_code == 201:
            made = answer.json()
            token = made["manage_url"].rsplit("/", 1)[-1]
            when = datetime.fromisoformat(body["appointment_date"])
            self.visits.append(Visit(made["appointment_id"], token, starts_at=when))

    async def _book_by_staff(self, number: int) -> None:
        body = {**self._person(), **self._wish(staff=True)}
        if number % 3 == 0:
            body["provider_id"] = self._dice.choice(self.providers)
        if number % 4 == 0:
            body["chair_id"] = self._dice.choice(self.chairs)
        if number % 5 == 0:
            body["duration_minutes"] = self._dice.choice((20, 35, 60))
        answer = await self._post("staff book", "/admin/appointments", body, staff=True)
        if answer.status_code == 201:
            made = answer.json()
            when = datetime.fromisoformat(made["appointment_date"])
            self.visits.append(Visit(made["appointment_id"], None, starts_at=when))

    async def _move(self, number: int) -> None:
        async with self._visit(with_token=True) as visit:
            if visit is None:
                return
            when = self._start()
            path = f"/appointments/manage/{visit.token}/reschedule"
            answer = await self._post("move", path, {"appointment_date": when.isoformat()})
            if answer.status_code == 200:
                visit.starts_at = when

    async def _move_by_staff(self, number: int) -> None:
        async with self._visit() as visit:
            if visit is None:
                return
            when = self._start(staff=True)
            wishes: list[Json] = [
                {"appointment_date": when.isoformat()},
                {"provider_id": self._dice.choice(self.providers)},
                {"chair_id": self._dice.choice(self.chairs)},
                {"duration_minutes": self._dice.choice((25, 50, 90))},
            ]
            body = self._dice.choice(wishes)
            path = f"/admin/appointments/{visit.appointment_id}"
            answer = await self._send("staff move", "PATCH", path, body, staff=True)
            if answer.status_code == 200 and "appointment_date" in body:
                visit.starts_at = when

    async def _cancel(self, number: int) -> None:
        async with self._visit(with_token=True) as visit:
            if visit is None:
                return
            answer = await self._post("cancel", f"/appointments/manage/{visit.token}/cancel", {})
            visit.gone |= answer.status_code == 200

    async def _cancel_by_staff(self, number: int) -> None:
        async with self._visit() as visit:
            if visit is None:
                return
            what = self._dice.choice(("cancel", "no-show"))
            path = f"/admin/appointments/{visit.appointment_id}/{what}"
            answer = await self._post(f"staff {what}", path, {}, staff=True)
            visit.gone |= answer.status_code == 200

    async def _confirm(self, number: int) -> None:
        async with self._visit() as visit:
            if visit is not None:
                path = f"/admin/appointments/{visit.appointment_id}/confirm"
                await self._post("confirm", path, {}, staff=True)

    async def _delete(self, number: int) -> None:
        async with self._visit() as visit:
            if visit is None:
                return
            path = f"/admin/appointments/{visit.appointment_id}"
            answer = await self._send("delete", "DELETE", path, None, staff=True)
            visit.gone |= answer.status_code == 204

    async def _import(self, number: int) -> None:
        """A few rows of the practice's own schedule; later ones move what earlier ones brought."""
        lines = ["external_id,name,email,provider,start,minutes,status"]
        for _ in range(8):
            key = self._dice.randrange(60)
            person = self._person(key)
            status = self._dice.choice(("booked", "booked", "confirmed", "cancelled"))
            row = (
                f"pms-{key}",
                person["name"],
                person["email"],
                f"Dr. {self._dice.randrange(PROVIDERS)}",
                self._start(staff=True).isoformat(),
                str(self._dice.choice((30, 45, 60))),
                status,
            )
            lines.append(",".join(row))
        answer = await self._client().post(
            "/api/v1/admin/appointments/import",
            content="\n".join(lines) + "\n",
            headers={**self.headers, "Content-Type": "text/csv"},
        )
        self._note("import", answer)

    # Helpers

    def _person(self, number: int | None = None) -> Json:
        person = self._dice.randrange(PEOPLE) if number is None else number
        area, last = AREAS[person // 100], person % 100
        return {
            "name": f"Person Number{person}",
            "email": f"person.{person}@example.com",
            "phone": f"+1 {area}-555-01{last:02d}",
        }

    def _wish(self, *, staff: bool = False) -> Json:
        service = self._dice.choice(SERVICES)
        when = self._start(staff=staff)
        return {"service_id": service["service_id"], "appointment_date": when.isoformat()}

    def _start(self, *, staff: bool = False) -> datetime:
        """On the patients' grid, or on staff's finer one; some of them outside of the hours."""
        day: date = self._dice.choice(self._days)
        step = 5 if staff else 15
        minute = self._dice.randrange(7 * 60, 18 * 60, step)
        return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZONE)

    @contextlib.asynccontextmanager
    async def _visit(self, *, with_token: bool = False) -> AsyncIterator[Visit | None]:
        """A visit for one client alone, so that what is known of it stays true."""
        found = [one for one in self.visits[-400:] if one.token or not with_token]
        if not found:
            yield None
            return
        visit = self._dice.choice(found)
        async with visit.lock:
            try:
                yield visit
            except httpx.TransportError:
                visit.certain = False
                raise

    def _client(self) -> httpx.AsyncClient:
        return self._dice.choice(self.servers.clients)

    async def _post(
        self, kind: str, path: str, body: Json, *, staff: bool = False
    ) -> httpx.Response:
        return await self._send(kind, "POST", path, body, staff=staff)

    async def _send(
        self, kind: str, method: str, path: str, body: Json | None, *, staff: bool
    ) -> httpx.Response:
        headers = self.headers if staff else {}
        answer = await self._client().request(method, f"/api/v1{path}", json=body, headers=headers)
        self._note(kind, answer)
        return answer

    def _note(self, kind: str, answer: httpx.Response) -> None:
        self.answers[kind, answer.status_code] += 1
        if answer.status_code not in ALLOWED:
            self.faults.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
        elif answer.status_code == 409 and "slot-taken" in answer.json()["type"]:
            self.unhelpful += len(answer.json()["alternatives"]) != 3


Span = tuple[datetime, datetime]


def spans_by_resource(visits: list[Json]) -> dict[str, list[Span]]:
    """When each provider, chair and patient is taken, by what the visits say of themselves."""
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for visit in visits:
        starts_at = visit["appointment_date"]
        ends_at = starts_at + timedelta(minutes=visit["duration_minutes"])
        before = timedelta(minutes=visit.get("buffer_before_minutes", 0))
        after = timedelta(minutes=visit.get("buffer_after_minutes", 0))
        spans[f"provider {visit['provider_id']}"].append((starts_at - before, ends_at + after))
        spans[f"chair {visit['chair_id']}"].append((starts_at - before, ends_at + after))
        spans[f"patient {visit['patient_id']}"].append((starts_at, ends_at))
    return spans


def overlaps(visits: list[Json]) -> list[tuple[str, Span, Span]]:
    """Neighbouring spans of one provider, chair or patient that share time."""
    return [
        (whose, first, second)
        for whose, theirs in spans_by_resource(visits).items()
        for first, second in itertools.pairwise(sorted(theirs))
        if second[0] < first[1]
    ]


def leaked_claims(database: Stored) -> list[str]:
    """Visits whose claims are not exactly those of the time they hold, or that hold none."""
    leaked = []
    for visit in database["appointments"].find({}):
        held = sorted(visit.get("claims") or ())
        wanted = sorted(_claims_of(visit)) if visit["status"] in HOLDS_TIME else []
        if held != wanted:
            leaked.append(f"{visit['_id']} {visit['status']}")
    return leaked


def _claims_of(visit: Json) -> list[str]:
    return claims_for(
        visit["provider_id"],
        visit["chair_id"],
        visit["patient_id"],
        visit["appointment_date"],
        duration_minutes=visit["duration_minutes"],
        buffer_before=visit.get("buffer_before_minutes", 0),
        buffer_after=visit.get("buffer_after_minutes", 0),
    )


def forgotten(database: Stored, storm: Storm) -> list[str]:
    """Acknowledged states that the database does not have."""
    stored = {str(one["_id"]): one for one in database["appointments"].find({})}
    lost = []
    for visit in storm.visits:
        if not visit.certain:
            continue
        found = stored.get(visit.appointment_id)
        is_live = found is not None and found["status"] in LIVE
        if visit.gone == is_live:
            lost.append(
                f"{visit.appointment_id}: gone={visit.gone}, stored={found and found['status']}"
            )
        elif is_live and found is not None and found["appointment_date"] != visit.starts_at:
            lost.append(f"{visit.appointment_id}: another start")
    return lost
