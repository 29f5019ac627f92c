"""Figures over time, held to random histories counted by hand."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from app.db.repositories import Repositories
from app.models.appointment import AppointmentStatus, CreatedFrom
from app.models.base import new_id
from app.models.campaign import (
    ACTIVE_STATUSES,
    ENDED_STATUSES,
    CampaignStatus,
    CampaignType,
    FollowUpDetails,
    StatusChange,
)
from app.models.decision import AiAnalysis, Intent, Urgency
from app.models.interaction import (
    Delivery,
    DeliveryStatus,
    Direction,
    IntentCorrection,
    MessageClass,
)
from app.models.role import StaffRole
from app.models.schedule import Service
from tests.api.admin.desk import (
    ADMIN,
    make_attention,
    make_message,
    make_reply,
    make_visit,
    problem,
)
from tests.conftest import HeadersFor
from tests.factories import make_campaign
from tests.fakes import NOON

ANALYTICS = f"{ADMIN}/analytics"
NEW_YORK = ZoneInfo("America/New_York")
S = CampaignStatus
PRICES = {"filling": 120.0, "cleaning": 80.5, "chat": None}
STAGES = ("contacted", "replied", "booked", "completed")
BY_AGENT = (MessageClass.AGENT_ANSWER, MessageClass.EMERGENCY_TEXT, MessageClass.OPT_OUT_RECEIPT)
SINCE = NOON - timedelta(days=90)
EDGES = [
    datetime(2026, 3, 1, 4, 59, 59, 999000, tzinfo=UTC),  # the last moment of February
    datetime(2026, 3, 1, 5, 0, tzinfo=UTC),
    datetime(2026, 4, 1, 3, 59, 59, 999000, tzinfo=UTC),  # summer time began in between
    datetime(2026, 4, 1, 4, 0, tzinfo=UTC),
    datetime(2025, 11, 1, 3, 59, 59, 999000, tzinfo=UTC),
    datetime(2025, 12, 1, 4, 30, tzinfo=UTC),  # still November, winter time again
]


class History:
    """A random past of a practice, and what is true of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same past each time
        self.campaigns = [self._campaign() for _ in range(60)]
        self.visits = [visit for one in self.campaigns for visit in self._visits(one)]
        self.messages = [message for one in self.campaigns[:25] for message in self._talk(one)]

    async def store(self, repositories: Repositories) -> None:
        for service_id, price in PRICES.items():
            await repositories.services.insert(
                Service(
                    service_id=service_id, name=service_id, duration_minutes=30, price_from=price
                )
            )
        await repositories.campaigns._insert_each(self.campaigns)
        await repositories.appointments._insert_each(self.visits)
        await repositories.interactions._insert_each(self.messages)

    def worth(self) -> Iterator[tuple[str, float]]:
        """The month a campaign was recovered in and a price, for each completed visit of it."""
        won = {
            one.id: month_of(one.ended_at) for one in self.campaigns if one.status == S.RECOVERED
        }
        for visit in self.visits:
            if visit.campaign_id in won and visit.status == AppointmentStatus.COMPLETED:
                yield won[visit.campaign_id], PRICES.get(visit.service_id) or 0

    def incoming(self) -> list[Any]:
        """What came in during the last 90 days."""
        return [
            one
            for one in self.messages
            if one.direction == Direction.INCOMING and one.timestamp >= SINCE
        ]

    def replies(self) -> list[Any]:
        """What people wrote of that, by staff's word where they gave it; no machines."""
        return [one for one in self.incoming() if words_on(one)[-1:] != [Intent.AUTO_REPLY]]

    def read(self) -> list[Any]:
        """What the agent read of that, but for what nobody takes for a patient's."""
        return [one for one in self.incoming() if set(words_on(one)) - {Intent.AUTO_REPLY}]

    def instant(self, days: int = 390) -> datetime:
        """In the last so many days; often at the edge of a month."""
        if days > 360 and self.random.random() < 0.2:
            return self.random.choice(EDGES)
        return NOON - timedelta(seconds=self.random.randrange(days * 86_400))

    def _campaign(self) -> Any:
        chance = self.random.random
        status = self.random.choice([*S, S.RECOVERED, S.RECOVERED])
        passed = self.random.sample([S.RE_ENGAGED, S.BOOKING_INITIATED, S.HANDOFF_REQUIRED], 2)
        at = self.instant()
        path = [*passed, status] if chance() < 0.7 else [status]
        return make_campaign(
            campaign_type=(kind := self.random.choice(list(CampaignType))),
            due_date=at if kind == CampaignType.RECALL else None,
            status=status,
            created_at=at,
            updated_at=at,
            follow_up_details=FollowUpDetails(
                max_attempts=4,
                attempts_made=self.random.choice([0, 1, 1, 2]),
                first_attempt_at=at if chance() < 0.9 else None,
            ),
            last_reply_at=at if chance() < 0.4 else None,
            ended_at=self.instant() if status in ENDED_STATUSES else None,
            attention=make_attention(at, urgency=self.random.choice(list(Urgency)))
            if chance() < 0.3
            else None,
            history=[StatusChange(to_status=step, at=at, by="agent") for step in path],
        )

    def _visits(self, campaign: Any) -> Iterator[Any]:
        for _ in range(self.random.randrange(3)):
            status = self.random.choice(list(AppointmentStatus))
            written = self.instant()
            is_done = status == AppointmentStatus.COMPLETED
            yield make_visit(
                written,
                campaign_id=campaign.id if self.random.random() < 0.8 else None,
                service_id=self.random.choice([*PRICES, "gone"]),
                status=status,
                created_from=self.random.choice(list(CreatedFrom)),
                created_at=written,
                completed_at=self.instant() if is_done else None,
            )

    def _talk(self, campaign: Any) -> Iterator[Any]:
        for _ in range(self.random.randrange(6)):
            at = self.instant(100)
            given: dict[str, Any] = {"campaign_id": campaign.id}
            if self.random.random() < 0.5:
                yield self._reply(at, given)
            else:
                yield self._answer(at, given)

    def _reply(self, at: datetime, given: dict[str, Any]) -> Any:
        said = self.random.choice(
            [Intent.QUESTION, Intent.BOOKING_REQUEST, Intent.AUTO_REPLY, None]
        )
        correction = None
        if said and self.random.random() < 0.5:
            meant = self.random.choice([said, Intent.SERVICE_DENIAL, Intent.AUTO_REPLY])
            correction = IntentCorrection(
                intent=meant, said=said, by="staff:x", at=NOON, engine="local"
            )
        analysis = AiAnalysis(intent=said, engine="local") if said else None
        return make_reply(at, ai_analysis=analysis, correction=correction, **given)

    def _answer(self, at: datetime, given: dict[str, Any]) -> Any:
        if self.random.random() < 0.2:  # noted by a person
            return make_reply(at, direction=Direction.OUTGOING, by="staff:x", **given)
        status = self.random.choice(
            [DeliveryStatus.SENT, DeliveryStatus.SENT, DeliveryStatus.FAILED]
        )
        sent_at = at + timedelta(minutes=self.random.randrange(90))
        return make_message(at, **given).model_copy(
            update={
                "dedupe_key": str(new_id()),
                "delivery": Delivery(
                    status=status,
                    message_class=self.random.choice(list(MessageClass)),
                    not_before=at,
                    sent_at=sent_at if status == DeliveryStatus.SENT else None,
                ),
            }
        )


def words_on(message: Any) -> list[Intent]:
    """What the agent, and then staff, took a message for."""
    words = (message.ai_analysis, message.correction)
    return [word.intent for word in words if word is not None]


def month_of(instant: datetime) -> str:
    return f"{instant.astimezone(NEW_YORK):%Y-%m}"


def came_so_far(campaign: Any) -> list[str]:
    """The stages a campaign reached, by hand."""
    follow_up = campaign.follow_up_details
    if not follow_up.first_attempt_at or not follow_up.attempts_made:
        return []
    steps = {step.to_status for step in campaign.history}
    has_booked = bool(steps & {S.BOOKING_INITIATED, S.BOOKING_COMPLETED, S.RECOVERED})
    reached = {
        "contacted": True,
        "replied": has_booked or campaign.last_reply_at is not None,
        "booked": has_booked,
        "completed": campaign.status == S.RECOVERED,
    }
    return [stage for stage, is_so in reached.items() if is_so]


def was_written(visit: Any) -> bool:
    """Whether a visit was booked here and not cancelled since."""
    is_cancelled = visit.status == AppointmentStatus.CANCELLED
    return not is_cancelled and visit.created_from != CreatedFrom.IMPORT


def first_answer(history: History, reply: Any) -> tuple[str, int] | None:
    """Who answered a reply first, and after how many seconds."""
    answers = sorted(
        answer
        for one in history.messages
        if one.campaign_id == reply.campaign_id and (answer := as_answer(one)) is not None
    )
    later = [answer for answer in answers if answer[0] > reply.timestamp]
    return (later[0][1], round((later[0][0] - reply.timestamp).total_seconds())) if later else None


def as_answer(message: Any) -> tuple[datetime, str] | None:
    """When a message reached the patient and by whom, if it is an answer."""
    if message.direction != Direction.OUTGOING or message.timestamp < SINCE:
        return None
    if message.delivery is None:
        return message.timestamp, "person"
    by = {MessageClass.STAFF: "person"} | dict.fromkeys(BY_AGENT, "agent")
    sent_at, who = message.delivery.sent_at, by.get(message.delivery.message_class)
    return (sent_at, who) if sent_at and who else None


class Desk:
    """Asks as the office does."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        answer = await self.client.get(f"{ADMIN}/{path}", headers=self.headers, params=params)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def rows(self, figure: str, **params: str) -> list[dict[str, Any]]:
        """All of them, page by page."""
        found: list[dict[str, Any]] = []
        for page in range(1, 50):
            body = await self.get(f"analytics/{figure}/rows", **params, page=str(page), limit="100")
            found += body["rows"]
            if page >= body["pagination"]["total_pages"]:
                assert body["pagination"]["total_items"] == len(found)
                break
        assert len({row["id"] for row in found}) == len(found)
        return found


async def check_funnel(desk: Desk, history: History, report: dict[str, Any]) -> None:
    reached = Counter(
        (month_of(one.follow_up_details.first_attempt_at), one.campaign_type, stage)
        for one in history.campaigns
        for stage in came_so_far(one)
    )
    assert len(report["funnel"]) == 24
    assert any(point["completed"] for point in report["funnel"])
    for point in report["funnel"]:
        counted = [point[stage] for stage in STAGES]
        kind = CampaignType(point["campaign_type"])
        assert counted == [reached[point["month"], kind, stage] for stage in STAGES]
        assert counted == sorted(counted, reverse=True)
    for stage, kind in itertools.product(STAGES, CampaignType):
        for point in report["series"][1::5]:
            rows = await desk.rows(stage, month=point["month"], campaign_type=kind)
            assert len(rows) == reached[point["month"], kind, stage]


async def check_months(desk: Desk, history: History, report: dict[str, Any]) -> None:
    written = Counter(month_of(one.created_at) for one in history.visits if was_written(one))
    done = Counter(month_of(one.completed_at) for one in history.visits if one.completed_at)
    won = Counter(month_of(one.ended_at) for one in history.campaigns if one.status == S.RECOVERED)
    worth: dict[str, float] = {}
    for month, price in history.worth():
        worth[month] = worth.get(month, 0) + price
    for point in report["series"]:
        month = point.pop("month")
        assert point == {
            "appointments_booked_month": written[month],
            "visits_completed_month": done[month],
            "recovered_campaigns_month": won[month],
            "recovered_value_month": round(worth.get(month, 0), 2),
        }
        point["month"] = month
    for point in report["series"][-3:]:
        for figure in ("appointments_booked_month", "visits_completed_month"):
            assert len(await desk.rows(figure, month=point["month"])) == point[figure]
        rows = await desk.rows("recovered_value_month", month=point["month"])
        assert round(sum(row["value"] for row in rows), 2) == point["recovered_value_month"]


async def check_dashboard(desk: Desk, history: History, stats: dict[str, Any]) -> None:
    flat = {**stats["kpis"], **stats["value"]}
    values = {"recovered_value_month", "recovered_value_90_days"}
    for figure in flat.keys() - values - {"currency"}:
        assert len(await desk.rows(figure)) == flat[figure], figure
    for figure in values:
        rows = await desk.rows(figure)
        assert round(sum(row["value"] for row in rows), 2) == flat[figure]
    assert flat["active_recall_campaigns"] == sum(
        one.campaign_type == CampaignType.RECALL and one.status in ACTIVE_STATUSES
        for one in history.campaigns
    )
    for figure, rate in stats["conversion_rates"].items():
        kind = CampaignType(figure.split("_")[0].upper())
        rows = await desk.rows(figure)
        ended = [
            one
            for one in history.campaigns
            if one.campaign_type == kind and one.ended_at and one.ended_at >= SINCE
        ]
        assert {row["id"] for row in rows} == {str(one.id) for one in ended}
        counted = sum(row["counts"] for row in rows)
        assert counted == sum(one.status == S.RECOVERED for one in ended)
        assert rate == (round(100 * counted / len(rows), 1) if rows else None)


async def check_answers(desk: Desk, history: History, report: dict[str, Any]) -> None:
    waits = [first_answer(history, reply) for reply in history.replies()]
    assert report["unanswered_replies"] == waits.count(None)
    assert len(await desk.rows("unanswered_replies")) == waits.count(None)
    for told in report["response_times"]:
        theirs = sorted(wait[1] for wait in waits if wait and wait[0] == told["by"])
        assert told["replies"] == len(theirs) > 0
        assert told["median_seconds"] == theirs[-(-len(theirs) // 2) - 1]
        assert told["p90_seconds"] == theirs[-(-len(theirs) * 9 // 10) - 1]
        rows = await desk.rows("answered_replies", by=told["by"])
        assert sorted(row["seconds"] for row in rows) == theirs


async def check_agent(desk: Desk, history: History, report: dict[str, Any]) -> None:
    agent = report["agent"]
    read = history.read()
    machines_to_one = [one for one in read if Intent.AUTO_REPLY in words_on(one)]
    assert {tuple(words_on(one)).index(Intent.AUTO_REPLY) for one in machines_to_one} == {0, 1}
    given = [one for one in read if one.correction]
    wrong = [one for one in given if one.correction.intent != one.ai_analysis.intent]
    assert (agent["read"], agent["reviewed"], agent["corrected"]) == (
        len(read),
        len(given),
        len(wrong),
    )
    for figure, whole in (
        ("agent_accuracy_percent", read),
        ("agent_reviewed_accuracy_percent", given),
    ):
        rows = await desk.rows(figure)
        assert {row["id"] for row in rows} == {str(one.id) for one in whole}
        assert sum(not row["counts"] for row in rows) == len(wrong)
        assert agent[figure] == round(100 * (len(whole) - len(wrong)) / len(whole), 1)
    waiting = [(NOON - one.attention.since) for one in history.campaigns if one.attention]
    assert report["handoff_age"]["open"] == len(waiting)
    assert report["handoff_age"]["oldest_hours"] == round(max(waiting).total_seconds() / 3600, 1)


class TestRandomHistories:
    async def test_every_figure_is_its_rows_and_what_is_counted_by_hand(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        history = History(seed=20261123)
        await history.store(repositories)
        desk = Desk(app_client, await headers_for(StaffRole.READ_ONLY))
        report, stats = await desk.get("analytics"), await desk.get("dashboard-stats")

        months = [point["month"] for point in report["series"]]
        assert (len(months), months[0], months[-1]) == (12, "2025-09", "2026-08")
        await check_funnel(desk, history, report)
        await check_months(desk, history, report)
        await check_dashboard(desk, history, stats)
        await check_answers(desk, history, report)
        await check_agent(desk, history, report)
        assert {*STAGES, "answered_replies", "handoff_age"} <= set(report["definitions"])

    async def test_nothing_is_made_up_and_no_other_month_is_told_of(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        desk = Desk(app_client, await headers_for(StaffRole.READ_ONLY))

        report = await desk.get("analytics")

        assert report["agent"]["agent_accuracy_percent"] is None
        assert report["handoff_age"]["oldest_hours"] is None
        assert [told["median_seconds"] for told in report["response_times"]] == [None, None]
        assert await desk.rows("contacted") == []
        rows = f"{ANALYTICS}/contacted/rows"
        for params, slug in (({"month": "2019-01"}, "unknown-month"), ({"month": "x"}, None)):
            answer = await app_client.get(rows, headers=desk.headers, params=params)
            problem(answer, 422, slug)
        answer = await app_client.get(f"{ANALYTICS}/secrets/rows", headers=desk.headers)
        problem(answer, 404, "unknown-figure")
