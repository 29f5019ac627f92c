"""What has been kept for its time goes, and nothing else does."""

from datetime import timedelta
from typing import Any

from app.db.database import Database
from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.campaign import Attention, CampaignStatus
from app.models.interaction import Delivery, Direction, Interaction, MessageClass
from app.models.records import AuditEntry
from app.services.audit.verification import AuditVerification
from app.services.leases import Leases
from app.services.retention.periods import BATCH, LEASE, RetentionCounts, RetentionPeriods
from tests.factories import make_campaign, make_settings
from tests.fakes import NOON, FrozenClock

OLD = NOON - timedelta(days=3000)


def message(at: Any, **given: Any) -> Interaction:
    """A stored reply of somebody."""
    fields: dict[str, Any] = {
        "direction": Direction.INCOMING,
        "content": "Yes, please.",
        "raw_content": "> quoted",
        "sender": "dana@example.com",
        "provider_id": f"file:{at.year}",
        "timestamp": at,
    }
    return Interaction(**(fields | given))


class TestRun:
    async def test_clears_what_is_over_and_counts_it_before(
        self, repositories: Repositories, database: Database, clock: FrozenClock
    ) -> None:
        old = make_campaign(
            status=CampaignStatus.RECOVERY_FAILED, ended_at=OLD, engagement_summary="said a lot"
        )
        young = make_campaign(
            status=CampaignStatus.RECOVERY_FAILED, ended_at=NOON, engagement_summary="said little"
        )
        for campaign in (old, young):
            await repositories.campaigns.insert(campaign)
        said = message(OLD, campaign_id=old.id)
        now = message(NOON, campaign_id=young.id)
        for one in (said, now):
            await repositories.interactions.insert(one)
        await age_a_chain(repositories, database, clock)
        leases = Leases(repositories.leases)
        periods = RetentionPeriods(repositories, leases, make_settings(), clock)
        expected = RetentionCounts(raw_mail=1, messages=1, campaigns=1, audit_entries=3)

        assert await periods.due() == expected
        async with leases.hold(LEASE):
            assert await periods.run() is None
        assert await periods.run() == expected

        assert await periods.run() == RetentionCounts()
        cleared = await repositories.interactions.get(said.id)
        kept = await repositories.interactions.get(now.id)
        assert cleared is not None
        assert (cleared.content, cleared.raw_content, cleared.sender) == ("", None, None)
        assert (cleared.provider_id, cleared.timestamp) == (said.provider_id, OLD)
        assert kept is not None
        assert (kept.content, kept.raw_content) == (now.content, now.raw_content)
        summaries = await repositories.campaigns.get_many([old.id, young.id])
        assert summaries[old.id].engagement_summary is None
        assert summaries[young.id].engagement_summary == "said little"
        (chain,) = [one async for one in AuditVerification(repositories.audit).run()]
        assert (chain.entries, chain.head.seq, chain.fault) == (2, 5, None)

    async def test_goes_by_the_age_of_each_message_and_leaves_what_is_going_on(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        asked = Attention(reason="reply_after_end", summary="asks for a visit", since=NOON)
        waiting, talking, settled = [
            make_campaign(
                status=CampaignStatus.RECOVERY_FAILED,
                ended_at=OLD,
                engagement_summary="said a lot",
                attention=attention,
            )
            for attention in (asked, None, asked.model_copy(update={"resolved_at": NOON}))
        ]
        for campaign in (waiting, talking, settled):
            await repositories.campaigns.insert(campaign)
        fresh = message(NOON, campaign_id=talking.id, provider_id="file:fresh")
        leaving = message(
            OLD,
            direction=Direction.OUTGOING,
            provider_id=None,
            delivery=Delivery(message_class=MessageClass.STAFF, not_before=OLD),
        )
        gone = [
            message(OLD, campaign_id=waiting.id, provider_id="file:waiting"),
            message(OLD, patient_id=new_id(), provider_id="file:visit"),
            *(message(OLD, unmatched=True, provider_id=f"file:{one}") for one in range(BATCH)),
        ]
        await repositories.interactions.insert_each([fresh, leaving, *gone])
        periods = RetentionPeriods(
            repositories, Leases(repositories.leases), make_settings(), clock
        )
        expected = RetentionCounts(raw_mail=BATCH + 3, messages=BATCH + 2, campaigns=1)

        assert await periods.due() == expected
        assert await periods.run() == expected
        assert await periods.due() == RetentionCounts()

        stored = await repositories.interactions.get_many(one.id for one in [fresh, leaving, *gone])
        assert {(stored[one.id].content, stored[one.id].sender) for one in gone} == {("", None)}
        assert {stored[one.id].content for one in (fresh, leaving)} == {fresh.content}
        campaigns = await repositories.campaigns.get_many([waiting.id, talking.id, settled.id])
        assert campaigns[waiting.id].attention == asked
        assert campaigns[talking.id].engagement_summary == "said a lot"
        assert campaigns[settled.id].attention is None

        await repositories.campaigns.set_attention(settled.id, asked)
        seen = await repositories.campaigns.get(settled.id)
        assert seen is not None
        assert seen.attention is not None
        await repositories.campaigns.resolve_attention(settled.id, seen.attention)
        clock.advance(hours=24 * 3000)
        assert await periods.run() == RetentionCounts(messages=1, campaigns=2, raw_mail=1)
        seen = await repositories.campaigns.get(settled.id)
        assert seen is not None
        assert (seen.attention, seen.cleared_at) == (None, clock.now())


async def age_a_chain(repositories: Repositories, database: Database, clock: FrozenClock) -> None:
    """Five entries of this process, three of them from long ago."""
    clock.set(OLD)
    entries = [AuditEntry(actor="a", action="b", subject="c", at=OLD) for _ in range(3)]
    await repositories.audit.append(entries)
    clock.set(NOON)
    entries = [AuditEntry(actor="a", action="b", subject="c", at=NOON) for _ in range(2)]
    await repositories.audit.append(entries)
