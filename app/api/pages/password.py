"""The page behind a one-time link to set a password. Opening it changes nothing."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.api.deps import ServicesDep
from app.api.pages.rendering import FormDep, Page, PageDep, PageRoute
from app.api.routes import PrefixRouter
from app.services.password_change import PasswordChanges
from app.services.passwords import WeakPasswordError

router = PrefixRouter(prefix="/password/{token}", route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True)
class PasswordPages:
    """Choosing a password, and that it is set."""

    page: Page
    passwords: PasswordChanges
    token: str

    async def ask(self) -> Response:
        """The form, or that the link is no good."""
        if await self.passwords.is_good(self.token):
            return self._form()
        return self.page.show("password.html", HTTPStatus.NOT_FOUND, step="pass_invalid", wrong="")

    async def submit(self, new: str, again: str) -> Response:
        """Set it, or the form again with why not. Raises `PasswordLinkError`."""
        if new != again:
            return self._form("pass_differ")
        try:
            await self.passwords.set_by_link(self.token, new)
        except WeakPasswordError:
            return self._form("pass_weak")
        return self.page.show("password.html", step="pass_done", wrong="")

    def _form(self, wrong: str = "") -> Response:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
        return self.page.show("password.html", status, step="pass", wrong=wrong)


async def password_pages(token: str, page: PageDep, parts: ServicesDep) -> PasswordPages:
    """The pages of one link."""
    return PasswordPages(page, parts.staff.passwords, token)


PasswordPagesDep = Annotated[PasswordPages, Depends(password_pages)]


@router.api_route("", methods=["GET", "HEAD"])
async def ask_for_password(pages: PasswordPagesDep) -> Response:
    """Choose a password."""
    return await pages.ask()


@router.post("")
async def set_password(pages: PasswordPagesDep, form: FormDep) -> Response:
    """Set it."""
    return await pages.submit(form.get("new", ""), form.get("again", ""))
