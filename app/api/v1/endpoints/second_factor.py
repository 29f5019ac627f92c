"""One's own second factor."""

from fastapi import Response, status

from app.api.deps import FactorEnrolmentDep, IdentityDep
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.schemas.second_factor import (
    RecoveryCodes,
    SecondFactorBegin,
    SecondFactorCode,
    SecondFactorEnd,
    SecondFactorOffer,
    SecondFactorRead,
)

router = PrefixRouter(prefix="/users/me/second-factor", tags=["auth"])


@router.get("", operation_id="get_second_factor", summary="Show your second factor")
async def get_second_factor(user: IdentityDep, enrolment: FactorEnrolmentDep) -> SecondFactorRead:
    """Whether it is on, and how many recovery codes are left."""
    member = user.member
    return SecondFactorRead.of(member, is_wanted=enrolment.is_wanted_of(member))


@router.post(
    "",
    operation_id="offer_second_factor",
    summary="Begin to turn a second factor on",
    responses=problems(409, 429),
)
async def offer_second_factor(
    body: SecondFactorBegin, user: IdentityDep, enrolment: FactorEnrolmentDep
) -> SecondFactorOffer:
    """A secret for an authenticator app (TOTP, RFC 6238), shown only here. Nothing changes before
    it is confirmed, within a quarter of an hour; a wrong password is a 422 (`wrong-password`).
    """
    offered = await enrolment.offer(user, body.current_password)
    return SecondFactorOffer(secret=offered.secret, otpauth_uri=offered.uri)


@router.post(
    "/confirm",
    operation_id="confirm_second_factor",
    summary="Turn the second factor on",
    responses=problems(409, 429),
)
async def confirm_second_factor(
    body: SecondFactorCode, user: IdentityDep, enrolment: FactorEnrolmentDep
) -> RecoveryCodes:
    """From now on a sign-in wants a code; every other session of yours ends. The answer holds the
    recovery codes, shown only here. A wrong code is a 422 (`wrong-code`).
    """
    return RecoveryCodes(recovery_codes=await enrolment.confirm(user, body.code))


@router.post(
    "/remove",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="remove_second_factor",
    summary="Turn the second factor off",
    responses=problems(409, 429),
)
async def remove_second_factor(
    body: SecondFactorEnd, user: IdentityDep, enrolment: FactorEnrolmentDep
) -> Response:
    """With the password and a code, or a recovery code; every other session of yours ends."""
    await enrolment.remove(user, body.current_password, body.code)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
