"""A browser without script: reads pages with the standard library, follows links, sends forms.

Every page it sees is held to what all of them promise: one heading, a language, a label for every
field, no script, and nothing from elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

_VOID = {"meta", "link", "input", "br", "img", "hr"}
_INLINE = {"a", "abbr", "b", "span", "strong", "time"}
_WITHOUT_LABEL = {"hidden", "submit"}


@dataclass
class Button:
    """Something that sends its form."""

    text: str = ""
    name: str = ""
    value: str = ""


@dataclass
class Form:
    """A form with what it holds."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)

    def to_type(self) -> set[str]:
        """The names of the fields that a person fills in."""
        return set(self.fields) - set(self.hidden)


class Document(HTMLParser):
    """A parsed page; raises `AssertionError` where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.texts: list[str] = []
        self.labels: set[str] = set()
        self.headings: list[str] = []
        self._open: list[str] = []
        self._link: str | None = None
        self._area: str | None = None
        self.feed(text)
        self.close()
        assert not self._open, self._open

    @property
    def text(self) -> str:
        """What a person reads, blanks as one."""
        return " ".join("".join(self.texts).split())

    @property
    def hrefs(self) -> list[str]:
        """Where its links lead."""
        return [href for href, _ in self.links]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self._break_line(tag)
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "a":
            self.links.append((given["href"], ""))
        elif tag == "label":
            self.labels.add(given["for"])
        elif tag == "h1":
            self.headings.append("")
        elif tag == "form":
            self.forms.append(Form(given.get("method", "get"), given.get("action", "")))
        elif tag in {"input", "textarea"}:
            self._start_field(tag, given)
        elif tag == "button":
            button = Button(name=given.get("name", ""), value=given.get("value", ""))
            self.forms[-1].buttons.append(button)

    def _start_field(self, tag: str, given: dict[str, str]) -> None:
        form = self.forms[-1]
        form.fields[given["name"]] = given.get("value", "")
        if given.get("type") == "hidden":
            form.hidden[given["name"]] = given["value"]
        if tag == "textarea":
            self._area = given["name"]

    def handle_endtag(self, tag: str) -> None:
        """See `HTMLParser`."""
        assert self._open.pop() == tag, tag
        self._break_line(tag)
        if tag == "textarea":
            assert self._area is not None
            # A browser drops the line break right after the opening tag.
            fields = self.forms[-1].fields
            fields[self._area] = fields[self._area].removeprefix("\n")
            self._area = None

    def _break_line(self, tag: str) -> None:
        if tag not in _INLINE:
            self.texts.append(" ")

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        if "style" in self._open:
            return
        if self._area is not None:
            self.forms[-1].fields[self._area] += data
            return
        data = data.replace("\u00a0", " ")
        self.texts.append(data)
        if "a" in self._open:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)
        if "h1" in self._open:
            self.headings[-1] += data
        if "button" in self._open:
            self.forms[-1].buttons[-1].text += data


class Browser:
    """Looks at one page at a time."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.answer: httpx.Response
        self.document: Document

    @property
    def status(self) -> int:
        """The status of the page."""
        return self.answer.status_code

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return self.document.text

    @property
    def heading(self) -> str:
        """The one heading."""
        return self.document.headings[0]

    @property
    def form(self) -> Form:
        """The only form."""
        (form,) = self.document.forms
        return form

    async def open(self, url: str, *, language: str = "en-US,en;q=0.9") -> "Browser":
        """Go to an address."""
        headers = {"Accept-Language": language}
        return await self._see(await self.client.get(url, headers=headers, follow_redirects=True))

    async def click(self, part: str, *, number: int = 0) -> "Browser":
        """Follow the link whose address or text has `part` in it; the first, or a later one."""
        fitting = [href for href, text in self.document.links if part in href or part in text]
        return await self.open(str(self.answer.url.join(fitting[number])))

    async def press(self, button: str, **typed: str) -> "Browser":
        """Fill in and send the form that has the button."""
        return await self._see(await self.send(button, typed))

    async def send(
        self, button: str, typed: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> httpx.Response:
        """`press` without looking at what comes."""
        form, pressed = next(
            (form, one)
            for form in self.document.forms
            for one in form.buttons
            if button in one.text
        )
        assert form.method == "post"
        assert set(typed or {}) <= form.to_type(), form
        chosen = {pressed.name: pressed.value} if pressed.name else {}
        return await self.client.post(
            str(self.answer.url.join(form.action)),
            data={**form.fields, **(typed or {}), **chosen},
            follow_redirects=follow,
        )

    async def _see(self, answer: httpx.Response) -> "Browser":
        self.answer = answer
        assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
        self.document = Document(answer.text)
        hold_to_the_rules(self.document)
        return self


def hold_to_the_rules(document: Document) -> None:
    """What every page promises."""
    assert len(document.headings) == 1
    tags = dict(document.tags)
    assert tags["html"]["lang"] in {"en", "es"}
    assert tags["main"]["id"] == "content"
    ids = [given["id"] for _, given in document.tags if "id" in given]
    assert len(ids) == len(set(ids))
    for tag, given in document.tags:
        assert tag not in {"script", "link", "img", "iframe", "base"}
        assert not {name for name in given if name.startswith("on") or name in {"src", "style"}}
        if tag in {"input", "textarea"} and given.get("type") not in _WITHOUT_LABEL:
            assert given["id"] in document.labels
        for reference in given.get("aria-describedby", "").split():
            assert reference in ids
    for href in [*document.hrefs, *(form.action for form in document.forms)]:
        assert "://" not in href
        assert not href.startswith(("//", "javascript:", "data:"))


def hold_to_the_headers(headers: httpx.Headers) -> None:
    """What every answer promises: not stored, not framed, not indexed, told to nobody else."""
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for rule in ("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "set-cookie" not in headers
