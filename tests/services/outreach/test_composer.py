"""Letters: what each says, in two languages, and what none of them may say."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.models.appointment import Appointment, AppointmentStatus, CreatedFrom
from app.models.base import new_id
from app.models.campaign import Campaign, CampaignType, FollowUpDetails
from app.models.patient import Patient, Treatment
from app.models.proposal import DayWindow, ProposedTimes
from app.models.schedule import Clinic
from app.services.agent.guards.optout import is_opt_out
from app.services.outreach.composer import READING_TIME, Composer, Suggestion
from app.services.outreach.letters import Letter, greeting_name, local_time, quotable
from app.services.outreach.links import Links
from app.services.tokens import LinkTokens, TokenPurpose
from tests.factories import KEYS, make_campaign, make_patient, make_settings
from tests.fakes import FrozenClock

TOKENS = LinkTokens(KEYS, FrozenClock())
SETTINGS = make_settings(
    public_base_url="https://api.example/", booking_url="https://book.example/start?lang=en"
)
LINKS = Links(SETTINGS, TOKENS)
COMPOSER = Composer(LINKS)
CLINIC = Clinic(
    name="Bright Dental",
    phone="+1 212-555-0100",
    address="1 Demo Street, New York, NY 10001",
    timezone="America/New_York",
    country="US",
    currency="USD",
    booking_horizon_days=180,
    booking_lead_minutes=120,
    slot_grid_minutes=15,
    allow_new_patient_booking=False,
)
MANAGE_URL = "https://api.example/manage"
PAGE_URL = "https://api.example/waitlist"


def patient_of(language: str = "en", **given: Any) -> Patient:
    fields: dict[str, Any] = {
        "initial_inquiry": "My tooth hurts, what would a crown cost",
        "treatment_history": [
            Treatment(procedure_name="Root canal", procedure_date=datetime(2025, 1, 1, tzinfo=UTC)),
            Treatment(procedure_name="Cleaning"),
        ],
    }
    return make_patient(language=language, **(fields | given))


def campaign_of(patient: Patient, kind: CampaignType) -> Campaign:
    follow_up = FollowUpDetails(max_attempts=4)
    return make_campaign(patient_id=patient.id, campaign_type=kind, follow_up_details=follow_up)


WRITTEN = datetime(2026, 8, 18, 15, 0, tzinfo=UTC)
"""Two days before the visit."""


def visit() -> Appointment:
    return Appointment(
        patient_id=new_id(),
        provider_id=new_id(),
        chair_id=new_id(),
        service_id="cleaning",
        service_name="Teeth cleaning",
        appointment_date=datetime(2026, 8, 20, 18, 30, tzinfo=UTC),
        duration_minutes=45,
        created_from=CreatedFrom.MANUAL_ADMIN,
    )


SUGGESTION = Suggestion(
    proposed=ProposedTimes(windows=[DayWindow(first="2026-08-20", last="2026-08-21")]),
    service_name="Root canal",
    starts=[datetime(2026, 8, 20, 18, 30, tzinfo=UTC)],
)


def outreach(patient: Patient, kind: CampaignType, attempt: int) -> Letter:
    return COMPOSER.outreach(CLINIC, patient, campaign_of(patient, kind), attempt)


def waitlist_offer(patient: Patient) -> Letter:
    first = datetime(2026, 8, 20, 18, 30, tzinfo=UTC)
    return COMPOSER.waitlist_offer(
        CLINIC,
        patient,
        service_name="Root canal",
        starts=[first, datetime(2026, 12, 1, 14, 0, tzinfo=UTC)],
        until=first,
        page_url=PAGE_URL,
    )


def every_letter(language: str) -> Iterator[Letter]:
    patient = patient_of(language)
    campaign = campaign_of(patient, CampaignType.RECOVERY)
    for kind in CampaignType:
        yield from (outreach(patient, kind, attempt) for attempt in (1, 2, 3, 4))
    yield COMPOSER.booking_link(CLINIC, patient, campaign)
    yield COMPOSER.answer(CLINIC, patient, campaign, "We take that plan.")
    yield COMPOSER.booking_link(CLINIC, patient, campaign, SUGGESTION)
    yield COMPOSER.answer(CLINIC, patient, campaign, "We take that plan.", SUGGESTION)
    yield COMPOSER.closing(CLINIC, patient)
    yield COMPOSER.handoff_notice(CLINIC, patient)
    yield COMPOSER.emergency(CLINIC, patient)
    yield COMPOSER.opt_out_receipt(CLINIC, patient)
    yield COMPOSER.visit_booked(CLINIC, patient, visit(), MANAGE_URL, WRITTEN)
    yield COMPOSER.visit_changed(CLINIC, patient, visit(), MANAGE_URL, WRITTEN)
    yield COMPOSER.visit_updated(CLINIC, patient, visit(), MANAGE_URL, WRITTEN)
    yield COMPOSER.visit_cancelled(CLINIC, patient, visit(), MANAGE_URL, WRITTEN)
    yield COMPOSER.visit_reminder(CLINIC, patient, visit(), MANAGE_URL, WRITTEN)
    yield waitlist_offer(patient)
    yield COMPOSER.waitlist_closed(CLINIC, patient, PAGE_URL)


class TestProposedTimes:
    @pytest.mark.parametrize(
        ("language", "moment", "without"),
        [
            ("en", "  Thursday, August 20, 2026, 2:30 PM EDT\n", "come first"),
            ("es", "  jueves, 20 de agosto de 2026, 14:30 EDT\n", "primero aparecen"),
        ],
    )
    def test_free_times_are_named_in_the_clinics_clock_or_the_link_leads_to_them(
        self, language: str, moment: str, without: str
    ) -> None:
        patient = patient_of(language)
        campaign = campaign_of(patient, CampaignType.RECOVERY)
        none_free = replace(SUGGESTION, starts=())

        named = COMPOSER.booking_link(CLINIC, patient, campaign, SUGGESTION).content
        opened = COMPOSER.booking_link(CLINIC, patient, campaign, none_free).content
        plain = COMPOSER.booking_link(CLINIC, patient, campaign).content

        assert moment in named
        assert "Root canal" in named
        assert without in opened
        assert named.count("wanted=20260820-20260821") == 1
        assert opened.count("wanted=20260820-20260821") == 1
        assert "wanted=" not in plain


@pytest.mark.parametrize("language", ["en", "es"])
class TestEveryLetter:
    def test_names_the_clinic_and_a_way_to_a_person(self, language: str) -> None:
        notice = {"en": "automated assistant", "es": "asistente automático"}[language]
        for letter in every_letter(language):
            assert CLINIC.name in letter.content
            assert CLINIC.phone in letter.content
            assert notice in letter.content

    def test_no_subject_tells_anything_about_health(self, language: str) -> None:
        health = re.compile(r"tooth|crown|canal|cleaning|pain|fever|dolor|muela", re.IGNORECASE)
        for letter in every_letter(language):
            assert letter.subject
            assert not health.search(letter.subject.replace(CLINIC.name, ""))

    def test_all_say_something_else(self, language: str) -> None:
        bodies = [_without_links(letter) for letter in every_letter(language)]

        assert len(set(bodies)) == len(bodies)

    def test_leaves_no_mark_of_the_template(self, language: str) -> None:
        for letter in every_letter(language):
            assert not re.search(r"[{}%]|None|\n\n\n", letter.content)


HEALTH = re.compile(
    r"tooth|teeth|crown|canal|cleaning|pain|fever|dolor|muela|conducto|limpieza", re.IGNORECASE
)
MAX_TEXT_CHARACTERS = 320
"""Two text messages, and as much as a person reads of one."""


@pytest.mark.parametrize("language", ["en", "es"])
class TestTextMessage:
    def test_is_short_and_says_who_writes(self, language: str) -> None:
        for letter in every_letter(language):
            links = re.findall(r"https?://\S+", letter.short)
            words = re.sub(r"https?://\S+", "", letter.short)
            assert letter.short.startswith(f"{CLINIC.name}: ")
            assert CLINIC.phone in letter.short
            assert len(links) <= 1, "the stop word stands for the link to unsubscribe"
            assert all(link in letter.content for link in links)
            assert len(words) <= MAX_TEXT_CHARACTERS - (20 if links else 0)
            assert "unsubscribe" not in letter.short
            assert not re.search(r"[{}%]|None|\n\n|  ", letter.short)

    def test_tells_nothing_about_health(self, language: str) -> None:
        for letter in every_letter(language):
            assert not HEALTH.search(letter.short.replace(CLINIC.name, ""))

    def test_all_say_something_else(self, language: str) -> None:
        words = [re.sub(r"https?://\S+", "", one.short) for one in every_letter(language)]

        assert len(set(words)) == len(words)

    def test_names_the_word_that_stops_them(self, language: str) -> None:
        """All but an emergency's, which nothing may stop, the receipt, and word of a visit."""
        stops = re.compile(r"\b(?:Reply|responda) (STOP|BAJA)\b")
        unstoppable = 0
        for letter in every_letter(language):
            if word := stops.search(letter.short):
                assert is_opt_out(word[1])
            else:
                unstoppable += 1
        assert unstoppable == 6

    def test_offers_no_change_that_the_link_would_refuse(self, language: str) -> None:
        compose, starts = COMPOSER.visit_reminder, visit().appointment_date

        early = compose(CLINIC, patient_of(language), visit(), MANAGE_URL, WRITTEN).short
        late = compose(CLINIC, patient_of(language), visit(), MANAGE_URL, starts).short

        change = re.compile("move or cancel|cambiar o cancelar")
        assert change.search(early)
        assert not change.search(late)
        assert MANAGE_URL in early
        assert MANAGE_URL in late

    def test_an_answer_and_a_persons_words_are_whole(self, language: str) -> None:
        patient = patient_of(language)
        campaign = campaign_of(patient, CampaignType.RECOVERY)
        told = "Whitening takes an hour.\n\nIt costs $300. " + "More. " * 100

        answer = COMPOSER.answer(CLINIC, patient, campaign, told).short
        ours = COMPOSER.staff_message(CLINIC, patient, told).short

        for short in (answer, ours):
            assert "Whitening takes an hour.\nIt costs $300. More." in short
            assert short.count("More.") == 100
            assert CLINIC.name in short
        assert "booking_token=" in answer


def _word_to_stop_with(content: str) -> str:
    """What the footer asks for: the agent must take that very word for a stop."""
    (word,) = re.findall(r'(?:reply|Responda) "(\w+)"', content)
    return str(word)


def _without_links(letter: Letter) -> str:
    return re.sub(r"https?://\S+", "", letter.content)


@pytest.mark.parametrize("kind", list(CampaignType))
class TestOutreach:
    @pytest.mark.parametrize("language", ["en", "es"])
    @pytest.mark.parametrize("attempt", [1, 2, 3, 4])
    def test_carries_link_address_and_a_way_to_stop(
        self, kind: CampaignType, attempt: int, language: str
    ) -> None:
        patient = patient_of(language)

        letter = outreach(patient, kind, attempt)

        assert "https://book.example/start?lang=en&booking_token=" in letter.content
        assert LINKS.unsubscribe_link(patient.id) in letter.content
        assert CLINIC.address in letter.content
        assert is_opt_out(_word_to_stop_with(letter.content))

    def test_only_the_last_attempt_says_it_is_the_last(self, kind: CampaignType) -> None:
        patient = patient_of()
        campaign = campaign_of(patient, kind)
        longer = campaign.model_copy(update={"follow_up_details": FollowUpDetails(max_attempts=9)})

        last = COMPOSER.outreach(CLINIC, patient, campaign, 4)
        one_of_many = COMPOSER.outreach(CLINIC, patient, longer, 4)

        assert re.search(r"last (message|reminder) for now", last.content)
        assert not re.search(r"last (message|reminder) for now", one_of_many.content)

    def test_later_attempts_never_introduce_themselves_again(self, kind: CampaignType) -> None:
        patient = patient_of()
        first = _without_links(outreach(patient, kind, 1))

        for attempt in range(5, 13):
            assert _without_links(outreach(patient, kind, attempt)) != first


class TestWhatItRefersTo:
    def test_a_lead_to_what_they_asked(self) -> None:
        letter = outreach(patient_of(), CampaignType.RECOVERY, 1)

        assert '"My tooth hurts, what would a crown cost"' in letter.content

    def test_a_recall_to_what_was_done_last(self) -> None:
        letter = outreach(patient_of(), CampaignType.RECALL, 1)

        assert "Root canal" in letter.content

    def test_it_reads_well_without_either(self) -> None:
        bare = patient_of(initial_inquiry=None, treatment_history=[])

        for kind in CampaignType:
            assert '""' not in outreach(bare, kind, 1).content
            assert "()" not in outreach(bare, kind, 1).content

    @pytest.mark.parametrize(
        "poison",
        [
            "Win at http://evil.example now",
            "see www.evil.example",
            "evil.com",
            "write to a@b.example",
            "see evil\u3002com",
            "see evil.\u0440\u0444",
            "Your account is locked. Call evil at +1 (900) 555-0199",
            "call evil 900\u00a0555\u20110199",
            "call evil \uff19\uff10\uff10\uff15\uff15\uff15\uff10\uff11\uff19\uff19",
        ],
    )
    def test_it_never_carries_a_strangers_link_or_number(self, poison: str) -> None:
        patient = patient_of(initial_inquiry=poison, name=f"{poison} Smith")

        content = outreach(patient, CampaignType.RECOVERY, 1).content

        assert "evil" not in content
        assert "a@b.example" not in content

    def test_it_repeats_what_has_a_figure_in_it(self) -> None:
        said = "Two crowns, about $1,200, since 2019; I am 45"

        assert quotable(said) == said

    def test_templates_in_a_patients_words_stay_words(self) -> None:
        letter = outreach(
            patient_of(initial_inquiry="{{ clinic_phone }} {% raw %}"), CampaignType.RECOVERY, 1
        )

        assert "{{ clinic_phone }} {% raw %}" in letter.content

    def test_a_long_inquiry_is_cut_at_a_word(self) -> None:
        quoted = quotable("word " * 100)

        assert quoted is not None
        assert len(quoted) <= 141
        assert quoted.endswith("word…")

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            ("María", "María"),
            ("O'Neill", "O'Neill"),
            ("Jean-Luc", "Jean-Luc"),
            ("J.", "J."),
            ("x" * 50, None),
            ("R2D2", None),
            ("evil.com", None),
        ],
    )
    def test_greets_by_name_where_it_is_one(self, given: str, name: str | None) -> None:
        assert greeting_name(given) == name


class TestVisits:
    def test_name_the_clinics_time_and_zone(self) -> None:
        english = COMPOSER.visit_booked(CLINIC, patient_of(), visit(), MANAGE_URL, WRITTEN)
        spanish = COMPOSER.visit_booked(CLINIC, patient_of("es-MX"), visit(), MANAGE_URL, WRITTEN)

        assert "Thursday, August 20, 2026, 2:30 PM EDT" in english.content
        assert "jueves, 20 de agosto de 2026, 14:30 EDT" in spanish.content
        assert "Teeth cleaning (45 minutes)" in english.content
        assert MANAGE_URL in english.content

    @pytest.mark.parametrize(
        ("language", "offer", "instead"),
        [
            ("en", r"move or cancel", "can no longer be moved or cancelled online"),
            ("es", r"(cambi|cancel)(ar|e\b)", "ya no se puede cambiar ni cancelar por internet"),
        ],
    )
    @pytest.mark.parametrize(
        "name", ["visit_booked", "visit_changed", "visit_updated", "visit_reminder"]
    )
    @pytest.mark.parametrize("status", [AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED])
    def test_offer_no_change_that_the_link_would_refuse(
        self, language: str, offer: str, instead: str, name: str, status: AppointmentStatus
    ) -> None:
        clinic = CLINIC.model_copy(update={"self_service_notice_minutes": 120})
        one = visit().model_copy(update={"status": status})
        last = one.appointment_date - timedelta(minutes=120) - READING_TIME
        compose, patient = getattr(COMPOSER, name), patient_of(language)

        in_time = compose(clinic, patient, one, MANAGE_URL, last).content
        too_late = compose(clinic, patient, one, MANAGE_URL, last + timedelta(seconds=1)).content

        assert re.search(offer, in_time)
        assert instead not in in_time
        assert not re.search(offer, too_late.replace(instead, ""))
        assert instead in too_late
        assert MANAGE_URL in too_late
        assert too_late.count(clinic.phone) >= 2

    @pytest.mark.parametrize(
        ("zone", "text"),
        [("America/Sao_Paulo", "12:05 AM UTC-03:00"), ("Asia/Kathmandu", "8:50 AM UTC+05:45")],
    )
    def test_a_zone_without_a_name_is_given_by_its_offset(self, zone: str, text: str) -> None:
        instant = datetime(2026, 8, 20, 3, 5, tzinfo=UTC)

        assert local_time(instant, ZoneInfo(zone), "en") == text


class TestReminder:
    @pytest.mark.parametrize(
        ("language", "when", "asks", "says_it_is"),
        [
            ("en", "Thursday, August 20, 2026, 2:30 PM EDT", "Please confirm", "have confirmed"),
            ("es", "jueves, 20 de agosto de 2026, 14:30 EDT", "Confirme", "Ya ha confirmado"),
        ],
    )
    def test_asks_to_confirm_what_is_not_confirmed(
        self, language: str, when: str, asks: str, says_it_is: str
    ) -> None:
        confirmed = visit().model_copy(update={"status": AppointmentStatus.CONFIRMED})
        patient = patient_of(language)

        open_one = COMPOSER.visit_reminder(CLINIC, patient, visit(), MANAGE_URL, WRITTEN).content
        sure_one = COMPOSER.visit_reminder(CLINIC, patient, confirmed, MANAGE_URL, WRITTEN).content

        for content in (open_one, sure_one):
            assert when in content
            assert MANAGE_URL in content
            assert is_opt_out(_word_to_stop_with(content))
        assert asks in open_one
        assert says_it_is not in open_one
        assert asks not in sure_one
        assert says_it_is in sure_one


class TestEmergency:
    @pytest.mark.parametrize(
        ("language", "words"),
        [("en", ("breathing", "emergency services")), ("es", ("respirar", "emergencia"))],
    )
    def test_says_whom_to_call_and_asks_for_no_click(
        self, language: str, words: tuple[str, ...]
    ) -> None:
        letter = COMPOSER.emergency(CLINIC, patient_of(language))

        assert CLINIC.phone in letter.subject
        assert all(word in letter.content for word in words)
        assert "http" not in letter.content


class TestStaffMessage:
    def test_is_a_persons_own(self) -> None:
        letter = COMPOSER.staff_message(CLINIC, patient_of(), "See you\non Monday.")

        assert "See you\non Monday." in letter.content
        assert "assistant" not in letter.content


class TestOtherLanguages:
    def test_fall_back_to_english(self) -> None:
        assert COMPOSER.closing(CLINIC, patient_of("pt-BR")).content.startswith("Hello Dana")


class TestLinks:
    def test_hold_ids_and_nothing_else(self) -> None:
        patient, campaign, appointment = new_id(), new_id(), new_id()

        booking = LINKS.booking_link(patient, campaign).split("booking_token=")[1]
        manage = LINKS.manage_link(appointment)
        unsubscribe = LINKS.unsubscribe_link(patient)

        claims = TOKENS.read(booking, TokenPurpose.BOOKING)
        assert claims["patient_id"] == str(patient)
        assert claims["campaign_id"] == str(campaign)
        assert manage.startswith("https://api.example/api/v1/appointments/manage/")
        assert unsubscribe.startswith("https://api.example/api/v1/unsubscribe/")
        token = unsubscribe.rsplit("/", 1)[1]
        assert TOKENS.read(token, TokenPurpose.UNSUBSCRIBE)["patient_id"] == str(patient)


class TestWaitlist:
    @pytest.mark.parametrize(
        ("language", "times"),
        [
            ("en", ["Thursday, August 20, 2026, 2:30 PM EDT", "December 1, 2026, 9:00 AM EST"]),
            ("es", ["jueves, 20 de agosto de 2026, 14:30 EDT", "09:00 EST"]),
        ],
    )
    def test_an_offer_names_its_times_its_end_and_a_way_to_stop(
        self, language: str, times: list[str]
    ) -> None:
        patient = patient_of(language)

        letter = waitlist_offer(patient)

        assert all(time in letter.content for time in times)
        assert letter.content.count(times[0]) == 2
        assert PAGE_URL in letter.content
        assert LINKS.unsubscribe_link(patient.id) in letter.content
        assert CLINIC.address in letter.content
