"""What comes of mail that no machine should answer: the whole way through the mailbox."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.models.base import PyObjectId
from app.models.campaign import (
    BOOKED_STATUSES,
    Campaign,
    CampaignStatus,
    FollowUpDetails,
)
from app.models.interaction import DeliveryStatus, Interaction
from app.models.patient import Patient
from app.models.records import SuppressionReason
from app.services.agent.policy import Reason
from app.services.agent.reactive import MAX_POSTPONED_DAYS
from app.services.outreach.consent import SOFT_BOUNCES_TO_GIVE_UP, SOFT_BOUNCES_WITHIN
from app.services.scheduling.localtime import local_day
from tests.gmail_desk import Desk

pytestmark = pytest.mark.mongo

S = CampaignStatus
R = SuppressionReason
FIXTURES = Path(__file__).parents[1] / "fixtures" / "mail"
MACHINES: dict[str, dict[str, Any]] = json.loads((FIXTURES / "machines.json").read_text())
BOUNCES = {"hard_bounce", "soft_bounce", "delay", "complaint"}
ARRIVAL = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")

REPORT = """From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: frontdesk@example.com
Subject: Delivery Status Notification (Failure)
Content-Type: multipart/report; boundary="b"; report-type=delivery-status

--b
Content-Type: text/plain

Your message was not delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com

Final-Recipient: rfc822; {address}
Action: failed
Status: {status}

--b
Content-Type: message/rfc822

Subject: Your visit
Message-ID: {message_id}
X-Outbox-Key: {key}

Hello
--b--
"""
COMPLAINT = """From: staff@fbl.example
To: frontdesk@example.com
Subject: Abuse report
Content-Type: multipart/report; boundary="b"; report-type=feedback-report

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Rcpt-To: <{address}>

--b
Content-Type: message/rfc822

Subject: Your visit
Message-ID: {message_id}
X-Outbox-Key: {key}

Hello
--b--
"""
NOBODYS_KEY = "66f2a1b4c3d2e1f0a9b8c7d6"


def report(
    template: str, patient: Patient, letter: Interaction | None, status: str = "5.1.1"
) -> str:
    """A report on the patient's address that names `letter`, or one that never was."""
    delivery = letter.delivery if letter else None
    return template.format(
        address=patient.email,
        status=status,
        key=letter.id if letter else NOBODYS_KEY,
        message_id=delivery.provider_message_id if delivery else "<made@up.example>",
    )


async def suppressed(desk: Desk, patient: Patient) -> SuppressionReason | None:
    """Why the patient's address gets no mail."""
    found = await desk.stage.repositories.suppressions.for_address(patient.email or "")
    return found.reason if found else None


async def status_of(desk: Desk, letter: Interaction) -> tuple[DeliveryStatus, str | None]:
    """How staff see a letter."""
    delivery = (await desk.stage.reply_now(letter)).delivery
    assert delivery is not None
    return delivery.status, delivery.error


class Case:
    """One machine mail, made to be about one patient of ours."""

    def __init__(self, desk: Desk, name: str) -> None:
        self.desk = desk
        self.name = name
        self.expected = MACHINES[name]
        self.kind = self.expected["kind"]
        about = "old.patient@example.org" if self.kind in BOUNCES else "tom.old@firm.example"
        self.address = about
        self.planned = FollowUpDetails(
            max_attempts=4, attempts_made=1, next_attempt_at=ARRIVAL + timedelta(days=1)
        )

    async def arrives(self) -> None:
        """Write to the patient; the machine answers."""
        desk = self.desk
        self.patient, self.campaign, self.letter = await desk.written_to(
            name=self.name, email=self.address
        )
        fields = {"follow_up_details": self.planned.to_stored()}
        await desk.stage.repositories.campaigns.update_fields(self.campaign.id, fields)
        assert self.letter.delivery is not None
        message_id = (self.letter.delivery.provider_message_id or "").strip("<>")
        raw = (FIXTURES / "machines" / f"{self.name}.eml").read_bytes()
        named = raw.replace(b"k8s7d6@riverbend.example", message_id.encode())
        named = named.replace(b"k8s7d6", str(self.letter.id).encode())
        has_name = "key" in self.expected or "message_id" in self.expected
        thread = None if has_name else self.campaign.channel.thread_id
        await desk.arrives(named, thread_id=thread if self.kind in BOUNCES else None)

    async def account(self) -> dict[str, Any]:
        """What became of it."""
        campaign = await self.desk.stage.campaign_now(self.campaign)
        history = {change.to_status for change in campaign.history}
        return {
            "answered": len(await self.desk.stage.outgoing(self.patient)) - 1,
            "re_engaged": S.RE_ENGAGED in {campaign.status, *history},
            "suppressed": await suppressed(self.desk, self.patient),
            "bounced": (await status_of(self.desk, self.letter))[0] == DeliveryStatus.BOUNCED,
        }

    def promised(self) -> dict[str, Any]:
        """What should."""
        reasons = {"hard_bounce": R.HARD_BOUNCE, "complaint": R.OPT_OUT}
        return {
            "answered": 0,
            "re_engaged": False,
            "suppressed": reasons.get(self.kind),
            "bounced": self.kind in {"hard_bounce", "soft_bounce"},
        }

    async def postponed_long_enough(self) -> bool:
        """Whether the next attempt waits for the day of return (60 days at the most)."""
        if "returns_on" not in self.expected:
            return True
        campaign = await self.desk.stage.campaign_now(self.campaign)
        planned = campaign.follow_up_details.next_attempt_at
        assert planned is not None
        back = date.fromisoformat(self.expected["returns_on"])
        latest = ARRIVAL.date() + timedelta(days=MAX_POSTPONED_DAYS)
        return local_day(planned, NEW_YORK) >= min(back, latest)

    async def leave(self) -> None:
        """Make room for the next case with the same address."""
        patients = self.desk.stage.repositories.patients
        await patients.update_fields(self.patient.id, {"email": f"{self.name}@done.example"})
        for reason in R:
            await self.desk.stage.repositories.suppressions.remove(self.address, [reason])
        await self.desk.stage.repositories.bounces.clear_soft(self.address, ARRIVAL)


class TestMachines:
    @pytest.mark.timeout(120)
    async def test_none_is_answered_or_taken_for_a_patient_and_each_has_its_effect(
        self, desk: Desk
    ) -> None:
        desk.stage.clock.set(ARRIVAL)  # type: ignore[attr-defined]
        accounts, promised, late = {}, {}, []
        for name in sorted(MACHINES):
            case = Case(desk, name)
            await case.arrives()
            accounts[name], promised[name] = await case.account(), case.promised()
            if not await case.postponed_long_enough():
                late.append(name)
            await case.leave()

        assert accounts == promised
        assert late == []
        assert len(await desk.incoming()) == len(MACHINES) == 54
        assert sum(one["kind"] == "hard_bounce" for one in MACHINES.values()) >= 15


class TestHardBounce:
    async def test_of_a_letter_without_a_campaign_suppresses_and_staff_hear_of_it(
        self, desk: Desk
    ) -> None:
        patient = await desk.stage.patient()
        letter = await desk.write_again(patient, None)

        await desk.arrives(report(REPORT, patient, letter))

        assert await suppressed(desk, patient) == R.HARD_BOUNCE
        assert await status_of(desk, letter) == (DeliveryStatus.BOUNCED, Reason.BOUNCED)
        [bounce] = await desk.incoming()
        assert bounce.unmatched

    async def test_that_names_no_letter_of_ours_suppresses_nobody(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()

        await desk.arrives(report(REPORT, patient, None))

        assert await suppressed(desk, patient) is None
        assert (await desk.stage.campaign_now(campaign)).status == S.ATTEMPTING_RECOVERY
        assert (await status_of(desk, letter))[0] == DeliveryStatus.SENT

    async def test_forged_in_the_patients_name_suppresses_nobody_and_a_person_looks(
        self, desk: Desk
    ) -> None:
        patient, campaign, _ = await desk.written_to()
        raw = report(REPORT, patient, None)

        await desk.arrives(raw.replace("mailer-daemon@googlemail.com", patient.email or ""))

        assert await suppressed(desk, patient) is None
        now = await desk.stage.campaign_now(campaign)
        assert now.attention is not None
        assert now.attention.reason == Reason.BOUNCE_UNPROVEN

    async def test_that_names_anothers_letter_suppresses_nobody(self, desk: Desk) -> None:
        patient, _, _ = await desk.written_to()
        other, _, others_letter = await desk.written_to(name="Robin", email="robin@example.com")

        await desk.arrives(report(REPORT, patient, others_letter))

        assert await suppressed(desk, patient) is None
        assert await suppressed(desk, other) is None

    async def test_of_the_address_they_had_before_is_not_theirs(self, desk: Desk) -> None:
        patient, _, letter = await desk.written_to()
        raw = report(REPORT, patient, letter)
        await desk.stage.repositories.patients.update_fields(
            patient.id, {"email": "new@example.com"}
        )

        await desk.arrives(raw)
        nameless = raw.replace(f"Final-Recipient: rfc822; {patient.email}\n", "")
        await desk.arrives(nameless.replace("was not delivered", "was not delivered again"))

        for address in (patient.email or "", "new@example.com"):
            found = await desk.stage.repositories.suppressions.for_address(address)
            assert found is None


class TestSoftBounce:
    async def letters(self, desk: Desk, number: int) -> tuple[Patient, Campaign, list[Interaction]]:
        patient, campaign, first = await desk.written_to()
        more = [await desk.write_again(patient, campaign) for _ in range(number - 1)]
        return patient, campaign, [first, *more]

    async def come_back(self, desk: Desk, patient: Patient, letters: list[Interaction]) -> None:
        for letter in letters:
            await desk.arrives(report(REPORT, patient, letter, "4.2.2"))

    async def test_shows_at_the_letter_and_is_counted(self, desk: Desk) -> None:
        patient, campaign, letters = await self.letters(desk, 1)

        await self.come_back(desk, patient, letters)

        assert await status_of(desk, letters[0]) == (DeliveryStatus.BOUNCED, Reason.SOFT_BOUNCE)
        assert await suppressed(desk, patient) is None
        assert (await desk.stage.campaign_now(campaign)).status == S.ATTEMPTING_RECOVERY
        week_ago = desk.stage.clock.now() - timedelta(days=7)
        bounces = desk.stage.repositories.bounces
        assert await bounces.count_soft(str(patient.email), week_ago) == 1

    async def test_too_many_are_as_good_as_a_hard_one(self, desk: Desk) -> None:
        patient, campaign, letters = await self.letters(desk, SOFT_BOUNCES_TO_GIVE_UP)

        await self.come_back(desk, patient, letters[:-1])
        before = await suppressed(desk, patient)
        await self.come_back(desk, patient, letters[-1:])

        assert (before, await suppressed(desk, patient)) == (None, R.SOFT_BOUNCES)
        assert (await desk.stage.campaign_now(campaign)).status == S.RECOVERY_FAILED

    async def test_many_of_one_letter_count_once(self, desk: Desk) -> None:
        patient, _, letters = await self.letters(desk, 1)

        await self.come_back(desk, patient, letters * (SOFT_BOUNCES_TO_GIVE_UP + 1))

        assert await suppressed(desk, patient) is None

    async def test_old_ones_do_not_count(self, desk: Desk) -> None:
        patient, _, letters = await self.letters(desk, SOFT_BOUNCES_TO_GIVE_UP)
        await self.come_back(desk, patient, letters[:-1])
        desk.stage.clock.advance(seconds=SOFT_BOUNCES_WITHIN.total_seconds())  # type: ignore[attr-defined]

        await self.come_back(desk, patient, letters[-1:])

        assert await suppressed(desk, patient) is None

    async def test_that_name_no_letter_of_ours_do_not_count(self, desk: Desk) -> None:
        patient, _, _ = await self.letters(desk, 1)

        for number in range(SOFT_BOUNCES_TO_GIVE_UP):
            forged = report(REPORT, patient, None, "4.2.2")
            forged = forged.replace("made@up", f"made{number}@up")
            await desk.arrives(forged.replace("mailer-daemon@googlemail.com", patient.email or ""))

        assert await suppressed(desk, patient) is None

    async def test_a_delay_does_not_count(self, desk: Desk) -> None:
        patient, _, letters = await self.letters(desk, SOFT_BOUNCES_TO_GIVE_UP)

        for letter in letters:
            delayed = report(REPORT, patient, letter, "4.4.1").replace("failed", "delayed")
            await desk.arrives(delayed)

        assert await suppressed(desk, patient) is None
        assert (await status_of(desk, letters[0]))[0] == DeliveryStatus.SENT

    async def test_a_reply_between_them_begins_the_count_anew(self, desk: Desk) -> None:
        patient, campaign, letters = await self.letters(desk, SOFT_BOUNCES_TO_GIVE_UP)
        await self.come_back(desk, patient, letters[:-1])
        desk.answer(patient, campaign)
        await desk.notify()
        await desk.drain()
        desk.stage.clock.advance(minutes=1)  # type: ignore[attr-defined]

        await self.come_back(desk, patient, letters[-1:])

        assert await suppressed(desk, patient) is None

    async def test_a_reply_lifts_what_they_led_to_and_no_forged_one_does(self, desk: Desk) -> None:
        patient, campaign, letters = await self.letters(desk, SOFT_BOUNCES_TO_GIVE_UP)
        await self.come_back(desk, patient, letters)
        desk.answer(patient, campaign, authentication="fail")
        desk.answer(patient, campaign, text="Hi", headers={"Auto-Submitted": "auto-replied"})
        await desk.notify()
        await desk.drain()
        after_forgery = await suppressed(desk, patient)
        desk.answer(patient, campaign)
        await desk.notify()
        await desk.drain()

        assert (after_forgery, await suppressed(desk, patient)) == (R.SOFT_BOUNCES, None)

    async def test_a_stop_outlives_them(self, desk: Desk) -> None:
        patient, campaign, letters = await self.letters(desk, SOFT_BOUNCES_TO_GIVE_UP)
        await self.come_back(desk, patient, letters)
        desk.answer(patient, campaign, text="STOP")
        await desk.notify()
        await desk.drain()

        await self.come_back(desk, patient, letters)

        assert await suppressed(desk, patient) == R.OPT_OUT

    @pytest.mark.parametrize("status", [*sorted(BOOKED_STATUSES), S.HANDOFF_REQUIRED, S.RECOVERED])
    async def test_one_of_somebody_booked_or_kept_by_a_person_is_put_before_staff(
        self, desk: Desk, status: CampaignStatus
    ) -> None:
        patient, campaign, letter = await desk.written_to(status=status)

        await self.come_back(desk, patient, [letter])

        now = await desk.stage.campaign_now(campaign)
        assert now.status == status
        assert now.attention is not None
        assert now.attention.reason == Reason.SOFT_BOUNCE

    async def test_without_a_campaign_is_put_before_staff(self, desk: Desk) -> None:
        patient = await desk.stage.patient()
        letter = await desk.write_again(patient, None)

        await self.come_back(desk, patient, [letter])

        [bounce] = await desk.incoming()
        assert bounce.unmatched
        assert (await status_of(desk, letter))[0] == DeliveryStatus.BOUNCED


class TestComplaint:
    async def test_is_a_stop_without_a_receipt(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()

        await desk.arrives(report(COMPLAINT, patient, letter))

        assert await suppressed(desk, patient) == R.OPT_OUT
        assert (await desk.stage.campaign_now(campaign)).status == S.RECOVERY_DECLINED
        assert [one.id for one in await desk.stage.outgoing(patient)] == [letter.id]

    async def test_that_names_no_letter_of_ours_stops_nobody_and_staff_look(
        self, desk: Desk
    ) -> None:
        patient, campaign, _ = await desk.written_to()

        await desk.arrives(report(COMPLAINT, patient, None))

        assert await suppressed(desk, patient) is None
        assert (await desk.stage.campaign_now(campaign)).status == S.ATTEMPTING_RECOVERY
        assert [one.unmatched for one in await desk.incoming()] == [True]


class TestLoops:
    async def test_two_machines_that_answer_each_other_stop_after_some_turns(
        self, desk: Desk
    ) -> None:
        """One that hides being a machine: it answers every letter of ours as a person would."""
        patient, campaign, _ = await desk.written_to()
        for _ in range(8):
            desk.answer(patient, campaign)
            await desk.notify()
            await desk.drain()

        answers = await self.automatic_answers(desk, campaign.id)
        assert answers == desk.settings.agent_turns_per_day
        assert (await desk.stage.campaign_now(campaign)).status == S.HANDOFF_REQUIRED

    async def automatic_answers(self, desk: Desk, campaign_id: PyObjectId) -> int:
        midnight = desk.stage.clock.now() - timedelta(days=1)
        return await desk.stage.repositories.interactions.count_agent_turns(campaign_id, midnight)
