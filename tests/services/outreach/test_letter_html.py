"""A letter's HTML says what its text says, and links nowhere else."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models.campaign import CampaignType
from app.models.schedule import Clinic
from app.services.outreach.letter_html import blocks_of
from app.services.outreach.letters import Letter
from tests.services.outreach.test_composer import (
    CLINIC,
    COMPOSER,
    MANAGE_URL,
    WRITTEN,
    campaign_of,
    every_letter,
    patient_of,
    visit,
)

HOSTILE = (
    "<script>alert(1)</script> \"'&amp; <img src=x onerror=y> {{ 7*7 }} [a](http://evil.example)"
)
_VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a person reads, where a link shows its address; asserts that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.hrefs: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """Blanks as one, the practice's name at the top left out."""
        return " ".join("".join(self.texts[1:]).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "a":
            self.hrefs.append(given["href"])
            if not given["href"].startswith("tel:"):
                self.texts.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        """See `HTMLParser`."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        is_label = "a" in self._open and not self.hrefs[-1].startswith("tel:")
        if "body" in self._open and not is_label and (data.strip() or len(self.texts)):
            self.texts.append(data)


def said(content: str) -> str:
    """The text, blanks as one, without the mark before the footer."""
    body, _, footer = content.rpartition("\n-- \n")
    return " ".join(f"{body} {footer}".split())


def staff_letter(text: str, clinic: Clinic = CLINIC) -> Letter:
    return COMPOSER.staff_message(clinic, patient_of(), text)


@pytest.mark.parametrize("language", ["en", "es"])
class TestEveryLetter:
    def test_says_the_same_in_both(self, language: str) -> None:
        for letter in every_letter(language):
            assert Page(letter.html).text == said(letter.content)

    def test_names_its_language_and_its_subject(self, language: str) -> None:
        for letter in every_letter(language):
            page = Page(letter.html)
            assert page.tags[0] == ("html", {"lang": language})
            assert f"<title>{letter.subject}</title>" in letter.html

    def test_fetches_nothing_and_follows_nobody(self, language: str) -> None:
        for letter in every_letter(language):
            for tag, attributes in Page(letter.html).tags:
                assert tag not in {"img", "script", "link", "style", "iframe", "object", "form"}
                assert not {name for name in attributes if name.startswith("on") or name == "src"}
                assert "url(" not in attributes.get("style", "")

    def test_links_only_where_the_text_does(self, language: str) -> None:
        for letter in every_letter(language):
            in_text = set(re.findall(r"https?://\S+", letter.content))
            assert set(Page(letter.html).hrefs) - {"tel:+12125550100"} == in_text

    def test_fits_where_gmail_does_not_cut_it(self, language: str) -> None:
        """Gmail cuts messages of over 102 KB."""
        assert all(len(letter.html.encode()) < 20_000 for letter in every_letter(language))


class TestStructure:
    def test_an_address_on_a_line_of_its_own_is_a_button(self) -> None:
        letter = COMPOSER.visit_booked(CLINIC, patient_of(), visit(), MANAGE_URL, WRITTEN)

        tags = Page(letter.html).tags
        (button,) = [attributes for _, attributes in tags if attributes.get("href") == MANAGE_URL]
        assert "color:#ffffff" in button["style"]
        assert 'bgcolor="#0b5c86"' in letter.html
        assert ">Open your visit</a>" in letter.html

    def test_text_has_no_colour_of_its_own(self) -> None:
        """So that it is readable on whatever a dark mail program puts behind it."""
        letter = COMPOSER.visit_booked(CLINIC, patient_of(), visit(), MANAGE_URL, WRITTEN)

        for tag, attributes in Page(letter.html).tags:
            style = attributes.get("style", "")
            if "background" in style or tag == "a":
                continue
            assert not re.search(r"(?<!-)color:", style)

    def test_indented_lines_are_facts(self) -> None:
        blocks = blocks_of("Your visit:\n\n  Monday\n  Room 1\n\nBye", {})

        assert [(block.kind, len(block.lines)) for block in blocks] == [
            ("text", 1),
            ("facts", 2),
            ("text", 1),
        ]

    def test_the_practices_number_can_be_pressed(self) -> None:
        letter = COMPOSER.emergency(CLINIC, patient_of())

        assert Page(letter.html).hrefs.count("tel:+12125550100") >= 2

    @pytest.mark.parametrize("phone", ["", "-", "12"])
    def test_what_is_no_number_is_no_link(self, phone: str) -> None:
        clinic = CLINIC.model_copy(update={"phone": phone})

        letter = staff_letter("On the 12th, at 12?", clinic)

        assert Page(letter.html).hrefs == []
        assert Page(letter.html).text == said(letter.content)


class TestHostileWords:
    @pytest.mark.parametrize("field", ["name", "address", "phone"])
    def test_of_the_practice(self, field: str) -> None:
        clinic = CLINIC.model_copy(update={field: HOSTILE})

        letter = COMPOSER.visit_booked(clinic, patient_of(), visit(), MANAGE_URL, WRITTEN)

        hold_as_text(letter)

    def test_of_staff(self) -> None:
        hold_as_text(staff_letter(HOSTILE))

    def test_of_the_knowledge_base(self) -> None:
        patient = patient_of()
        campaign = campaign_of(patient, CampaignType.RECOVERY)

        hold_as_text(COMPOSER.answer(CLINIC, patient, campaign, HOSTILE))

    def test_of_the_patient(self) -> None:
        patient = patient_of(initial_inquiry="<b>crown</b> & <script>", name="<b>Dana</b> X")
        campaign = campaign_of(patient, CampaignType.RECOVERY)

        letter = COMPOSER.outreach(CLINIC, patient, campaign, 1)

        assert "&lt;b&gt;crown&lt;/b&gt;" in letter.html
        assert "<b>" not in letter.html

    def test_of_a_service(self) -> None:
        named = visit().model_copy(update={"service_name": HOSTILE})

        hold_as_text(COMPOSER.visit_changed(CLINIC, patient_of(), named, MANAGE_URL, WRITTEN))

    @pytest.mark.parametrize(
        "words", ["https://evil.example/x", "See\nhttps://evil.example/x\nand javascript:alert(1)"]
    )
    def test_an_address_that_staff_typed_is_text(self, words: str) -> None:
        letter = staff_letter(words)

        assert Page(letter.html).hrefs == ["tel:+12125550100"]

    @settings(max_examples=80, deadline=None)
    @given(text=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=200))
    def test_any_words_are_words(self, text: str) -> None:
        letter = staff_letter(text)

        assert Page(letter.html).text == said(letter.content)


def hold_as_text(letter: Letter) -> None:
    """What a hostile text holds is read and never run."""
    page: Any = Page(letter.html)
    assert "<script" not in letter.html
    assert "<img" not in letter.html
    assert not [href for href in page.hrefs if "evil" in href]
    assert "alert(1)" in page.text
