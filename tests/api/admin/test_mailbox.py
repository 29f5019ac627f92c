"""How the mail stands, for whoever runs the service."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.interaction import DeliveryStatus
from app.models.mailbox import Mailbox, Trouble, TroubleKind
from app.models.records import InboundEvent, InboundState
from app.models.role import StaffRole
from app.services.health import NOT_READ, WATCH_ENDING
from tests.api.admin.desk import ADMIN, iso, make_message
from tests.conftest import HeadersFor
from tests.factories import make_settings
from tests.fakes import NOON, FrozenClock
from tests.gmail_parts import GMAIL_SETTINGS, MAILBOX

pytestmark = pytest.mark.mongo

HEALTH = f"{ADMIN}/mailbox"
NOTHING_IN = {"pending": 0, "processing": 0, "dead": 0, "oldest_due_seconds": 0}
NOTHING_OUT = {"pending": 0, "sending": 0, "failed": 0, "unknown": 0, "oldest_due_seconds": 0}


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
    """With Gmail, which nobody asks anything here."""
    return make_settings(
        mongo_uri=mongo_uri, data_dir=tmp_path, database_name=database_name, **GMAIL_SETTINGS
    )


def mailbox(**given: object) -> Mailbox:
    """One that was read at noon."""
    fields = {"address": MAILBOX, "history_id": 4711, "synced_at": NOON, **given}
    return Mailbox(**fields)  # type: ignore[arg-type]


def event(name: str, state: InboundState, due: datetime = NOON) -> InboundEvent:
    """Something that came in at noon."""
    return InboundEvent(
        id=name,
        source="gmail",
        payload={},
        state=state,
        not_before=due,
        created_at=NOON,
        updated_at=NOON,
    )


async def health(app_client: httpx.AsyncClient, headers_for: HeadersFor) -> dict[str, object]:
    """As whoever may only read sees it."""
    answer = await app_client.get(HEALTH, headers=await headers_for(StaffRole.READ_ONLY))
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


class TestMailboxHealth:
    async def test_before_anything_was_read_there_are_only_queues(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        body = await health(app_client, headers_for)

        assert body == {
            "transport": "gmail",
            "inbound": NOTHING_IN,
            "outbox": NOTHING_OUT,
            "mailbox": None,
            "degraded": [],
        }

    async def test_tells_all_there_is_to_know(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        stands = {
            "watch_renewed_at": NOON - timedelta(hours=3),
            "watch_expires_at": NOON + timedelta(days=6),
            "notified_at": NOON - timedelta(minutes=2),
            "advanced_at": NOON - timedelta(minutes=1),
            "paused_until": NOON + timedelta(minutes=5),
            "trouble": Trouble(kind=TroubleKind.RATE_LIMITED, at=NOON),
        }
        await repositories.mailboxes.insert(mailbox(**stands))
        for name, state in (("a", "pending"), ("b", "pending"), ("c", "dead"), ("d", "done")):
            await repositories.inbound_events.store(event(name, InboundState(state)))
        for status in (DeliveryStatus.PENDING, DeliveryStatus.FAILED, DeliveryStatus.SENT):
            await repositories.interactions.insert(make_message(NOON, status=status))
        clock.advance(seconds=90)

        body = await health(app_client, headers_for)

        assert body["mailbox"] == {
            "watch_expires_at": iso(NOON + timedelta(days=6)),
            "watch_renewed_at": iso(NOON - timedelta(hours=3)),
            "last_notification_at": iso(NOON - timedelta(minutes=2)),
            "last_sync_at": iso(NOON),
            "cursor_moved_at": iso(NOON - timedelta(minutes=1)),
            "cursor_age_seconds": 90,
            "sending_paused_until": iso(NOON + timedelta(minutes=5)),
            "last_error": {"kind": "rate_limited", "at": iso(NOON)},
        }
        assert body["inbound"] == {**NOTHING_IN, "pending": 2, "dead": 1, "oldest_due_seconds": 90}
        assert body["outbox"] == {
            **NOTHING_OUT,
            "pending": 1,
            "failed": 1,
            "oldest_due_seconds": 90,
        }

    async def test_a_pause_that_is_over_is_none(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, repositories: Repositories
    ) -> None:
        await repositories.mailboxes.insert(mailbox(paused_until=NOON))

        shown = (await health(app_client, headers_for))["mailbox"]

        assert isinstance(shown, dict)
        assert shown["sending_paused_until"] is None

    async def test_a_mailbox_that_was_given_up_is_not_shown(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, repositories: Repositories
    ) -> None:
        await repositories.mailboxes.insert(mailbox(address="old@example.com"))

        assert (await health(app_client, headers_for))["mailbox"] is None

    async def test_says_what_works_less_well_here_and_in_readiness(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        ends = clock.now() + timedelta(hours=48)
        await repositories.mailboxes.insert(mailbox(watch_expires_at=ends))
        clock.advance(hours=1, seconds=1)

        ready = await app_client.get("/health/ready")
        metrics = await app_client.get("/metrics")

        assert (ready.status_code, ready.json()["degraded"]) == (200, [WATCH_ENDING, NOT_READ])
        assert (await health(app_client, headers_for))["degraded"] == [WATCH_ENDING, NOT_READ]
        [shown] = re.findall(r"^gmail_watch_expires_timestamp_seconds (.+)$", metrics.text, re.M)
        assert float(shown) == ends.timestamp()

    async def test_is_for_staff(self, app_client: httpx.AsyncClient) -> None:
        answer = await app_client.get(HEALTH)

        assert answer.status_code == 401
        assert "mailbox" not in answer.json()
