"""A practice with letters in the post, for the browser to open: its people, links and book."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from app.core.clock import utc_now
from app.services.signing_key import SigningKeys
from app.services.tokens import LinkTokens, TokenPurpose
from tests.system.service import Json, Live, eventually, letters, queues_are_empty, stored

CLEANING, ALIGNERS, UNTAUGHT = "checkup_cleaning", "invisible_aligners", "night_guard"
"""Nobody at the practice does the last, so that every month is empty."""
PHONE = "+1 212-555-0142"
WITHIN_SECONDS = 180.0
RECORDS_OF_WORK = {"leases", "audit_log", "audit_chains"}
"""What is written whenever somebody looks, or does the jobs."""


class _LongAgo:
    """A clock with which links are made that have run out."""

    def now(self) -> datetime:
        """See `Clock`."""
        return utc_now() - timedelta(days=800)


class _Now:
    """A clock with which links are made that are good."""

    def now(self) -> datetime:
        """See `Clock`."""
        return utc_now()


@dataclass
class Practice:
    """A running service whose letters are out."""

    service: Live
    booking_links: list[str]
    unsubscribe_links: list[str]
    people: int = 0
    made: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it answers."""
        return str(self.service.client.base_url)

    async def patient(self) -> Json:
        """Somebody the practice knows, as they write to it."""
        self.people += 1
        name = f"Robin Walker{self.people}"
        body = {"name": name, "email": f"robin.{self.people}@example.com", "phone": PHONE}
        made = await self.service.api.post(
            "/admin/patients", {**body, "patient_type": "EXISTING"}, status=201
        )
        return {**body, "patient_id": made["patient_id"]}

    async def book(self, service_id: str, starts_at: str) -> Json:
        """A visit of somebody, booked past the pages."""
        patient = await self.patient()
        wanted = {"service_id": service_id, "appointment_date": starts_at}
        who = {name: patient[name] for name in ("name", "email", "phone")}
        return await self.service.api.post("/appointments/book", {**who, **wanted}, status=201)

    async def visit(self, number: int = 0) -> tuple[str, str]:
        """A booked visit: its id and the path of its page."""
        starts = await self.free(CLEANING, days=range(8, 22))
        visit_id = (await self.book(CLEANING, starts[number]))["appointment_id"]
        return visit_id, f"/visit/{self.token(TokenPurpose.MANAGE_APPOINTMENT, visit_id)}"

    async def free(self, service_id: str, *, days: range) -> list[str]:
        """Free starts, so many days from today."""
        today = utc_now().date()
        span = {"from": str(today + timedelta(days.start)), "to": str(today + timedelta(days.stop))}
        found = await self.service.api.get("/availability/slots", **span, service_id=service_id)
        return [slot["starts_at"] for slot in found["slots"]]

    def token(self, purpose: TokenPurpose, subject: str, *, is_old: bool = False) -> str:
        """What a link carries."""
        key = (self.service.data_dir / "jwt-secret").read_text().strip()
        named = "appointment_id" if purpose == TokenPurpose.MANAGE_APPOINTMENT else "patient_id"
        clock = _LongAgo() if is_old else _Now()
        return LinkTokens(SigningKeys(key), clock).issue(purpose, **{named: subject})

    def found(self, collection: str, **wanted: Any) -> list[Json]:
        """What is stored."""
        with stored(self.service.data_dir) as database:
            return list(database[collection].find(wanted))


def links(service: Live, step: str) -> list[str]:
    """The links of one kind in every letter, as they stand there."""
    texts = [text_of(letter) for letter in letters(service.data_dir)]
    found = (re.findall(rf"http\S+/{step}[/?]\S+", text) for text in texts)
    return list(dict.fromkeys(link for those in found for link in those))


def text_of(letter: Any) -> str:
    """Its plain text."""
    return str(letter.get_body(("plain",)).get_content())


async def fill_the_time(practice: Practice, service_id: str, starts_at: str) -> None:
    """Book until nobody is free then: several people can do the same thing at once."""
    while True:
        day = (datetime.fromisoformat(starts_at).date() - utc_now().date()).days
        if starts_at not in await practice.free(service_id, days=range(day - 1, day + 1)):
            return
        await practice.book(service_id, starts_at)


async def offers(practice: Practice, *, waiting: int) -> list[str]:
    """Links to offers: the only time of a day frees up for so many people who wait for it."""
    known = set(links(practice.service, "waitlist"))
    starts = await practice.free(ALIGNERS, days=range(25, 60))
    zone = ZoneInfo((await practice.service.api.get("/clinic"))["timezone"])
    first = datetime.fromisoformat(starts[0]).astimezone(zone)
    visit = await practice.book(ALIGNERS, starts[0])
    rest = {"starts_at": first + timedelta(minutes=35), "ends_at": first + timedelta(hours=14)}
    closed = {name: at.isoformat() for name, at in rest.items()}
    await practice.service.api.post("/admin/time-off", closed, status=201)
    for _ in range(waiting):
        patient = await practice.patient()
        wish = {"service_id": ALIGNERS, "from": str(first.date()), "to": str(first.date())}
        who = {name: patient[name] for name in ("name", "email")}
        await practice.service.api.post("/waitlist", {**wish, **who}, status=201)
    path = f"/admin/appointments/{visit['appointment_id']}/cancel"
    await practice.service.api.post(path, {}, status=200)

    async def sent() -> list[str] | None:
        fresh = [one for one in links(practice.service, "waitlist") if one not in known]
        return fresh if len(fresh) == waiting else None

    return await eventually(sent, seconds=WITHIN_SECONDS, message="No offer was sent.")


async def addresses(practice: Practice) -> dict[str, str]:
    """A page of every kind that can be opened, by what it is."""
    if practice.made:
        return practice.made
    visit_id, visit = await practice.visit(number=20)
    _, cancelled = await practice.visit(number=40)
    await practice.service.client.post(f"{cancelled}/cancel")
    starts = await practice.free(CLEANING, days=range(9, 16))
    patient = await practice.patient()
    old_visit = practice.token(TokenPurpose.MANAGE_APPOINTMENT, visit_id, is_old=True)
    old_link = practice.token(TokenPurpose.BOOKING, patient["patient_id"], is_old=True)
    (offer,) = await offers(practice, waiting=1)
    day = starts[0][:10]
    practice.made = {
        "services": "/book",
        "month": f"/book?service_id={CLEANING}",
        "empty month": f"/book?service_id={UNTAUGHT}",
        "times": f"/book?service_id={CLEANING}&day={day}",
        "details": f"/book?service_id={CLEANING}&at={starts[0]}",
        "letter": f"{practice.booking_links[1]}&service_id={CLEANING}&at={starts[0]}",
        "old letter": f"/book?service_id={CLEANING}&booking_token={old_link}",
        "booked": f"{visit}/booked",
        "visit": visit,
        "cancelled": f"{cancelled}?done=cancelled",
        "old visit": f"/visit/{old_visit}",
        "cancel": f"{visit}/cancel",
        "move": f"{visit}/move",
        "move?": f"{visit}/move?at={starts[5]}",
        "offer": offer,
        "unsubscribe": practice.unsubscribe_links[1],
        "old unsubscribe": "/api/v1/unsubscribe/nonsense",
        "nothing": "/book/nothing",
        "password": await password_page(practice),
        "old password": "/password/nonsense",
    }
    return practice.made


async def password_page(practice: Practice) -> str:
    """Where somebody new sets their password."""
    body = {"name": "Sam Schedule", "email": "sam@example.com", "role": "FRONT_DESK"}
    made = await practice.service.api.post("/admin/staff", body, status=201)
    return urlsplit(made["password_link"]).path


async def is_quiet(practice: Practice) -> bool | None:
    """Whether no work is left, for `eventually`."""
    with stored(practice.service.data_dir) as database:
        return queues_are_empty(database) or None


def everything(practice: Practice) -> dict[str, list[Json]]:
    """The whole database but for the records of work."""
    with stored(practice.service.data_dir) as database:
        names = sorted(set(database.list_collection_names()) - RECORDS_OF_WORK)
        return {name: list(database[name].find().sort("_id")) for name in names}
