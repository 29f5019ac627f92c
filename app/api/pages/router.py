"""Every page. They are no part of the API, so its document does not list them."""

from fastapi import APIRouter

from app.api.pages import book, visit, waitlist

router = APIRouter()
router.include_router(book.router)
router.include_router(visit.router)
router.include_router(waitlist.router)
