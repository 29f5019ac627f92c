"""Who becomes due."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.models.base import new_id
from app.models.campaign import Campaign, CampaignStatus, CampaignType
from app.models.patient import Patient
from app.services.outreach.eligibility import Calendar, Due, PastContact, judge
from app.services.outreach.reach import Obstacle
from tests.factories import make_campaign, make_patient

ZONE = ZoneInfo("America/New_York")
TODAY = date(2026, 8, 19)
CALENDAR = Calendar(today=TODAY, zone=ZONE, cool_down_days=90, recall_give_up_days=180)
NOON = datetime(2026, 8, 19, 16, 0, tzinfo=UTC)


def day(offset: int) -> datetime:
    """The start of the day that is `offset` days from today."""
    local = TODAY + timedelta(days=offset)
    return datetime(local.year, local.month, local.day, tzinfo=ZONE).astimezone(UTC)


def lead(**given: Any) -> Patient:
    return make_patient(created_at=NOON - timedelta(days=400), **given)


def existing(due: datetime | None) -> Patient:
    return make_patient(patient_type="EXISTING", next_follow_up_date=due)


def ended(status: str, days_ago: int, **given: Any) -> Campaign:
    return make_campaign(status=status, ended_at=NOON - timedelta(days=days_ago), **given)


def past(*campaigns: Campaign, **given: Any) -> PastContact:
    return PastContact(campaigns=campaigns, **given)


class TestLead:
    def test_never_contacted_is_due_since_they_came(self) -> None:
        patient = lead()

        verdict = judge(patient, past(), CALENDAR)

        assert verdict == Due(patient, CampaignType.RECOVERY, patient.created_at, "never contacted")
        assert isinstance(verdict, Due)
        assert verdict.due_date is None

    @pytest.mark.parametrize("status", ["RECOVERY_FAILED", "MANUAL_FOLLOWUP_COMPLETE"])
    @pytest.mark.parametrize(("days_ago", "is_due"), [(89, False), (90, True), (500, True)])
    def test_cools_down_for_ninety_days(self, status: str, days_ago: int, is_due: bool) -> None:
        verdict = judge(lead(), past(ended(status, days_ago)), CALENDAR)

        assert isinstance(verdict, Due) == is_due
        assert is_due or verdict == "cool_down"

    def test_the_newest_end_counts(self) -> None:
        both = past(ended("RECOVERY_FAILED", 300), ended("RECOVERY_FAILED", 10))

        assert judge(lead(), both, CALENDAR) == "cool_down"

    def test_a_no_stands_for_good(self) -> None:
        assert judge(lead(), past(ended("RECOVERY_DECLINED", 2000)), CALENDAR) == "declined"

    def test_a_no_stands_behind_a_later_failure(self) -> None:
        both = past(ended("RECOVERY_DECLINED", 900), ended("RECOVERY_FAILED", 300))

        assert judge(lead(), both, CALENDAR) == "declined"

    def test_a_no_ends_when_they_write_again(self) -> None:
        declined = ended("RECOVERY_DECLINED", 200)
        since = past(declined, last_wish_at=NOON - timedelta(days=100))
        before = past(declined, last_wish_at=NOON - timedelta(days=201))

        assert isinstance(judge(lead(), since, CALENDAR), Due)
        assert judge(lead(), before, CALENDAR) == "declined"


class TestRecall:
    @pytest.mark.parametrize(
        ("offset", "verdict"),
        [
            (1, "not_due"),
            (0, None),
            (-1, None),
            (-180, None),
            (-181, "past_give_up_window"),
        ],
    )
    def test_due_from_its_day_until_the_window_ends(self, offset: int, verdict: str | None) -> None:
        patient = existing(day(offset))

        judged = judge(patient, past(), CALENDAR)

        if verdict:
            assert judged == verdict
        else:
            assert isinstance(judged, Due)
            assert judged.campaign_type == CampaignType.RECALL
            assert judged.due_date == day(offset)

    def test_one_recall_for_a_due_date_ever(self) -> None:
        patient = existing(day(-5))
        same = ended("RECOVERY_FAILED", 1, campaign_type="RECALL", due_date=day(-5))
        another = ended("RECOVERY_FAILED", 1, campaign_type="RECALL", due_date=day(-6))

        assert judge(patient, past(same), CALENDAR) == "already_recalled"
        assert isinstance(judge(patient, past(another), CALENDAR), Due)

    def test_without_a_date_nobody_is_due(self) -> None:
        assert judge(existing(None), past(), CALENDAR) == "not_due"


@pytest.mark.parametrize("patient", [lead(), existing(day(-1))], ids=["lead", "existing"])
class TestEverybody:
    @pytest.mark.parametrize("obstacle", list(Obstacle))
    def test_an_obstacle_comes_first(self, patient: Patient, obstacle: Obstacle) -> None:
        assert judge(patient, past(obstacle=obstacle, has_visit=True), CALENDAR) == obstacle.value

    def test_a_visit_ahead_is_enough(self, patient: Patient) -> None:
        assert judge(patient, past(has_visit=True), CALENDAR) == "visit_booked"

    @pytest.mark.parametrize(
        "status",
        [
            CampaignStatus.ATTEMPTING_RECOVERY,
            CampaignStatus.RE_ENGAGED,
            CampaignStatus.HANDOFF_REQUIRED,
            CampaignStatus.BOOKING_INITIATED,
            CampaignStatus.BOOKING_COMPLETED,
        ],
    )
    def test_one_campaign_at_a_time(self, patient: Patient, status: CampaignStatus) -> None:
        active = make_campaign(patient_id=new_id(), status=status)

        assert judge(patient, past(active), CALENDAR) == "active_campaign"
