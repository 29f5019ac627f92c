"""The sweep: who gets a campaign, how many a day, once, whatever runs beside it or breaks."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.core.config import Settings
from app.core.errors import NotFoundError
from app.db.database import Database
from app.db.repositories import Repositories
from app.models.campaign import Campaign, CampaignStatus, FollowUpDetails
from app.models.decision import AiAnalysis, Intent
from app.models.interaction import Direction, Interaction
from app.models.patient import Consent, Patient
from app.models.records import Lease, Sweep, SweepStatus
from app.services.outreach.recruiting import DayQuota, quota_slots
from app.services.outreach.sweep import SweepRunningError
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport
from tests.services.outreach.test_gate import a_visit

EIGHT = datetime(2026, 8, 19, 12, 0, tzinfo=UTC)
"""Eight in the morning of the 19th at the clinic."""


def midnight(day: int) -> datetime:
    return datetime(2026, 8, day, 4, 0, tzinfo=UTC)


def variant(
    repositories: Repositories, settings: Settings, clock: FrozenClock, **changes: object
) -> Parts:
    changed = settings.model_copy(update=changes)
    return Parts.build(repositories, changed, clock, RecordingTransport())


async def campaigns_of(parts: Parts, *patients: Patient) -> list[Campaign]:
    return await parts.repositories.campaigns.all_for(p.id for p in patients)


async def lead(parts: Parts, days_ago: int = 10, **given: Any) -> Patient:
    """A lead who came so many days ago."""
    patient = await parts.patient(**given)
    created = {"created_at": NOON - timedelta(days=days_ago)}
    await parts.repositories.patients.update_fields(patient.id, created)
    return patient


async def recallable(parts: Parts, day: int = 19, **given: Any) -> Patient:
    return await parts.patient(patient_type="EXISTING", next_follow_up_date=midnight(day), **given)


class TestNewCampaigns:
    async def test_leads_and_due_patients_get_one_and_its_first_message(self, parts: Parts) -> None:
        asked = await lead(parts, estimated_value=900.0)
        due = await recallable(parts)

        sweep = await parts.sweeps.run_now("abc")

        (recovery,) = await campaigns_of(parts, asked)
        (recall,) = await campaigns_of(parts, due)
        assert (recovery.campaign_type, recovery.due_date) == ("RECOVERY", None)
        assert (recall.campaign_type, recall.due_date) == ("RECALL", midnight(19))
        assert recovery.estimated_value == 900.0
        assert recovery.history[0].by == "sweep"
        assert recovery.follow_up_details.attempts_made == 1
        assert sweep.status == SweepStatus.COMPLETED
        assert (sweep.trigger, sweep.started_by) == ("manual", "staff:abc")
        assert sweep.counts.model_dump() == {
            "recovery_created": 1,
            "recall_created": 1,
            "messages_queued": 2,
            "recovery_failed": 0,
            "skipped": {},
        }
        stored = await parts.sweeps.get(sweep.id)
        assert (stored.counts, stored.finished_at) == (sweep.counts, NOON)

    async def test_everybody_passed_over_is_counted_by_reason(self, parts: Parts) -> None:
        await lead(parts, consent=Consent(opted_out_at=NOON))
        await lead(parts, email=None)
        booked = await lead(parts)
        await parts.repositories.appointments.insert(a_visit(booked, NOON + timedelta(days=1)))
        busy = await lead(parts)
        await parts.campaign(busy, status="HANDOFF_REQUIRED")
        await recallable(parts, status="INACTIVE")
        await parts.patient(
            patient_type="EXISTING", next_follow_up_date=midnight(19) - timedelta(days=300)
        )
        await recallable(parts, day=20)

        counts = (await parts.sweeps.run_now(None)).counts

        assert counts.skipped == {
            "opted_out": 1,
            "no_address": 1,
            "visit_booked": 1,
            "active_campaign": 1,
            "past_give_up_window": 1,
        }
        assert counts.recovery_created == counts.recall_created == 0

    async def test_a_second_sweep_of_the_day_creates_nothing_twice(self, parts: Parts) -> None:
        patient = await recallable(parts)
        await parts.sweeps.run_now(None)

        counts = (await parts.sweeps.run_now(None)).counts

        assert counts.recall_created == counts.messages_queued == 0
        assert len(await campaigns_of(parts, patient)) == 1

    @pytest.mark.parametrize(
        ("intent", "reopens"),
        [(None, True), (Intent.QUESTION, True), (Intent.AUTO_REPLY, False)],
    )
    async def test_after_a_no_only_a_wish_of_their_own_counts(
        self, parts: Parts, intent: Intent | None, reopens: bool
    ) -> None:
        patient = await lead(parts)
        await parts.campaign(
            patient, status="RECOVERY_DECLINED", ended_at=NOON - timedelta(days=200)
        )
        analysis = AiAnalysis(intent=intent, engine="local") if intent else None
        await parts.repositories.interactions.insert(
            Interaction(
                patient_id=patient.id,
                direction=Direction.INCOMING,
                content="Hello again.",
                timestamp=NOON - timedelta(days=1),
                ai_analysis=analysis,
            )
        )

        counts = (await parts.sweeps.run_now(None)).counts

        assert counts.recovery_created == int(reopens)


class TestQuota:
    async def test_longest_overdue_first_over_both_kinds(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        parts = variant(repositories, settings, clock, new_campaigns_per_day=2)
        old_lead = await lead(parts, days_ago=60)
        fresh_lead = await lead(parts, days_ago=1)
        overdue = await parts.patient(
            patient_type="EXISTING", next_follow_up_date=midnight(19) - timedelta(days=30)
        )
        barely = await recallable(parts)

        counts = (await parts.sweeps.run_now(None)).counts

        chosen = await campaigns_of(parts, old_lead, fresh_lead, overdue, barely)
        assert {c.patient_id for c in chosen} == {old_lead.id, overdue.id}
        assert counts.skipped == {"daily_limit": 2}

    async def test_holds_over_all_sweeps_of_a_day_and_starts_afresh_on_the_next(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        parts = variant(repositories, settings, clock, new_campaigns_per_day=2)
        for _ in range(5):
            await lead(parts)

        made = [(await parts.sweeps.run_now(None)).counts.recovery_created for _ in range(2)]
        clock.set(midnight(20) - timedelta(seconds=1))
        made.append((await parts.sweeps.run_now(None)).counts.recovery_created)
        clock.set(midnight(20))
        made.append((await parts.sweeps.run_now(None)).counts.recovery_created)

        assert made == [2, 0, 0, 2]

    async def test_staffs_campaigns_do_not_count(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        parts = variant(repositories, settings, clock, new_campaigns_per_day=1)
        await parts.campaign(await lead(parts))
        await lead(parts)

        assert (await parts.sweeps.run_now(None)).counts.recovery_created == 1

    async def test_zero_means_none(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        parts = variant(repositories, settings, clock, new_campaigns_per_day=0)
        await lead(parts)

        assert (await parts.sweeps.run_now(None)).counts.skipped == {"daily_limit": 1}

    async def test_recruiters_that_race_pass_no_limit_and_create_each_once(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        """The lease aside: two replicas that both believe they hold it."""
        parts = variant(repositories, settings, clock, new_campaigns_per_day=5)
        patients = [await lead(parts, days_ago=days) for days in range(12)]

        async def recruit() -> None:
            counts = Sweep(id="x", trigger="t", started_at=NOON, started_by="t").counts
            await parts.sweeps._work(counts, NOON, lambda: None)

        await asyncio.gather(recruit(), recruit(), recruit())

        made = await campaigns_of(parts, *patients)
        assert len(made) == 5
        assert len({campaign.patient_id for campaign in made}) == 5
        keys = {campaign.quota_key for campaign in made}
        assert keys == set(quota_slots(date(2026, 8, 19), 5))
        messages = [await parts.repositories.interactions.conversation(c.id) for c in made]
        assert [len(texts) for texts in messages] == [1] * 5

    async def test_a_full_day_is_told_from_a_collision(self, parts: Parts) -> None:
        patient = await lead(parts)
        recruiter = parts.sweeps._recruiter
        quota = DayQuota(quota_slots(date(2026, 8, 19), 2))
        counts = Sweep(id="x", trigger="t", started_at=NOON, started_by="t").counts
        (due,) = await recruiter.due(quota, NOON, counts, lambda: None)
        await recruiter.open(due, DayQuota(["2026-08-19#00001"]), NOON)

        assert await recruiter.open(due, quota, NOON) == "active_campaign"
        assert await recruiter.open(due, DayQuota([]), NOON) == "daily_limit"
        assert len(await campaigns_of(parts, patient)) == 1


class TestDueCampaigns:
    async def test_four_messages_and_then_the_end(self, parts: Parts, clock: FrozenClock) -> None:
        patient = await lead(parts)
        days = {}
        start = NOON
        for offset in range(25):
            clock.set(start + timedelta(days=offset))
            counts = (await parts.sweeps.run_now(None)).counts
            await parts.drain()
            if counts.messages_queued or counts.recovery_failed:
                days[offset] = (counts.messages_queued, counts.recovery_failed)

        assert days == {0: (1, 0), 3: (1, 0), 7: (1, 0), 14: (1, 0), 21: (0, 1)}
        (campaign,) = await campaigns_of(parts, patient)
        assert campaign.status == CampaignStatus.RECOVERY_FAILED

    async def test_a_campaign_that_is_not_due_is_left_alone(self, parts: Parts) -> None:
        later = FollowUpDetails(max_attempts=4, next_attempt_at=NOON + timedelta(seconds=1))
        campaign = await parts.campaign(await lead(parts), follow_up_details=later)

        await parts.sweeps.run_now(None)

        assert (await parts.reread_campaign(campaign)).follow_up_details.attempts_made == 0

    async def test_an_opted_out_patient_declines(self, parts: Parts) -> None:
        patient = await lead(parts, consent=Consent(opted_out_at=NOON))
        due = FollowUpDetails(max_attempts=4, next_attempt_at=NOON)
        campaign = await parts.campaign(patient, follow_up_details=due)

        counts = (await parts.sweeps.run_now(None)).counts

        assert (await parts.reread_campaign(campaign)).status == "RECOVERY_DECLINED"
        assert (counts.recovery_failed, counts.skipped["opted_out"]) == (0, 2)


class TestBadRecords:
    async def test_one_unreadable_patient_stops_nobody_else(
        self, parts: Parts, database: Database
    ) -> None:
        fine = await lead(parts)
        broken = make_patient().to_stored() | {"language": {"not": "text"}}
        await database.collection("patients").insert_one(broken)

        counts = (await parts.sweeps.run_now(None)).counts

        assert counts.skipped == {"error": 1}
        assert len(await campaigns_of(parts, fine)) == 1

    async def test_one_unreadable_campaign_stops_nobody_else(
        self, parts: Parts, database: Database
    ) -> None:
        unlucky = await lead(parts)
        fine = await lead(parts)
        broken = (await parts.campaign(unlucky)).id
        await database.collection("campaigns").update_one(
            {"_id": broken},
            {"$set": {"channel": "gone", "follow_up_details.next_attempt_at": NOON}},
        )

        counts = (await parts.sweeps.run_now(None)).counts

        assert counts.skipped == {"error": 2}
        assert len(await campaigns_of(parts, fine)) == 1

    async def test_a_due_campaign_of_an_unreadable_patient_stops_nobody_else(
        self, parts: Parts, database: Database
    ) -> None:
        due = FollowUpDetails(max_attempts=4, next_attempt_at=NOON)
        unlucky, fine = await lead(parts), await lead(parts)
        await parts.campaign(unlucky, follow_up_details=due)
        campaign = await parts.campaign(fine, follow_up_details=due)
        await database.collection("patients").update_one(
            {"_id": unlucky.id}, {"$set": {"language": {"not": "text"}}}
        )

        counts = (await parts.sweeps.run_now(None)).counts

        assert counts.messages_queued == 1
        assert (await parts.reread_campaign(campaign)).follow_up_details.attempts_made == 1


class TestSwitchedOff:
    async def test_creates_and_queues_nothing_and_says_how_many_wait(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        off = variant(repositories, settings, clock, outreach_enabled=False)
        patient = await lead(off)
        due = FollowUpDetails(max_attempts=4, next_attempt_at=NOON)
        campaign = await off.campaign(await lead(off), follow_up_details=due)

        sweep = await off.sweeps.run_now(None)
        rehearsal = await off.sweeps.run_now(None, dry_run=True)

        assert sweep.counts.skipped == {"outreach_disabled": 2}
        assert sweep.counts.messages_queued == sweep.counts.recovery_created == 0
        assert await campaigns_of(off, patient) == []
        assert await off.repositories.interactions.conversation(campaign.id) == []
        assert len(rehearsal.planned) == 2


class TestDryRun:
    async def test_foretells_what_the_next_run_does_and_writes_nothing(
        self, parts: Parts, database: Database
    ) -> None:
        asked = await lead(parts, days_ago=3)
        recalled = await recallable(parts, day=18)
        due = FollowUpDetails(max_attempts=4, attempts_made=1, next_attempt_at=midnight(17))
        running = await lead(parts)
        await parts.campaign(running, follow_up_details=due)
        worn_out = due.model_copy(update={"attempts_made": 4})
        await parts.campaign(await lead(parts), follow_up_details=worn_out)
        await parts.clinic.current()
        before = await dump(database)

        rehearsal = await parts.sweeps.run_now("abc", dry_run=True)

        assert await dump(database) == before
        assert await parts.repositories.sweeps.latest() is None
        planned = {(p.patient_id, p.campaign_type, p.due_since) for p in rehearsal.planned}
        assert planned == {
            (asked.id, "RECOVERY", NOON - timedelta(days=3)),
            (recalled.id, "RECALL", midnight(18)),
            (running.id, "RECOVERY", midnight(17)),
        }
        assert all(contact.reason for contact in rehearsal.planned)
        assert rehearsal.counts == (await parts.sweeps.run_now("abc")).counts
        assert rehearsal.counts.messages_queued == 3
        assert rehearsal.counts.recovery_failed == 1


async def dump(database: Database) -> dict[str, list[Any]]:
    names = ["patients", "campaigns", "interactions", "sweeps", "leases", "clinic", "suppressions"]
    return {name: await database.collection(name).find().to_list(None) for name in names}


class TestOneAtATime:
    async def test_a_second_one_is_told_which_one_runs(self, parts: Parts) -> None:
        async with parts.sweeps._leases.hold("sweep") as held:
            assert held is not None
            running = Sweep(id="the other", trigger="daily", started_at=NOON, started_by="x")
            await parts.repositories.sweeps.start(running)

            with pytest.raises(SweepRunningError) as caught:
                await parts.sweeps.run_now(None)

        assert caught.value.extra == {"sweep_id": "the other"}
        assert caught.value.status == 409

    async def test_of_two_at_once_each_campaign_is_made_once(self, parts: Parts) -> None:
        patients = [await lead(parts) for _ in range(10)]

        results = await asyncio.gather(
            parts.sweeps.run_now(None), parts.sweeps.run_now(None), return_exceptions=True
        )

        completed = [result for result in results if isinstance(result, Sweep)]
        assert len(completed) == 1
        assert sum(isinstance(result, SweepRunningError) for result in results) == 1
        assert len(await campaigns_of(parts, *patients)) == 10

    async def test_the_lease_is_free_again_afterwards(self, parts: Parts) -> None:
        first = await parts.sweeps.run_now(None)
        second = await parts.sweeps.run_now(None)

        assert first.id != second.id

    async def test_a_lost_lease_stops_the_run_and_the_next_one_finishes_it(
        self, parts: Parts, repositories: Repositories
    ) -> None:
        patient = await lead(parts)
        async with parts.sweeps._leases.hold("sweep") as held:
            assert held is not None
            held.note_renewal(0.0, is_ours=False)
            sweep = Sweep(id="auto:2026-08-19", trigger="daily", started_at=NOON, started_by="x")
            await repositories.sweeps.start(sweep)
            with pytest.raises(Exception, match="went to another replica"):
                await parts.sweeps._execute(sweep, held)
        assert await campaigns_of(parts, patient) == []

        taken_up = await parts.sweeps.run_daily(NOON)

        assert taken_up is not None
        assert taken_up.status == SweepStatus.COMPLETED
        assert len(await campaigns_of(parts, patient)) == 1

    async def test_a_slow_one_goes_on_behind_an_answer_that_says_so(self, parts: Parts) -> None:
        await lead(parts)

        answer = await parts.sweeps.run_now(None, patience_seconds=0)

        assert answer.status == SweepStatus.RUNNING
        await asyncio.wait(parts.sweeps._running)
        assert (await parts.sweeps.get(answer.id)).status == SweepStatus.COMPLETED

    async def test_one_that_breaks_off_behind_its_answer_says_so_in_the_log(
        self, parts: Parts, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with parts.sweeps._leases.hold("sweep"):
            await parts.sweeps.run_now(None, patience_seconds=0)
            await asyncio.wait(parts.sweeps._running)
            await asyncio.sleep(0)

        (line,) = [one for one in caplog.records if one.message == "sweep broke off"]
        assert vars(line)["error_type"] == "SweepRunningError"


class TestDaily:
    async def test_one_completes_for_a_local_date(self, parts: Parts, clock: FrozenClock) -> None:
        clock.set(EIGHT)
        first = await parts.sweeps.run_daily(EIGHT)
        again = await parts.sweeps.run_daily(EIGHT + timedelta(hours=15, minutes=59))
        tomorrow = await parts.sweeps.run_daily(EIGHT + timedelta(hours=16))

        assert first is not None
        assert (first.id, first.trigger) == ("auto:2026-08-19", "daily")
        assert again is None
        assert tomorrow is not None
        assert tomorrow.id == "auto:2026-08-20"

    async def test_replicas_that_fire_together_run_it_once(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        clock.set(EIGHT)
        await lead(parts)

        results = await asyncio.gather(*[parts.sweeps.run_daily(EIGHT) for _ in range(5)])

        assert sum(result is not None for result in results) == 1

    async def test_while_another_replica_is_at_it_nothing_happens(self, parts: Parts) -> None:
        async with parts.sweeps._leases.hold("sweep"):
            assert await parts.sweeps.run_daily(EIGHT) is None


class TestCatchUp:
    async def test_a_database_that_never_swept_has_missed_nothing(self, parts: Parts) -> None:
        await lead(parts)
        await parts.sweeps.run_now(None, dry_run=True)

        assert await parts.sweeps.catch_up(NOON) is None

    async def test_makes_up_todays_sweep_after_its_hour_once(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        clock.set(EIGHT - timedelta(days=1))
        await parts.sweeps.run_now(None)
        clock.set(EIGHT)

        assert await parts.sweeps.catch_up(EIGHT - timedelta(seconds=1)) is None
        made_up = await parts.sweeps.catch_up(EIGHT)
        assert await parts.sweeps.catch_up(EIGHT + timedelta(hours=1)) is None

        assert made_up is not None
        assert made_up.id == "auto:2026-08-19"

    @pytest.mark.parametrize("sweep_id", ["auto:2026-08-18", "66f2a1b4c3d2e1f0a9b8c7d6"])
    async def test_takes_up_a_run_whose_process_died(self, parts: Parts, sweep_id: str) -> None:
        patient = await lead(parts)
        before = EIGHT - timedelta(hours=4)
        died = Sweep(id=sweep_id, trigger="daily", started_at=before, started_by="x")
        await parts.repositories.sweeps.start(died)

        resumed = await parts.sweeps.catch_up(before)

        assert resumed is not None
        assert (resumed.id, resumed.status) == (sweep_id, SweepStatus.COMPLETED)
        assert len(await campaigns_of(parts, patient)) == 1

    async def test_leaves_a_run_alone_whose_process_lives(
        self, parts: Parts, repositories: Repositories
    ) -> None:
        alive = Lease(id="sweep", holder="x", term=1, expires_at=NOON + timedelta(seconds=20))
        await repositories.leases._insert(alive)
        running = Sweep(id="x", trigger="manual", started_at=NOON, started_by="x")
        await repositories.sweeps.start(running)

        assert await parts.sweeps.catch_up(EIGHT - timedelta(hours=1)) is None

    async def test_a_later_run_closes_what_it_makes_superfluous(
        self, parts: Parts, repositories: Repositories
    ) -> None:
        died = Sweep(id="dead", trigger="manual", started_at=NOON, started_by="x")
        await repositories.sweeps.start(died)

        await parts.sweeps.run_now(None)

        closed = await parts.sweeps.get("dead")
        assert (closed.status, closed.error) == (SweepStatus.FAILED, "interrupted")


class TestFailure:
    async def test_a_run_that_fails_says_so_and_is_made_up(
        self, parts: Parts, database: Database, clock: FrozenClock
    ) -> None:
        clock.set(EIGHT)
        await parts.clinic.current()
        await database.collection("clinic").update_one({}, {"$set": {"timezone": "Nowhere"}})
        sweep = await parts.sweeps.run_now(None)
        await database.collection("clinic").update_one({}, {"$set": {"timezone": "UTC"}})

        assert (sweep.status, sweep.error) == (SweepStatus.FAILED, "ValidationError")
        assert await parts.sweeps.catch_up(EIGHT) is not None


class TestReading:
    async def test_one_and_all(self, parts: Parts, clock: FrozenClock) -> None:
        first = await parts.sweeps.run_now(None)
        clock.advance(seconds=1)
        second = await parts.sweeps.run_now(None)

        page = await parts.sweeps.page(page=1, limit=1)

        assert [sweep.id for sweep in page.items] == [second.id]
        assert page.total_items == 2
        assert (await parts.sweeps.get(first.id)).id == first.id
        with pytest.raises(NotFoundError):
            await parts.sweeps.get("nothing")
