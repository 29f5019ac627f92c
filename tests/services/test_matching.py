"""Whose message it is: a campaign's thread, a patient's thread, or the sender."""

import pytest

from app.db.repositories import Repositories
from app.models.campaign import CampaignChannel, CampaignStatus
from app.models.interaction import Direction, Interaction
from app.models.patient import Channel, Patient
from app.services.matching import Match, MessageMatcher
from tests.factories import make_campaign, make_patient
from tests.fakes import NOON

pytestmark = pytest.mark.mongo

STRANGER = "stranger@example.com"
NOBODY = "66f2a1b4c3d2e1f0a9b8c7d6"


@pytest.fixture
def matcher(repositories: Repositories) -> MessageMatcher:
    """The one under test."""
    return MessageMatcher(repositories)


@pytest.fixture
async def patient(repositories: Repositories) -> Patient:
    """Somebody known."""
    return await repositories.patients.insert(make_patient())


async def written(
    repositories: Repositories, patient: Patient, thread_id: str, direction: Direction
) -> None:
    """A message of that thread, as it is stored."""
    message = Interaction(
        patient_id=patient.id,
        direction=direction,
        content="Hello.",
        timestamp=NOON,
        thread_id=thread_id,
    )
    await repositories.interactions.insert(message)


def ids(match: Match) -> tuple[object, object]:
    """Whom and which campaign a match names."""
    return (
        match.patient.id if match.patient else None,
        match.campaign.id if match.campaign else None,
    )


class TestAPatientsThread:
    async def test_names_the_patient_whoever_wrote(
        self, matcher: MessageMatcher, patient: Patient
    ) -> None:
        for sender in (patient.email or "", STRANGER, ""):
            assert ids(await matcher.match(f"p-{patient.id}", sender)) == (patient.id, None)

    async def test_tells_members_of_a_family_on_one_mailbox_apart(
        self, matcher: MessageMatcher, repositories: Repositories, patient: Patient
    ) -> None:
        sibling = await repositories.patients.insert(
            make_patient(name="Robin Smith", email=patient.email)
        )

        found = await matcher.match(f"p-{sibling.id}", patient.email or "")

        assert ids(found) == (sibling.id, None)

    @pytest.mark.parametrize(
        "statuses",
        [
            [CampaignStatus.RECOVERY_FAILED, CampaignStatus.BOOKING_INITIATED],
            [CampaignStatus.RECOVERED],
        ],
    )
    async def test_leads_to_their_active_or_else_their_last_campaign(
        self,
        matcher: MessageMatcher,
        repositories: Repositories,
        patient: Patient,
        statuses: list[CampaignStatus],
    ) -> None:
        campaigns = [make_campaign(patient_id=patient.id, status=status) for status in statuses]
        for campaign in campaigns:
            await repositories.campaigns.insert(campaign)

        found = await matcher.match(f"p-{patient.id}", STRANGER)

        assert ids(found) == (patient.id, campaigns[-1].id)

    @pytest.mark.parametrize("thread", ["p-", "p-zz", f"p-{NOBODY}", f"t-{NOBODY}", "", "x"])
    async def test_an_unknown_one_leaves_it_to_the_sender(
        self, matcher: MessageMatcher, patient: Patient, thread: str
    ) -> None:
        assert ids(await matcher.match(thread, STRANGER)) == (None, None)
        assert ids(await matcher.match(thread, patient.email or "")) == (patient.id, None)

    async def test_a_bare_id_is_no_thread(self, matcher: MessageMatcher, patient: Patient) -> None:
        assert ids(await matcher.match(str(patient.id), STRANGER)) == (None, None)


class TestAProvidersThread:
    async def test_is_known_by_what_left_in_it(
        self, matcher: MessageMatcher, repositories: Repositories, patient: Patient
    ) -> None:
        await written(repositories, patient, "18f2c", Direction.OUTGOING)

        assert ids(await matcher.match("18f2c", STRANGER)) == (patient.id, None)

    async def test_is_not_known_by_what_came_in_it(
        self, matcher: MessageMatcher, repositories: Repositories, patient: Patient
    ) -> None:
        """Once matched by its sender, a thread is not theirs for whoever writes in it next."""
        await written(repositories, patient, "18f2c", Direction.INCOMING)

        assert ids(await matcher.match("18f2c", STRANGER)) == (None, None)

    async def test_a_campaigns_goes_first(
        self, matcher: MessageMatcher, repositories: Repositories, patient: Patient
    ) -> None:
        other = await repositories.patients.insert(make_patient(name="Robin Doe"))
        await written(repositories, other, "18f2c", Direction.OUTGOING)
        campaign = make_campaign(patient_id=patient.id, channel=CampaignChannel(thread_id="18f2c"))
        await repositories.campaigns.insert(campaign)

        assert ids(await matcher.match("18f2c", STRANGER)) == (patient.id, campaign.id)


class TestAThreadOfAFamilysPhone:
    """A relay may answer with one thread a number."""

    NUMBER = "+12125550123"

    @pytest.fixture
    async def family(self, repositories: Repositories) -> list[Patient]:
        """Two who share a phone."""
        return [
            await repositories.patients.insert(make_patient(name=name, phone=self.NUMBER))
            for name in ("Ann Lee", "Ben Lee")
        ]

    async def test_leaves_it_to_the_sender_once_both_were_written_to_in_it(
        self, matcher: MessageMatcher, repositories: Repositories, family: list[Patient]
    ) -> None:
        campaigns, found = [], []
        for member in family:
            channel = CampaignChannel(type=Channel.SMS, thread_id="c-1")
            campaign = make_campaign(patient_id=member.id, channel=channel)
            campaigns.append(await repositories.campaigns.insert(campaign))
            await written(repositories, member, "c-1", Direction.OUTGOING)
            found.append(await matcher.match("c-1", self.NUMBER, channel=Channel.SMS))
        await repositories.campaigns.update_fields(campaigns[1].id, {"status": "RECOVERED"})
        one = await matcher.match("c-1", self.NUMBER, channel=Channel.SMS)

        assert ids(found[0]) == (family[0].id, campaigns[0].id)
        assert ids(found[1]) == (None, None)
        assert ids(one) == (family[0].id, campaigns[0].id)

    async def test_of_letters_without_campaigns_neither(
        self, matcher: MessageMatcher, repositories: Repositories, family: list[Patient]
    ) -> None:
        ann, ben = family
        await written(repositories, ann, "c-1", Direction.OUTGOING)
        before = await matcher.match("c-1", self.NUMBER, channel=Channel.WHATSAPP)
        await written(repositories, ben, "c-1", Direction.OUTGOING)
        after = await matcher.match("c-1", self.NUMBER, channel=Channel.WHATSAPP)
        by_mail = await matcher.match("c-1", STRANGER)

        assert ids(before) == (ann.id, None)
        assert ids(after) == (None, None)
        assert by_mail.patient is not None


class TestAnotherContact:
    """An address or number of a record that was merged into the patient's."""

    @pytest.mark.parametrize(
        ("contact", "channel"),
        [("old@example.com", Channel.EMAIL), ("+12125550199", Channel.SMS)],
    )
    async def test_names_them_where_nobody_else_has_it(
        self,
        matcher: MessageMatcher,
        repositories: Repositories,
        contact: str,
        channel: Channel,
    ) -> None:
        owner = await repositories.patients.insert(make_patient(other_contacts=[contact]))
        campaign = await repositories.campaigns.insert(make_campaign(patient_id=owner.id))
        assert ids(await matcher.match("x", contact, channel=channel)) == (owner.id, campaign.id)

        on_file = {"email" if channel is Channel.EMAIL else "phone": contact}
        other = await repositories.patients.insert(make_patient(**on_file))
        assert ids(await matcher.match("x", contact, channel=channel)) == (None, None)

        theirs = await repositories.campaigns.insert(make_campaign(patient_id=other.id))
        await repositories.campaigns.delete(campaign.id)
        assert ids(await matcher.match("x", contact, channel=channel)) == (other.id, theirs.id)
