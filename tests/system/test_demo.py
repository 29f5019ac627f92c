"""The walk that `make demo` prints, held to its figures, and its log to its silence."""

import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import pytest_asyncio

from app.demo import walkthrough
from app.demo.walkthrough import run_demo
from app.services.demo.people import PEOPLE
from tests.services.outreach.test_letter_html import Page, said
from tests.system.service import Json, letters, log_of

pytestmark = [pytest.mark.mongo, pytest.mark.asyncio(loop_scope="module")]

REPLIES = (
    walkthrough.BOOKING_REPLY,
    walkthrough.QUESTION_REPLY,
    walkthrough.DENIAL_REPLY,
    walkthrough.EMERGENCY_REPLY,
)


BOOKED_IN_DEMO = 3
LEADS_WRITTEN_TO = 12
"""Of 14 leads one has opted out and one has no address. One recovers, one declines."""
DUE_WRITTEN_TO = 23
"""Due within the last half year, with an address and consent; later the recovered one as well."""
CHECKUP_PRICE = 149.0


class Walked:
    """What is left of one walk."""

    def __init__(self, data_dir: Path, printed: str, dashboard: Json) -> None:
        self.data_dir = data_dir
        self.printed = printed
        self.dashboard = dashboard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Walked]:
    data_dir = tmp_path_factory.mktemp("demo")
    lines: list[str] = []
    dashboard = await run_demo(data_dir, lines.append)
    yield Walked(data_dir, "\n".join(lines), dashboard)


class TestDemo:
    async def test_prints_every_step_in_order(self, walked: Walked) -> None:
        titles = re.findall(r"^── (.+)$", walked.printed, re.MULTILINE)
        assert titles == [
            "Sweep: who is the practice losing?",
            f"A patient wants to book: “{walkthrough.BOOKING_REPLY}”",
            f"A patient asks a question: “{walkthrough.QUESTION_REPLY}”",
            f"A patient declines: “{walkthrough.DENIAL_REPLY}”",
            f"A patient has an emergency: “{walkthrough.EMERGENCY_REPLY}”",
            "Booking: the first patient opens the link",
            "… and somebody else wants the same time",
            "Visit: the front desk marks it completed, next check-up due today",
            "Future recall: the next sweep finds that patient due",
            "Dashboard",
        ]

    async def test_ends_with_exactly_what_happened_on_the_dashboard(self, walked: Walked) -> None:
        figures = {name: walked.dashboard[name] for name in ("kpis", "conversion_rates", "value")}
        assert figures == {
            "kpis": {
                "appointments_booked_month": BOOKED_IN_DEMO + 1,
                "visits_completed_month": 1,
                "handoffs_requiring_action": 1,
                "active_recovery_campaigns": LEADS_WRITTEN_TO - 2,
                "active_recall_campaigns": DUE_WRITTEN_TO + 1,
            },
            "conversion_rates": {"recovery_rate_percent": 50.0, "recall_rate_percent": None},
            "value": {
                "recovered_value_month": CHECKUP_PRICE,
                "recovered_value_90_days": CHECKUP_PRICE,
                "recovered_campaigns_month": 1,
                "recovered_campaigns_90_days": 1,
                "currency": "USD",
            },
        }
        months = walked.dashboard["series"]["recovered_by_month"]
        assert [month["recovered"] for month in months] == [0] * 11 + [1]

    async def test_every_letter_is_whole(self, walked: Walked) -> None:
        """As it lies in the outbox: both forms say the same, link alike, and follow nobody."""
        written = letters(walked.data_dir)
        assert len(written) >= LEADS_WRITTEN_TO + BOOKED_IN_DEMO + len(REPLIES)
        for letter in written:
            text, page = _content(letter, "plain"), Page(_content(letter, "html"))
            assert page.text == said(text)
            assert set(re.findall(r"https?://\S+", text)) == {
                href for href in page.hrefs if not href.startswith("tel:")
            }
            assert not {"img", "script", "link", "iframe"} & {tag for tag, _ in page.tags}
            [(_, attributes)] = [one for one in page.tags if one[0] == "html"]
            assert attributes["lang"] == ("es" if text.startswith("Hola") else "en")
            asks_first = "unsubscribe" in text
            assert (letter["List-Unsubscribe-Post"] is not None) == asks_first

    async def test_logs_nothing_of_any_patient_and_nothing_they_said(self, walked: Walked) -> None:
        log = log_of(walked.data_dir) + (walked.data_dir / "embedded.log").read_text()
        assert "reply decided" in log
        told = [*_identities(), *REPLIES, *_sentences_sent(walked.data_dir)]
        assert [one for one in told if one in log] == []
        words = {word for person in PEOPLE for word in person.name.split()}
        assert [word for word in words if re.search(rf"\b{word}\b", log)] == []


def _content(letter: EmailMessage, kind: str) -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return "\n".join(str(part.get_content()).splitlines())


def _identities() -> list[str]:
    found = []
    for number, person in enumerate(PEOPLE):
        address = person.email or f"{person.name.lower().replace(' ', '.')}@example.com"
        digits = f"212555{100 + number:04d}"
        found += [person.name, address, address.split("@")[0], digits, f"555-{100 + number:04d}"]
        found += [person.inquiry] if person.inquiry else []
    return found


def _sentences_sent(data_dir: Path) -> set[str]:
    """Subjects and whole lines of text; the short ones could stand anywhere."""
    found: set[str] = set()
    for letter in letters(data_dir):
        body = letter.get_body(("plain",))
        assert body is not None
        lines = [str(letter["Subject"]), *str(body.get_content()).splitlines()]
        found.update(line.strip() for line in lines if len(line.strip()) >= 20)
    assert len(found) > 50
    return found
