"""One page for one request: its language, its links, its headers.

The pages know nobody: no cookie, no session, nothing kept in the browser. So there is nothing that
another site could make a browser send along, and no form needs a token against that (CSRF): what
opens a visit is the token in its address, and another site does not have it.
"""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.access import PublicRoute
from app.api.deps import ClinicDep, services_of
from app.api.errors import RETRY_AFTER_SECONDS
from app.api.pages.words import OTHER_LANGUAGE, WORDS, Words
from app.core.errors import AppError
from app.db.database import UNAVAILABLE_ERRORS
from app.models.schedule import Clinic
from app.services.outreach.letters import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    language_of,
    local_day,
    local_time,
)

logger = logging.getLogger(__name__)

MAX_FIELDS = 30
_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
NO_BREAK = "\u00a0"
"""A blank at which no line is broken."""
_QUALITY = re.compile(r";\s*q=([0-9.]{1,5})")

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
# The file is ours; escaped, it would not be the text that its hash allows.
_environment.globals["style"] = Markup(_STYLE)  # noqa: S704


@dataclass(frozen=True, slots=True)
class Way:
    """A path with the query that every step on it carries along."""

    path: str
    carried: Mapping[str, str]

    def to(self, **more: str) -> str:
        """The link to a step; what is empty is left out."""
        query = {name: text for name, text in {**self.carried, **more}.items() if text}
        return f"{self.path}?{urlencode(query)}" if query else self.path


@dataclass(frozen=True)
class Page:
    """What one request can be answered with. Without a clinic only what needs none."""

    request: Request
    clinic: Clinic | None
    reader: str = ""
    """The language of the person whom the link is for, where the page may tell it."""

    def for_reader(self, language: str) -> "Page":
        """The page in the language in which its reader is written to."""
        return replace(self, reader=language_of(language))

    @property
    def language(self) -> str:
        """What was chosen on a page, else the reader's, else what the browser prefers of ours."""
        accepted = self.request.headers.get("accept-language", "")
        return self._chosen_language or self.reader or preferred_language(accepted)

    @property
    def words(self) -> Words:
        """The sentences of the page's language."""
        return WORDS[self.language]

    def way(self, path: str, **carried: str) -> Way:
        """A way to `path` (without a slash at the start) that keeps the chosen language.

        Links are relative: the service may stand behind a proxy under a path of its own.
        """
        own_path = self.request.scope["path"].removeprefix(self.request.scope.get("root_path", ""))
        up = "../" * (own_path.count("/") - 1)
        return Way(f"{up}{path}", {"lang": self._chosen_language, **carried})

    def other_language_link(self) -> str | None:
        """This page in the other language; none for the answer to a form."""
        if self.request.method == "POST":
            return None
        query = {**self.request.query_params, "lang": OTHER_LANGUAGE[self.language]}
        return f"?{urlencode(query)}"

    def moment(self, instant: datetime) -> Markup:
        """Day and time on the clinic's clock, with the zone named, as a `time` element."""
        return marked(self.local(instant), f"{self.day(instant)}, {self.time(instant)}")

    def local(self, instant: datetime) -> datetime:
        """The instant on the clinic's clock."""
        return instant.astimezone(self.known_clinic.zone)

    def day(self, instant: datetime) -> str:
        """The day on the clinic's calendar, in words."""
        return local_day(instant, self.known_clinic.zone, self.language)

    def time(self, instant: datetime) -> str:
        """The time on the clinic's clock, with the zone named, never broken over two lines."""
        text = local_time(instant, self.known_clinic.zone, self.language)
        return text.replace(" ", NO_BREAK)

    @property
    def place_of_clock(self) -> str:
        """The place that the clinic's zone is named after, as people write it: "New York"."""
        return self.known_clinic.timezone.rpartition("/")[2].replace("_", " ")

    def price(self, amount: float) -> str:
        """ "from USD 450", or free of charge."""
        if not amount:
            return self.words["price_free"]
        text = f"{amount:,.2f}".removesuffix(".00")
        return self.words["price_from"].format(f"{self.known_clinic.currency} {text}")

    @property
    def known_clinic(self) -> Clinic:
        """The clinic, on every page but the one that says the database does not answer."""
        assert self.clinic is not None  # noqa: S101 - `PageDep` always has it
        return self.clinic

    @property
    def dial(self) -> str:
        """The clinic's number as a link to dial it."""
        return "tel:" + re.sub(r"[^+0-9]", "", self.known_clinic.phone)

    def show(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """The template as the answer."""
        text = _environment.get_template(template).render(page=self, words=self.words, **values)
        return HTMLResponse(text, status_code=status, headers=_HEADERS)

    def failed(self, sentence: str, status: int, named: str = "") -> HTMLResponse:
        """A page that says what went wrong and where to start again; `named`: under a title of its
        own, where that has one.
        """
        token = self.request.query_params.get("booking_token", "")
        start = self.way("book", booking_token=token).to()
        title = self.words.get(f"{named}-title", "")
        return self.show("failed.html", status, sentence=sentence, start=start, title=title)

    def refused(self, error: AppError | HTTPException) -> HTMLResponse:
        """A refusal that no form has a place for."""
        if isinstance(error, AppError):
            named, status = error.slug, error.status
        else:
            named, status = "", error.status_code
        by_status = self.words.get(f"status-{status}", self.words["failed"])
        answer = self.failed(self.words.get(named, by_status), status, named)
        answer.headers.update(error.headers or {})
        return answer

    def go(self, url: str) -> RedirectResponse:
        """On to another page after a form, so that reloading sends nothing twice."""
        return RedirectResponse(url, HTTPStatus.SEE_OTHER, headers=_HEADERS)

    @property
    def _chosen_language(self) -> str:
        chosen = self.request.query_params.get("lang", "")
        return chosen if chosen in LANGUAGES else ""


def marked(when: date, text: str) -> Markup:
    """`text` as a `time` element that tells programs the day or instant."""
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), text)


def preferred_language(accept: str) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110, section 12.5.4)."""
    best, best_weight = DEFAULT_LANGUAGE, 0.0
    for part in accept.split(",")[:20]:
        language = part.strip().lower().replace(";", "-").split("-")[0]
        if language in LANGUAGES and _weight(part) > best_weight:
            best, best_weight = language, _weight(part)
    return best


def _weight(part: str) -> float:
    found = _QUALITY.search(part)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0


async def page(request: Request, clinic: ClinicDep) -> Page:
    """The page of a request."""
    return Page(request, await clinic.current())


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a form that was sent, the last of each name. No files."""
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
        return {name: text for name, text in form.items() if isinstance(text, str)}


PageDep = Annotated[Page, Depends(page)]
FormDep = Annotated[dict[str, str], Depends(form_fields)]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(PublicRoute):
    """Answers failures with a page: whoever came from a letter cannot read a problem document."""

    def get_route_handler(self) -> Handler:
        """See `APIRoute`."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await _with_refusals(handler, request)
            except UNAVAILABLE_ERRORS as error:
                logger.warning("database unavailable", extra={"error_type": type(error).__name__})
                return _unavailable(Page(request, None))

        return handle


async def _with_refusals(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except (AppError, HTTPException) as error:
        clinic = await services_of(request).base.clinic.current()
        return Page(request, clinic).refused(error)


def _unavailable(page: Page) -> Response:
    answer = page.failed(page.words["unavailable"], HTTPStatus.SERVICE_UNAVAILABLE)
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
