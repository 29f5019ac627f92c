"""Staff accounts."""

from fastapi import Response, status

from app.api.deps import (
    AdminAccess,
    FactorEnrolmentDep,
    PageDep,
    PasswordChangesDep,
    StaffAdministrationDep,
)
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.paging import Pagination
from app.schemas.staff import (
    PasswordLinkRead,
    StaffCreate,
    StaffCreated,
    StaffList,
    StaffRead,
    StaffUpdate,
)

router = PrefixRouter(prefix="/staff", tags=["staff"])


@router.get("", summary="List staff", operation_id="list_staff")
async def list_staff(
    _user: AdminAccess, staff: StaffAdministrationDep, paging: PageDep
) -> StaffList:
    """By address, closed accounts among them."""
    found = await staff.page(page=paging.page, limit=paging.limit)
    return StaffList(
        pagination=Pagination.of(found.total_items, paging),
        staff=[StaffRead.of(member) for member in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add a member of staff",
    operation_id="create_staff",
    responses=problems(409),
)
async def create_staff(
    body: StaffCreate,
    user: AdminAccess,
    staff: StaffAdministrationDep,
    passwords: PasswordChangesDep,
) -> StaffCreated:
    """Nobody can sign in to the account until its owner has set a password with the link, which
    works once, for a while, and is shown only here.
    """
    member = await staff.create(body.model_dump(), by=user)
    link = await passwords.issue_link(member.id, by=user.id)
    return StaffCreated(
        staff=StaffRead.of(member), password_link=link.url, expires_at=link.expires_at
    )


@router.patch(
    "/{staff_id}",
    summary="Change a member of staff",
    operation_id="update_staff",
    responses=problems(404, 409),
)
async def update_staff(
    staff_id: PyObjectId, body: StaffUpdate, user: AdminAccess, staff: StaffAdministrationDep
) -> StaffRead:
    """Counts from their next request on; `active: false` ends all their sessions. Your own role and
    account are another administrator's to change.
    """
    fields = body.model_dump(exclude_unset=True)
    return StaffRead.of(await staff.update(staff_id, fields, by=user))


@router.post(
    "/{staff_id}/reset-password",
    summary="Make a link to set a password",
    operation_id="reset_staff_password",
    responses=problems(404, 409),
)
async def reset_staff_password(
    staff_id: PyObjectId, user: AdminAccess, passwords: PasswordChangesDep
) -> PasswordLinkRead:
    """A one-time link for somebody who forgot theirs; an earlier one stops working. Using it ends
    all their sessions. Until then the old password works: to shut somebody out at once, set
    `active` to false.
    """
    link = await passwords.issue_link(staff_id, by=user.id)
    return PasswordLinkRead(password_link=link.url, expires_at=link.expires_at)


@router.post(
    "/{staff_id}/reset-second-factor",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Turn a second factor off",
    operation_id="reset_staff_second_factor",
    responses=problems(404, 409),
)
async def reset_staff_second_factor(
    staff_id: PyObjectId, user: AdminAccess, enrolment: FactorEnrolmentDep
) -> Response:
    """For somebody who lost phone and recovery codes: make sure who asks. All their sessions end,
    and the password alone lets them in. Your own is another administrator's to turn off.
    """
    await enrolment.reset(staff_id, by=user)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
