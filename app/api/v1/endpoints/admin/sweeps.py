"""Sweeps by hand."""

import asyncio

from fastapi import APIRouter, Response, status

from app.api.deps import PageDep, ReadAccess, SweepsDep, WriteAccess
from app.api.openapi import problems
from app.schemas.paging import Pagination
from app.schemas.sweeps import SweepList, SweepRead, SweepRequest

router = APIRouter(prefix="/sweeps", tags=["sweeps"])

ANSWER_WITHIN_SECONDS = 30.0
