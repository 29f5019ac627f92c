"""Every letter the practice sends. Pure: no I/O beyond the templates, nothing but what is given.

Links, phone numbers and addresses in a letter come from the clinic and the settings alone. No
subject holds anything about somebody's health: it shows on a locked screen. Letters written by the
machine say so and name a way to a person (California AB 3030), outreach carries the postal address
(CAN-SPAM) and a way to stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.models.appointment import Appointment, AppointmentStatus
from app.models.campaign import Campaign, CampaignType
from app.models.patient import Patient
from app.models.proposal import ProposedTimes
from app.models.schedule import Clinic
from app.services.outreach.letters import (
    Letter,
    LetterTemplates,
    greeting_name,
    language_of,
    local_day,
    local_time,
    one_line,
    quotable,
)
from app.services.outreach.links import Links
from app.services.scheduling.wanted import as_query

OUTREACH_VARIANTS = 4
"""Texts for each campaign type; later attempts go round the second to the last."""
READING_TIME = timedelta(hours=1)
"""Within which a letter is read: what it offers should stand as long."""


@dataclass(frozen=True)
class Suggestion:
    """When somebody offered to come, and free times then of one service."""

    proposed: ProposedTimes | None = None
    service_name: str = ""
    starts: Sequence[datetime] = ()


NO_SUGGESTION = Suggestion()


class Composer:
    """Composes letters in the patient's language: Spanish, or else English."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._templates = LetterTemplates()

    def warm_up(self) -> None:
        """Load what the first letters would otherwise wait for; some 100 ms of CPU."""
        self._templates.load()

    def outreach(
        self, clinic: Clinic, patient: Patient, campaign: Campaign, attempt: int
    ) -> Letter:
        """The practice writes first: the text of this attempt (1 is the first)."""
        kind = "recall" if campaign.campaign_type == CampaignType.RECALL else "recovery"
        return self._compose(
            f"{kind}_{variant_of(attempt)}",
            clinic,
            patient,
            booking_url=self._links.booking_link(patient.id, campaign.id),
            unsubscribe_url=self._links.unsubscribe_link(patient.id),
            inquiry=quotable(patient.initial_inquiry),
            last_treatment=_last_treatment(patient),
            is_last=attempt >= campaign.follow_up_details.max_attempts,
        )

    def booking_link(
        self,
        clinic: Clinic,
        patient: Patient,
        campaign: Campaign,
        suggestion: Suggestion = NO_SUGGESTION,
    ) -> Letter:
        """The answer to somebody who wants to come."""
        values = self._invitation(clinic, patient, campaign, suggestion)
        return self._compose("booking_link", clinic, patient, **values)

    def answer(
        self,
        clinic: Clinic,
        patient: Patient,
        campaign: Campaign,
        answer_text: str,
        suggestion: Suggestion = NO_SUGGESTION,
    ) -> Letter:
        """An answer from the knowledge base, with the booking link."""
        values = self._invitation(clinic, patient, campaign, suggestion)
        text = answer_text.strip()
        return self._compose("answer", clinic, patient, answer_text=text, **values)

    def _invitation(
        self, clinic: Clinic, patient: Patient, campaign: Campaign, suggestion: Suggestion
    ) -> dict[str, object]:
        """What the paragraph with the booking link is made of."""
        language = language_of(patient.language)
        return {
            "booking_url": self._links.booking_link(patient.id, campaign.id, suggestion.proposed),
            "is_wanted": bool(as_query(suggestion.proposed)),
            "service": one_line(suggestion.service_name),
            "times": [_moment(start, clinic, language) for start in suggestion.starts],
        }

    def closing(self, clinic: Clinic, patient: Patient) -> Letter:
        """The polite end after a "no, thank you"."""
        return self._compose("closing", clinic, patient)

    def handoff_notice(self, clinic: Clinic, patient: Patient) -> Letter:
        """A person will answer."""
        return self._compose("handoff_notice", clinic, patient)

    def emergency(self, clinic: Clinic, patient: Patient) -> Letter:
        """The fixed text for an emergency: whom to call. No advice beyond that."""
        return self._compose("emergency", clinic, patient)

    def opt_out_receipt(self, clinic: Clinic, patient: Patient) -> Letter:
        """The one receipt after "stop"."""
        return self._compose("opt_out_receipt", clinic, patient)

    def visit_booked(
        self,
        clinic: Clinic,
        patient: Patient,
        appointment: Appointment,
        manage_url: str,
        now: datetime,
    ) -> Letter:
        """The confirmation that a visit is in the book."""
        return self._visit("visit_booked", clinic, patient, appointment, manage_url, now=now)

    def visit_changed(
        self,
        clinic: Clinic,
        patient: Patient,
        appointment: Appointment,
        manage_url: str,
        now: datetime,
    ) -> Letter:
        """The visit has another time now."""
        return self._visit("visit_changed", clinic, patient, appointment, manage_url, now=now)

    def visit_updated(
        self,
        clinic: Clinic,
        patient: Patient,
        appointment: Appointment,
        manage_url: str,
        now: datetime,
    ) -> Letter:
        """The visit keeps its time; who sees the patient, or how long, is another now."""
        return self._visit("visit_updated", clinic, patient, appointment, manage_url, now=now)

    def visit_cancelled(
        self,
        clinic: Clinic,
        patient: Patient,
        appointment: Appointment,
        manage_url: str,
        now: datetime,
    ) -> Letter:
        """The visit does not take place."""
        return self._visit("visit_cancelled", clinic, patient, appointment, manage_url, now=now)

    def visit_reminder(
        self,
        clinic: Clinic,
        patient: Patient,
        appointment: Appointment,
        manage_url: str,
        now: datetime,
    ) -> Letter:
        """A visit is coming up; one that is not confirmed yet asks for that."""
        return self._visit("visit_reminder", clinic, patient, appointment, manage_url, now=now)

    def waitlist_offer(
        self,
        clinic: Clinic,
        patient: Patient,
        *,
        service_name: str,
        starts: Sequence[datetime],
        until: datetime,
        page_url: str,
    ) -> Letter:
        """Times that freed up, for somebody who waits for one."""
        language = language_of(patient.language)
        return self._compose(
            "waitlist_offer",
            clinic,
            patient,
            service=one_line(service_name),
            times=[_moment(start, clinic, language) for start in starts],
            until=_moment(until, clinic, language),
            page_url=page_url,
            unsubscribe_url=self._links.unsubscribe_link(patient.id),
        )

    def waitlist_closed(self, clinic: Clinic, patient: Patient, page_url: str) -> Letter:
        """The times of an offer have gone to others; the place on the waitlist is kept."""
        return self._compose(
            "waitlist_closed",
            clinic,
            patient,
            page_url=page_url,
            unsubscribe_url=self._links.unsubscribe_link(patient.id),
        )

    def staff_message(self, clinic: Clinic, patient: Patient, text: str) -> Letter:
        """A person's own words, signed by the practice and without the automatic notice."""
        return self._compose("staff_message", clinic, patient, text=text.strip())

    def _visit(
        self,
        template: str,
        clinic: Clinic,
        patient: Patient,
        appointment: Appointment,
        manage_url: str,
        *,
        now: datetime,
    ) -> Letter:
        """Moving and cancelling are offered only where that is still so when the letter is read."""
        language = language_of(patient.language)
        starts_at = appointment.appointment_date
        changes_until = starts_at - timedelta(minutes=clinic.self_service_notice_minutes)
        return self._compose(
            template,
            clinic,
            patient,
            day=local_day(starts_at, clinic.zone, language),
            time=local_time(starts_at, clinic.zone, language),
            service=one_line(appointment.service_name),
            minutes=appointment.duration_minutes,
            manage_url=manage_url,
            is_confirmed=appointment.status == AppointmentStatus.CONFIRMED,
            can_be_changed=now + READING_TIME <= changes_until,
        )

    def _compose(self, template: str, clinic: Clinic, patient: Patient, **values: object) -> Letter:
        voice = clinic.voice.words(language_of(patient.language))
        everywhere = {
            "voice": voice,
            "signature": clinic.voice.signature,
            "closing_line": voice.closing_line if _invites(template) else None,
            "clinic_name": one_line(clinic.name),
            "clinic_phone": one_line(clinic.phone),
            "clinic_address": one_line(clinic.address),
            "first_name": greeting_name(patient.first_name),
        }
        return self._templates.render(
            language_of(patient.language), template, {**everywhere, **values}
        )


def _moment(instant: datetime, clinic: Clinic, language: str) -> str:
    day = local_day(instant, clinic.zone, language)
    return f"{day}, {local_time(instant, clinic.zone, language)}"


def _invites(template: str) -> bool:
    """Whether a closing line suits it; an emergency, a receipt and a cancellation end plainly."""
    return template.startswith(("recovery_", "recall_")) or template in {"booking_link", "answer"}


def variant_of(attempt: int) -> int:
    """Which text an attempt uses. The first text introduces, so it is never used again."""
    if attempt <= OUTREACH_VARIANTS:
        return max(attempt, 1)
    return 2 + (attempt - 2) % (OUTREACH_VARIANTS - 1)


def _last_treatment(patient: Patient) -> str | None:
    """What they had done most recently, by name."""
    never = datetime.min.replace(tzinfo=UTC)
    newest_last = sorted(patient.treatment_history, key=lambda t: t.procedure_date or never)
    return quotable(newest_last[-1].procedure_name) if newest_last else None
