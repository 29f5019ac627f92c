"""The forecast, held to the sweeps of the days it speaks of."""

from datetime import timedelta

import pytest

from app.core.config import Settings
from app.db.database import Database
from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus, FollowUpDetails
from app.services.outreach.forecast import Forecast, SweepForecast
from app.services.outreach.recruiting import Recruiter
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport

LIMIT = 2
DAY = timedelta(days=1)


@pytest.fixture
def parts(repositories: Repositories, settings: Settings, clock: FrozenClock) -> Parts:
    """A practice that starts two campaigns a day."""
    changed = settings.model_copy(update={"new_campaigns_per_day": LIMIT})
    return Parts.build(repositories, changed, clock, RecordingTransport())


async def forecast(parts: Parts) -> Forecast:
    recruiter = Recruiter(
        repositories=parts.repositories,
        clinic=parts.clinic,
        settings=parts.settings,
        clock=parts.clock,
    )
    return await SweepForecast(
        repositories=parts.repositories,
        recruiter=recruiter,
        proactive=parts.proactive,
        clinic=parts.clinic,
        settings=parts.settings,
        clock=parts.clock,
    ).look_ahead()


async def people(parts: Parts) -> None:
    """Leads, recalls due before, today and later, campaigns under way, and some to leave alone."""
    for _ in range(3):
        await parts.patient()
    for days in (-3, 0, 1, 4, 6, 30, -400):
        await parts.patient(patient_type="EXISTING", next_follow_up_date=NOON + days * DAY)
    booked = await parts.patient(patient_type="EXISTING", next_follow_up_date=NOON)
    await parts.visit(booked)
    for made, in_days in ((1, -2), (2, 2), (4, 3), (3, 5)):
        await parts.campaign(
            await parts.patient(),
            status=CampaignStatus.ATTEMPTING_RECOVERY,
            follow_up_details=FollowUpDetails(
                attempts_made=made,
                max_attempts=4,
                first_attempt_at=NOON - 20 * DAY,
                last_attempt_at=NOON - 5 * DAY,
                next_attempt_at=NOON + in_days * DAY - timedelta(hours=6),
            ),
        )


class TestForecast:
    async def test_seven_sweeps_do_what_was_forecast(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        await people(parts)
        foreseen = await forecast(parts)
        assert [day.day.day for day in foreseen.days] == [19, 20, 21, 22, 23, 24, 25]
        assert foreseen == await forecast(parts)  # nothing was written

        for day in foreseen.days:
            done = (await parts.sweeps.run_now(None)).counts
            assert (
                day.recovery_created,
                day.recall_created,
                day.contacts,
                day.ending,
                day.waiting,
            ) == (
                done.recovery_created,
                done.recall_created,
                done.messages_queued,
                done.recovery_failed,
                done.skipped.get("daily_limit", 0),
            ), day.day
            assert sum(day.by_rule.values()) == day.contacts
            await parts.drain()
            clock.advance(days=1)
        first = foreseen.days[0]
        assert (first.contacts, first.waiting) == (LIMIT + 1, 3)
        assert first.by_rule["attempt 2 of 4"] == 1
        assert sum(day.ending for day in foreseen.days) == 1

    async def test_what_nobody_can_read_keeps_nobody_from_looking_ahead(
        self, parts: Parts, database: Database
    ) -> None:
        await people(parts)
        foreseen = await forecast(parts)
        due = FollowUpDetails(max_attempts=4, next_attempt_at=NOON)
        unlucky, lead = await parts.patient(), await parts.patient()
        await parts.campaign(unlucky, follow_up_details=due)
        broken = await parts.campaign(lead)
        await database.collection("patients").update_one(
            {"_id": unlucky.id}, {"$set": {"language": {"not": "text"}}}
        )
        await database.collection("campaigns").update_one(
            {"_id": broken.id}, {"$set": {"channel": "gone"}}
        )

        assert await forecast(parts) == foreseen
