"""The new words of a reply, without history and signature."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.mail.reading.new_text import ANALYSED_CHARACTERS, new_text, new_text_of
from app.services.mail.reading.parse import read_mail

CUT = [
    pytest.param(
        "Yes, Tuesday works.\n\nOn Mon, Nov 23, 2026 at 9:00 AM Clinic <a@b.org> wrote:\n> Hi\n> "
        "Due",
        "Yes, Tuesday works.",
        id="gmail",
    ),
    pytest.param(
        "Yes, Tuesday works.\n\nOn Mon, Nov 23, 2026 at 9:00 AM Riverbend Dental Clinic\n"
        "<a@b.org> wrote:\n> Hi",
        "Yes, Tuesday works.",
        id="gmail-wrapped-header",
    ),
    pytest.param(
        "On Tuesday I can come.\n\nOn Mon, Nov 23, 2026 Clinic <a@b.org> wrote:\n> Hi",
        "On Tuesday I can come.",
        id="on-tuesday",
    ),
    pytest.param("On Tuesday I can come", "On Tuesday I can come", id="on-tuesday-alone"),
    pytest.param(
        "Fine with me\n\nFrom: Clinic\nSent: Monday\nTo: Ana\nSubject: Check-up\n\nDear Ana",
        "Fine with me",
        id="outlook",
    ),
    pytest.param("See you then\n\nSent from my iPhone", "See you then", id="iphone"),
    pytest.param("See you then\n\n--\nAna Ruiz\n555-0100", "See you then", id="dashes"),
    pytest.param(
        "See you then.\n\nBest regards,\nAna Ruiz\nAcme Inc.", "See you then.", id="sign-off"
    ),
    pytest.param("> Do you have pain?\n\nYes, a lot", "Yes, a lot", id="answer-below-the-quote"),
    pytest.param(
        "S\u00ed, el martes\n\nEl lun, 23 nov 2026 a las 9:00, Clinic (<a@b.org>) "
        "escribi\u00f3:\n> Hola",
        "S\u00ed, el martes",
        id="spanish",
    ),
    pytest.param(
        "Oui, mardi\n\nLe lun. 23 nov. 2026 \u00e0 09:00, Clinic <a@b.org> a \u00e9crit :\n> "
        "Bonjour",
        "Oui, mardi",
        id="french",
    ),
    pytest.param(
        "Ja, Dienstag\n\nAm Mo., 23. Nov. 2026 um 09:00 Uhr schrieb Clinic <a@b.org>:\n> Hallo",
        "Ja, Dienstag",
        id="german",
    ),
    pytest.param(
        "Sim, ter\u00e7a\n\nEm seg., 23 de nov. de 2026 \u00e0s 09:00, Clinic <a@b.org> "
        "escreveu:\nOl\u00e1",
        "Sim, ter\u00e7a",
        id="portuguese",
    ),
    pytest.param(
        "El lun, 23 nov 2026, Clinic escribi\u00f3:\n> Hola\n\nS\u00ed",
        "S\u00ed",
        id="spanish-below",
    ),
    pytest.param("Yes\r\n\r\n-- \r\nAna", "Yes", id="windows-line-ends"),
]

KEPT = [
    "Hello,\nThanks, but please take me off your list.",
    "Hola\nGracias, pero no me escriban m\u00e1s por favor.",
    "I can do\n- Tuesday\n- Wednesday",
    "Thanks,\nAna\nPS please stop emailing me",
    "Thanks, see you on Tuesday then",
    "Hi,\nThanks!\nYes",
    "Hola\nGracias\nS\u00ed",
    "Sent from my phone, can't talk. Yes to Tuesday",
    "Enviado desde mi oficina, no puedo hablar. S\u00ed al martes",
    "Tuesday works.\n--\nCan my son come too?",
    "On 12/3 at 10:00 my boss wrote:\nyou cannot leave\n\nSo another day please",
    "On Tuesday I can come. You wrote: 9 or 10?\n\n10 is good",
    "From: Monday\nto: Wednesday\nI am away",
    "El martes me escribi\u00f3 la doctora: no venga.\nEntonces otro d\u00eda",
]


class TestHtml:
    def test_answers_between_gmails_quotes_are_kept_without_a_text_part(self) -> None:
        html = (
            b'<div>Hi</div><div class="gmail_quote"><div class="gmail_attr">Clinic:</div>'
            b'<blockquote class="gmail_quote">Tuesday?</blockquote><div>Thursday</div></div>'
        )
        mail = read_mail(b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + html)
        assert new_text(mail).text == "Hi\n\nThursday"


class TestBrokenQuote:
    def test_the_end_of_a_quoted_line_that_a_gateway_broke_off_is_quoted(self) -> None:
        long = "> " + "we have free times in the morning and " * 2
        assert new_text_of(f"Yes\n\n{long}\nafternoon\n> of that day").text == "Yes"


class TestNewText:
    @pytest.mark.parametrize(("raw", "expected"), CUT)
    def test_history_and_signature_are_cut(self, raw: str, expected: str) -> None:
        assert new_text_of(raw).text == expected

    @pytest.mark.parametrize("raw", KEPT)
    def test_a_sentence_that_looks_like_a_sign_off_is_kept(self, raw: str) -> None:
        assert new_text_of(raw).text == raw

    @pytest.mark.parametrize(
        "raw", ["> only a quote\n> of ours", "On Mon, Clinic wrote:\n> Hi", "Sent from my iPhone"]
    )
    def test_where_nothing_would_be_left_the_raw_text_is(self, raw: str) -> None:
        assert new_text_of(raw).text == raw

    def test_nothing_stays_nothing(self) -> None:
        assert new_text_of("").text == ""
        assert new_text_of(" \r\n\t ").text == ""

    def test_control_characters_are_dropped(self) -> None:
        assert new_text_of("Yes\x00 pl\x1bease\x7f").text == "Yes please"

    def test_only_the_beginning_of_a_huge_text_is_read(self) -> None:
        assert len(new_text_of("word " * 100_000).text) <= ANALYSED_CHARACTERS

    def test_an_abusive_text_still_loses_its_quoted_lines(self) -> None:
        assert new_text_of("On Monday. " * 50 + "\n> quoted").text == ("On Monday. " * 50).strip()

    @pytest.mark.parametrize(
        "hostile",
        [
            "On " * 10_000,
            "On x wrote " * 2_000,
            "\n" * 20_000 + "x",
            "Yes\n" + " \n" * 10_000 + "x",
            ("On " + "a " * 900 + "\n") * 20,
            "From: \n" * 3_000,
            "From:" + " " * 20_000,
            "Warning: " * 2_500,
            "Am " * 7_000,
            "El " * 7_000,
            ("Le " + "a " * 900 + "\n") * 10,
            "1 skrev " * 2_000,
            "_" * 20_000,
            "-" * 20_000,
            "> " * 10_000,
            "Em " + "a" * 20_000,
        ],
        ids=lambda text: text[:6].replace("\n", "/"),
    )
    def test_a_hostile_text_costs_seconds_at_most(self, hostile: str) -> None:
        started = process_time()
        new_text_of(hostile)
        assert process_time() - started < 5

    @given(st.text(max_size=400))
    @settings(deadline=None)
    def test_any_text_gets_an_answer(self, raw: str) -> None:
        assert isinstance(new_text_of(raw).text, str)

    @given(st.text(alphabet="On wrote:>\n-_FromTSu ab", max_size=300))
    @settings(deadline=None)
    def test_text_made_of_header_words_gets_an_answer(self, raw: str) -> None:
        assert isinstance(new_text_of(raw).text, str)
