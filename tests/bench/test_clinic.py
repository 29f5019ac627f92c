"""The practice of any size, and every list of the admin API over one."""

from collections import Counter

import httpx
import pytest
from fastapi import FastAPI

from app.db.database import Database
from app.models.campaign import ACTIVE_STATUSES
from bench.clinic import Clinic, ClinicSize, fill
from bench.lists import LIVE, paths, percentile
from tests.fakes import NOON

SIZE = ClinicSize(patients=40, campaigns=60, interactions=450)


class TestClinic:
    def test_is_drawn_alike_in_every_run_and_keeps_the_rules(self) -> None:
        one, again = Clinic(SIZE, NOON), Clinic(SIZE, NOON)

        campaigns = list(one.campaigns())
        messages = list(one.interactions())

        assert [message.to_stored() for message in messages] == [
            message.to_stored() for message in again.interactions()
        ]
        assert len(list(one.patients())) == 40
        assert len(campaigns) == 60
        active = [campaign for campaign in campaigns if campaign.status in ACTIVE_STATUSES]
        assert max(Counter(campaign.patient_id for campaign in active).values()) == 1
        assert all((campaign.ended_at is None) == campaign.is_active for campaign in campaigns)
        assert {message.direction for message in messages} == {"incoming", "outgoing"}
        assert any(message.unmatched for message in messages)


class TestLists:
    @pytest.mark.mongo
    async def test_each_answers_over_a_filled_practice(
        self,
        app: FastAPI,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        database: Database,
    ) -> None:
        """The suite's own listener holds each of their queries to an index."""
        await fill(database, Clinic(SIZE, NOON))
        wanted = paths(app.openapi())

        found = {
            path: (await app_client.get(path, headers=admin_headers)).status_code
            for path in (*wanted, LIVE)
        }

        assert found == dict.fromkeys((*wanted, LIVE), 200)
        assert "/api/v1/admin/dashboard-stats" in wanted
        assert len(wanted) > 25

    def test_the_percentile_is_the_one_it_says(self) -> None:
        assert percentile(range(1, 101)) == pytest.approx(95.05)
