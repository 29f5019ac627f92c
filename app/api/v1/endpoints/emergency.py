"""Emergency access."""

from fastapi import Response, status

from app.api.deps import EmergencyAccessDep, IdentityDep
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.schemas.emergency import EmergencyBegin, EmergencyRead

router = PrefixRouter(prefix="/users/me/emergency-access", tags=["auth"])


@router.post(
    "",
    operation_id="begin_emergency_access",
    summary="Take emergency access",
    responses=problems(409, 429),
)
async def begin_emergency_access(
    body: EmergencyBegin, user: IdentityDep, emergency: EmergencyAccessDep
) -> EmergencyRead:
    """The rights of an office manager for a while (`EMERGENCY_ACCESS_MINUTES`) in this session,
    where nobody else is there who has them. Signing out, a new password, another role and the end
    of your second factor end them. The audit log keeps the reason and administrators are told at
    once. Not accounts, the audit log and erasure. A wrong password is a 422 (`wrong-password`).
    """
    until = await emergency.begin(user, body.current_password, body.reason)
    return EmergencyRead(until=until)


@router.post(
    "/end",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="end_emergency_access",
    summary="Give emergency access back",
)
async def end_emergency_access(user: IdentityDep, emergency: EmergencyAccessDep) -> Response:
    """Before its time; without any nothing happens."""
    await emergency.end(user)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
