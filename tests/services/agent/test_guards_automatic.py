"""Bounces, automatic replies, and the day somebody is back."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.agent.guards.automatic import automatic
from app.services.agent.guards.return_date import return_date

PERSON = "Ana Ruiz <ana@example.org>"
TODAY = date(2026, 11, 23)


class TestBounce:
    @pytest.mark.parametrize(
        "sender",
        [
            "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
            "MAILER-DAEMON@example.org",
            "postmaster@example.org",
            "PostMaster <Postmaster@Example.org>",
        ],
    )
    def test_a_mail_daemon_sends_bounces(self, sender: str) -> None:
        assert automatic("Address not found", "", sender).bounce

    @pytest.mark.parametrize(
        "subject",
        [
            "Undelivered Mail Returned to Sender",
            "Delivery Status Notification (Failure)",
            "Undeliverable: your check-up",
            "Mail delivery failed: returning message to sender",
            "No se puede entregar: su cita",
            "Unzustellbar: Ihr Termin",
            "\u00c9chec de remise",
        ],
    )
    def test_a_relay_without_headers_is_recognised_by_its_subject(self, subject: str) -> None:
        assert automatic("", subject, PERSON).bounce

    def test_a_bounce_with_auto_submitted_is_a_bounce_and_no_automatic_reply(self) -> None:
        found = automatic(
            "Address not found",
            "Delivery Status Notification (Failure)",
            "mailer-daemon@googlemail.com",
            {"Auto-Submitted": "auto-replied", "Content-Type": "multipart/report"},
        )
        assert (found.bounce, found.automatic) == (True, False)

    def test_a_delivery_status_report_is_a_bounce_whoever_sends_it(self) -> None:
        headers = {"content-type": 'multipart/report; report-type="delivery-status"'}
        assert automatic("", "Hello", PERSON, headers).bounce

    def test_failed_recipients_are_a_bounce(self) -> None:
        assert automatic("", "", PERSON, {"X-Failed-Recipients": "a@b.c"}).bounce

    def test_a_null_return_path_alone_is_an_automatic_reply(self) -> None:
        found = automatic("I am away", "Away", PERSON, {"Return-Path": "<>"})
        assert (found.bounce, found.automatic) == (False, True)

    def test_a_patient_with_headers_who_writes_undeliverable_is_no_bounce(self) -> None:
        headers = {"Return-Path": "<ana@example.org>"}
        assert not automatic("Hi", "Undeliverable letter of yours", PERSON, headers).bounce


class TestAutomaticReplyByHeader:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Auto-Submitted", "auto-replied"),
            ("Auto-Submitted", "auto-generated; owner-email=x@example.org"),
            ("auto-submitted", "AUTO-REPLIED"),
            ("Precedence", "bulk"),
            ("Precedence", "auto_reply"),
            ("Precedence", "list"),
            ("X-Autoreply", "yes"),
            ("X-Autorespond", "Away"),
            ("X-Auto-Response-Suppress", "All"),
            ("X-Auto-Response-Suppress", "DR, OOF"),
            ("List-Id", "<news.example.org>"),
            ("Return-Path", "<>"),
        ],
    )
    def test_the_usual_headers_mark_a_machine(self, name: str, value: str) -> None:
        assert automatic("Yes please", "Re: check-up", PERSON, {name: value}).automatic

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Auto-Submitted", "no"),
            ("Precedence", "normal"),
            ("X-Auto-Response-Suppress", "none"),
            ("Return-Path", "<ana@example.org>"),
        ],
    )
    def test_harmless_values_leave_a_person(self, name: str, value: str) -> None:
        assert not automatic("Yes please", "Re: check-up", PERSON, {name: value}).automatic


class TestAutomaticReplyByWording:
    @pytest.mark.parametrize(
        "sender",
        [
            "no-reply@example.org",
            "noreply@example.org",
            "DoNotReply <do-not-reply@example.org>",
            "do_not_reply@example.org",
            "bounces+17@example.org",
        ],
    )
    def test_an_unattended_sender_is_a_machine(self, sender: str) -> None:
        assert automatic("Thanks", "Hi", sender).automatic

    @pytest.mark.parametrize(
        "subject",
        [
            "Automatic reply: your check-up",
            "Out of office: your check-up",
            "Out of the Office",
            "Auto-Reply: hello",
            "Respuesta autom\u00e1tica: su cita",
            "Fuera de la oficina",
            "Abwesenheitsnotiz",
            "Automatische Antwort: Termin",
            "R\u00e9ponse automatique : rendez-vous",
            "Absence du bureau",
            "Resposta autom\u00e1tica: consulta",
        ],
    )
    def test_the_subject_of_an_out_of_office_is_known_in_five_languages(self, subject: str) -> None:
        assert automatic("...", subject, PERSON).automatic

    @pytest.mark.parametrize(
        "text",
        [
            "This is an automatic reply. I am away.",
            "Thank you for your message. I am out of the office until 3 December.",
            "I'm on vacation with limited access to e-mail.",
            "I am currently on parental leave. For urgent matters contact my colleague.",
            "Estoy fuera de la oficina. Responder\u00e9 a mi regreso.",
            "Esta es una respuesta autom\u00e1tica.",
            "Je suis absent du bureau et vous r\u00e9pondrai \u00e0 mon retour.",
            "Ich bin bis 3. Dezember nicht im B\u00fcro. In dringenden F\u00e4llen: Frau Krug.",
            "Vielen Dank f\u00fcr Ihre Nachricht. Ich bin im Urlaub.",
            "Estou de f\u00e9rias. Em caso de urg\u00eancia escreva ao meu colega.",
        ],
    )
    def test_the_text_of_an_out_of_office_is_known_in_five_languages(self, text: str) -> None:
        assert automatic(text, "Re: your check-up", PERSON).automatic

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "I was out of office last week, can I book now?",
            "I am on vacation until 3 December, can I book after that?",
            "I'm traveling and will reply with my dates, do you have Friday slots?",
            "I'm on maternity leave so mornings are fine.",
            "Sorry, I am away from my desk a lot. Tuesday works.",
            "Estoy de vacaciones, \u00bfpuedo agendar para enero?",
            "My office is out of town",
        ],
    )
    def test_a_person_who_was_away_is_a_person(self, text: str) -> None:
        assert not automatic(text, "Re: your check-up", PERSON).automatic

    @pytest.mark.parametrize(
        ("subject", "text"),
        [
            (
                "Re: hello",
                "I am away from the office, but my face is swollen. Thanks for your mail.",
            ),
            ("", "I'm on vacation until Monday. My tooth was knocked out. Thanks for your email."),
            (
                "",
                "Traveling, no access to email when I return. Severe tooth pain since last night.",
            ),
            ("", "Estoy de vacaciones. Tengo la cara hinchada y fiebre. Gracias por su mensaje."),
            ("Out of the office", "Terrible swelling in my jaw. If you can, call me."),
            ("Automatic reply", "If you could call me: I have severe pain and a fever."),
            ("On vacation but terrible pain", "Dana"),
            ("Re: hello", "I am on leave. Please stop emailing me. Thank you for your message."),
            ("Automatic reply: hello", "stop"),
            ("On vacation", "Please take me off your list"),
            ("Ausencia", "No me escriban mas"),
            ("Out of office", "Unsubscribe me please"),
            ("Re: hello", "This is an automated reply? Then do not email me again."),
        ],
    )
    def test_who_is_away_and_needs_help_or_wants_no_mail_is_a_person(
        self, subject: str, text: str
    ) -> None:
        assert not automatic(text, subject, PERSON).automatic

    @pytest.mark.parametrize(
        "text",
        [
            "In case of emergency call 911. If urgent, contact my colleague.",
            "If this is an emergency, please call 911 or go to the nearest emergency room.",
            "Patients with swelling, bleeding or severe pain should go to the nearest ER.",
            "Bei starken Schmerzen oder Atemnot waehlen Sie den Notruf.",
            "If you have chest pain or trouble breathing while I am away, call 911.",
            "For a dental emergency (severe pain, swelling, trauma) call 555-0100.",
            "Call 911 if you have severe bleeding. I will respond when I return.",
            "If you or someone you know is thinking about suicide, call or text 988.",
            "Si tiene dolor fuerte o hinchaz\u00f3n, llame al 911.",
            "Im Notfall (starke Schmerzen, Schwellung) rufen Sie die 112 an.",
            "You can unsubscribe at any time. To unsubscribe, click here.",
            "If you no longer wish to receive these emails, click here to unsubscribe.",
            "Acme Inc | 12 Main St | Unsubscribe | Manage preferences",
            "Reply STOP to opt out of texts.",
            "Pour vous d\u00e9sabonner, cliquez ici.",
            "Please do not send sensitive information by email.",
            "Please don't email me for urgent matters, call the front desk instead.",
        ],
    )
    def test_what_a_responder_tells_every_reader_makes_it_no_person(self, text: str) -> None:
        spoken = f"I am out of the office. Thank you for your message.\n{text}"

        assert automatic(spoken, "Re: your check-up", PERSON).evidence == "away_wording"
        assert automatic(text, "Out of office: stop swelling", PERSON).automatic

    def test_no_words_outweigh_a_header_a_calendar_or_an_unattended_sender(self) -> None:
        text = "My face is swollen. Stop emailing me."

        assert automatic(text, "Hi", PERSON, {"Auto-Submitted": "auto-replied"}).automatic
        assert automatic(text, "Accepted: Your visit", PERSON).automatic
        assert automatic(text, "Hi", "no-reply@example.org").automatic

    def test_an_answer_to_an_automatic_reply_is_a_person(self) -> None:
        assert not automatic("Is this a robot?", "Re: Automatic reply: hello", PERSON).automatic

    @given(st.text(max_size=200), st.text(max_size=80), st.text(max_size=80))
    def test_any_text_gets_an_answer(self, text: str, subject: str, sender: str) -> None:
        found = automatic(text, subject, sender, {subject: text})
        assert not (found.bounce and found.automatic)


class TestReturnDate:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("I am back on 3 December.", date(2026, 12, 3)),
            ("Returning December 3rd", date(2026, 12, 3)),
            ("out until 2026-12-03", date(2026, 12, 3)),
            ("Away until Dec 3, 2026, sorry", date(2026, 12, 3)),
            ("I will return on the 7th of January", date(2027, 1, 7)),
            ("Out from 24 November through 30 November", date(2026, 11, 30)),
            ("Vuelvo el 3 de diciembre", date(2026, 12, 3)),
            ("Estar\u00e9 ausente hasta el 10 de enero de 2027", date(2027, 1, 10)),
            ("Ich bin bis 3. Dezember nicht im B\u00fcro", date(2026, 12, 3)),
            ("wieder erreichbar ab 03.12.2026", date(2026, 12, 3)),
            ("ab 5. M\u00e4rz zur\u00fcck, bis 5. M\u00e4rz", date(2027, 3, 5)),
            ("de retour le 3 d\u00e9cembre", date(2026, 12, 3)),
            ("absent jusqu'au 1er f\u00e9vrier", date(2027, 2, 1)),
            ("Volto em 3 de dezembro", date(2026, 12, 3)),
            ("back on 23 November", TODAY),
            ("I am back soon", None),
            ("Our party is on 3 December", None),
            ("back on 31 November", None),
            ("back on 3 December 2020", None),
            ("back on 3 December 2031", None),
            ("back on 3/12/2026", None),
            ("back on 29 February", None),
            ("", None),
        ],
    )
    def test_the_day_after_a_word_of_coming_back_is_read(
        self, text: str, expected: date | None
    ) -> None:
        assert return_date(text, TODAY) == expected

    @given(st.text(max_size=200), st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
    def test_any_text_gets_an_answer_that_is_not_past(self, text: str, today: date) -> None:
        found = return_date(f"back on {text}", today)
        assert found is None or found >= today


class TestCalendarAnswers:
    """Who presses Yes in their calendar has not written to us."""

    @pytest.mark.parametrize(
        "subject",
        [
            "Accepted: Cleaning @ Mon Nov 24, 2026 10am - 11am (EST) (Dana Smith)",
            "Declined: Your visit",
            "Tentative: Your visit",
            "Tentatively Accepted: Your visit",
            "New Time Proposed: Your visit",
            "Aceptado: Limpieza",
            "Accept\u00e9 : Votre visite",
            "Zugesagt: Ihr Termin",
            "Aceito: Consulta",
            " ACCEPTED: Your visit",
        ],
    )
    def test_are_known_by_the_subject(self, subject: str) -> None:
        found = automatic("", subject, PERSON)
        assert (found.bounce, found.automatic) == (False, True)
        assert found.evidence == "calendar_subject"

    @pytest.mark.parametrize(
        "text",
        [
            "Dana Smith has accepted this invitation.\n\nCleaning\nMonday Nov 24, 2026",
            "Dana Smith ha aceptado esta invitaci\u00f3n.",
        ],
    )
    def test_are_known_by_their_wording(self, text: str) -> None:
        assert automatic(text, "Your visit", PERSON).evidence == "calendar_wording"

    def test_are_known_by_the_file_itself(self) -> None:
        text = "BEGIN:VCALENDAR\nMETHOD:REPLY\nEND:VCALENDAR"
        assert automatic(text, "Your visit", PERSON).evidence == "calendar_file"

    def test_are_known_by_their_type(self) -> None:
        headers = {"Content-Type": 'text/calendar; charset="UTF-8"; method=REPLY'}
        assert automatic("", "Hi", PERSON, headers).evidence == "calendar_method"

    @pytest.mark.parametrize(
        ("subject", "text"),
        [
            ("Re: Accepted: Your visit", "Can I come an hour later?"),
            ("Accepted", "I accept, see you then"),
            ("Insurance accepted: yes?", "Do you take Delta?"),
            ("Your visit", "I have accepted the invitation in my calendar, thank you."),
            ("Your visit", "Was the invitation accepted: I am not sure."),
        ],
    )
    def test_are_not_what_a_person_writes_about_them(self, subject: str, text: str) -> None:
        assert not automatic(text, subject, PERSON).automatic
