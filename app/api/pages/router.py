"""Every page. They are no part of the API, so its document does not list them."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from app.api.pages import book, password, visit, waitlist
from app.api.pages.rendering import PageDep, PageRoute

elsewhere = APIRouter(route_class=PageRoute, include_in_schema=False)


@elsewhere.api_route("/book/{rest:path}", methods=["GET", "HEAD"])
@elsewhere.api_route("/visit", methods=["GET", "HEAD"])
@elsewhere.api_route("/visit/{rest:path}", methods=["GET", "HEAD"])
@elsewhere.api_route("/waitlist/{rest:path}", methods=["GET", "HEAD"])
async def show_nothing(page: PageDep) -> Response:
    """A link that a mail program or a hand has cut off or added to: a page with a way on."""
    return page.failed(page.words["status-404"], HTTPStatus.NOT_FOUND)


router = APIRouter()
router.include_router(book.router)
router.include_router(visit.router)
router.include_router(waitlist.router)
router.include_router(password.router)
router.include_router(elsewhere)
