"""All guards over one message, and which finding leads."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models.decision import Intent
from app.services.agent.guards.guard import GuardFindings, GuardInput, first_finding, run_guards
from app.services.agent.guards.third_person import ThirdPerson
from app.services.outreach import letters

TEMPLATES = Path(letters.__file__).parent / "templates"
MESSAGE = GuardInput(
    text="Yes please, Tuesday",
    subject="Re: your check-up",
    sender="Ana Ruiz <ana@example.org>",
    patient_email="ana@example.org",
    today=date(2026, 11, 23),
)
EVERYTHING = GuardFindings(
    bounce=True,
    automatic=True,
    sender_verified=False,
    opt_out=True,
    emergency=("swelling",),
    third_person=ThirdPerson.DEATH,
)

CLEARED: dict[Intent, dict[str, Any]] = {
    Intent.BOUNCE: {"bounce": False},
    Intent.AUTO_REPLY: {"automatic": False},
    Intent.UNVERIFIED_SENDER: {"sender_verified": True},
    Intent.EMERGENCY: {"emergency": ()},
    Intent.OPT_OUT: {"opt_out": False},
    Intent.THIRD_PERSON: {"third_person": None},
}


class TestRunGuards:
    def test_a_plain_reply_of_the_patient_finds_nothing_and_goes_to_the_engine(self) -> None:
        findings = run_guards(MESSAGE)
        assert findings == GuardFindings(sender_verified=True)
        assert first_finding(findings) is None

    def test_what_the_subject_of_a_new_mail_says_is_read(self) -> None:
        swollen = run_guards(replace(MESSAGE, subject="URGENT: swollen face", text="Call me. Dana"))
        stop = run_guards(replace(MESSAGE, subject="Unsubscribe", text=""))
        widow = run_guards(replace(MESSAGE, subject="Tom passed away in May", text="Ann"))

        assert first_finding(swollen) is Intent.EMERGENCY
        assert stop.opt_out
        assert widow.third_person is ThirdPerson.DEATH

    @pytest.mark.parametrize("mark", ["Re:", "RE: ", "Fwd:", "AW:", " rv :", "Re[2]:"])
    def test_what_stands_under_re_was_said_before(self, mark: str) -> None:
        earlier = replace(MESSAGE, subject=f"{mark} swollen face, unsubscribe", text="Fine now.")

        assert run_guards(earlier) == GuardFindings(sender_verified=True)

    def test_no_subject_of_our_own_letters_is_taken_for_the_patients_words(self) -> None:
        subjects = {
            line.split("%}")[1].split("{%")[0]
            for letter in TEMPLATES.rglob("*.txt")
            for line in letter.read_text("utf-8").splitlines()
            if line.startswith("{% block subject")
        }
        found = {s for s in subjects if first_finding(run_guards(replace(MESSAGE, subject=s)))}

        # Whoever gets the receipt has stopped the messages already.
        assert found <= {
            "You will get no more of these messages",
            "No recibir\u00e1 m\u00e1s mensajes de este tipo",
        }
        assert len(subjects) >= 40

    def test_an_out_of_office_carries_its_day_of_return(self) -> None:
        away = replace(MESSAGE, subject="Automatic reply", text="I am back on 3 December")
        findings = run_guards(away)
        assert findings.automatic
        assert findings.returns_on == date(2026, 12, 3)
        assert first_finding(findings) is Intent.AUTO_REPLY

    def test_an_emergency_or_an_opt_out_leads_over_what_only_sounds_automatic(self) -> None:
        away = "I am on leave until 3 December. Thank you for your message."
        swollen = run_guards(replace(MESSAGE, text=f"{away} My face is swollen."))
        stop = run_guards(replace(MESSAGE, text=f"{away} Please stop emailing me."))

        assert first_finding(swollen) is Intent.EMERGENCY
        assert first_finding(stop) is Intent.OPT_OUT
        assert swollen.returns_on is None

    def test_a_person_who_names_a_day_has_no_day_of_return(self) -> None:
        findings = run_guards(replace(MESSAGE, text="I'm back on 3 December, can I come then?"))
        assert findings.returns_on is None

    def test_headers_are_read_where_there_are_any(self) -> None:
        findings = run_guards(replace(MESSAGE, headers={"Auto-Submitted": "auto-replied"}))
        assert findings.automatic_evidence == "auto_submitted"

    def test_a_stranger_is_not_verified_and_leads_over_what_he_says(self) -> None:
        findings = run_guards(
            replace(MESSAGE, sender="x@evil.net", text="STOP. My face is swollen")
        )
        assert first_finding(findings) is Intent.UNVERIFIED_SENDER

    def test_an_opt_out_inside_an_emergency_is_kept_beside_it(self) -> None:
        findings = run_guards(
            replace(MESSAGE, text="Please stop emailing me. My face is swollen and I have a fever.")
        )
        assert findings.opt_out
        assert findings.emergency == ("swelling", "fever")
        assert first_finding(findings) is Intent.EMERGENCY

    def test_findings_hold_none_of_the_patients_words(self) -> None:
        findings = run_guards(replace(MESSAGE, text="Anna Lopez here: bleeding heavily since noon"))
        assert "Lopez" not in repr(findings)

    @given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=60))
    @settings(deadline=None)
    def test_no_message_makes_the_guards_fail(self, text: str, subject: str, sender: str) -> None:
        message = replace(MESSAGE, text=text, subject=subject, sender=sender)
        assert isinstance(run_guards(message), GuardFindings)

    @pytest.mark.parametrize(
        "hostile",
        [
            "no " * 40_000,
            "stop " * 40_000,
            "no pain, " * 20_000,
            "my gums bleed after the extraction " * 5_000,
            "don't stop sending emails " * 5_000,
            "a" * 100_000,
            "\u0301" * 100_000,
            ", " * 50_000,
            "back on 3 december " * 5_000,
        ],
        ids=["no", "stop", "no-pain", "bleed", "dont-stop", "a", "accents", "commas", "dates"],
    )
    def test_a_hostile_text_costs_seconds_at_most(self, hostile: str) -> None:
        started = process_time()
        run_guards(replace(MESSAGE, text=hostile))
        assert process_time() - started < 5


class TestFirstFinding:
    def test_the_order_is_that_of_the_specification(self) -> None:
        findings, order = EVERYTHING, []
        while (leading := first_finding(findings)) is not None:
            order.append(leading)
            findings = replace(findings, **CLEARED[leading])
        assert order == [
            Intent.BOUNCE,
            Intent.AUTO_REPLY,
            Intent.UNVERIFIED_SENDER,
            Intent.EMERGENCY,
            Intent.OPT_OUT,
            Intent.THIRD_PERSON,
        ]
