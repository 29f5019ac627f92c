"""How the mail stands."""

from fastapi import APIRouter

from app.api.deps import MailboxHealthDep, ReadAccess
from app.api.openapi import problems
from app.schemas.mailbox import MailHealthRead

router = APIRouter(tags=["messages"])


@router.get(
    "/mailbox",
    summary="How the mail stands",
    operation_id="get_mailbox_health",
    responses=problems(401, 403),
)
async def get_mailbox_health(_user: ReadAccess, health: MailboxHealthDep) -> MailHealthRead:
    """Whether replies are found and letters leave: Gmail's watch and cursor, both queues, the last
    trouble. `mailbox` is there with Gmail alone. No patient data; `/metrics` has the same figures.
    """
    return MailHealthRead.of(await health.report())
