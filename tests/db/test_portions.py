"""Large batches are asked for in portions."""

from app.db.repositories import Repositories
from app.db.repositories.base import VALUES_AT_ONCE, portions
from app.models.campaign import CampaignStatus
from tests.factories import make_campaign


class TestPortions:
    def test_hold_each_value_once_in_its_order(self) -> None:
        many = [*range(2 * VALUES_AT_ONCE + 1), 0, 7]

        found = list(portions(many))

        assert [len(portion) for portion in found] == [VALUES_AT_ONCE, VALUES_AT_ONCE, 1]
        assert [value for portion in found for value in portion] == list(
            range(2 * VALUES_AT_ONCE + 1)
        )
        assert list(portions([])) == []

    async def test_what_is_read_in_several_is_whole_and_in_the_order_of_one(
        self, repositories: Repositories
    ) -> None:
        ended = [
            make_campaign(status=CampaignStatus.RECOVERY_FAILED) for _ in range(VALUES_AT_ONCE + 2)
        ]
        await repositories.campaigns.insert_each(ended)
        ids = [campaign.patient_id for campaign in ended]

        found = await repositories.campaigns.all_for([*ids, ids[0]])

        assert sorted(one.id for one in found) == sorted(one.id for one in ended)
        ages = [one.created_at for one in found]
        assert ages == sorted(ages, reverse=True)
