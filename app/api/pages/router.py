"""Every page. They are no part of the API, so its document does not list them."""

from fastapi import APIRouter

from app.api.pages import book, visit

router = APIRouter()
router.include_router(book.router)
router.include_router(visit.router)
