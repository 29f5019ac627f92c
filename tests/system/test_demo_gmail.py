"""The walk that `make demo-gmail` prints."""

from pathlib import Path

import pytest

from app.demo.walkthrough import run_gmail_demo

pytestmark = pytest.mark.mongo


class TestGmailDemo:
    async def test_walks_to_its_end_through_gmail(self, tmp_path: Path) -> None:
        lines: list[str] = []

        dashboard = await run_gmail_demo(tmp_path, lines.append)

        printed = "\n".join(lines)
        assert dashboard["kpis"]["visits_completed_month"] == 1
        assert printed.count("a message came into the mailbox") == 4
        assert "messages in Gmail's sent mail" in printed
        assert not (tmp_path / "outbox").exists()
