"""Signing in, staying so, signing out, and who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response, status
from fastapi.security import OAuth2PasswordRequestForm

from app.api.access import PublicRoute
from app.api.deps import IdentityDep, PasswordChangesDep, SessionsDep, SignInDep
from app.api.limits import REFRESH_LIMIT, ClientDep
from app.api.openapi import problems
from app.schemas.auth import Me, PasswordByLink, PasswordChange, RefreshToken, Tokens
from app.schemas.second_factor import CODE_PATTERN, MAX_CODE_LENGTH

way_in = APIRouter(tags=["auth"], route_class=PublicRoute)
"""What is asked before there is a sign-in, or in place of one."""

router = APIRouter(tags=["auth"])

SecondCode = Annotated[
    str | None,
    Form(
        max_length=MAX_CODE_LENGTH,
        pattern=CODE_PATTERN,
        description="Of the second factor, where one is on.",
    ),
]


@way_in.post(
    "/auth/login",
    operation_id="login",
    summary="Sign in",
    responses=problems(401, 429),
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    sign_in: SignInDep,
    client: ClientDep,
    code: SecondCode = None,
) -> Tokens:
    """Exchange an e-mail address (`username`) and a password for an access token and a refresh
    token. A wrong password and an unknown address are answered alike. Where a second factor is on,
    the right password without `code` is a 401 `second-factor-required`: send the three together
    (`code` holds the six digits of the app, or a recovery code), once each. After repeated failures
    nothing is compared any more for a while, but for places the account signed in from before.
    """
    return Tokens.model_validate(await sign_in.login(form.username, form.password, client, code))


@way_in.post(
    "/auth/refresh",
    operation_id="refresh",
    summary="Stay signed in",
    responses=problems(401, 429),
    dependencies=[REFRESH_LIMIT],
)
async def refresh(body: RefreshToken, sessions: SessionsDep) -> Tokens:
    """A new pair for a refresh token, which works once. Sent again within ten seconds (a lost
    answer, a second window) it is answered with the same new refresh token; later it ends the
    whole session, because somebody else may have it.
    """
    return Tokens.model_validate(await sessions.refresh(body.refresh_token))


@router.post(
    "/auth/logout",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="logout",
    summary="Sign out",
)
async def logout(user: IdentityDep, sessions: SessionsDep) -> Response:
    """End the session of the access token: neither it nor the refresh token works any more."""
    await sessions.end(user.member.id, user.session.id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get("/users/me", operation_id="get_me", summary="Who is signed in")
async def get_me(user: IdentityDep) -> Me:
    """The member of staff whose token was sent."""
    member = user.member
    return Me(user_id=member.id, name=member.name, email=member.email, role=member.role)


@router.patch(
    "/users/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="change_password",
    summary="Change your password",
    responses=problems(409, 429),
)
async def change_password(
    body: PasswordChange, user: IdentityDep, passwords: PasswordChangesDep
) -> Response:
    """15 to 128 characters of any kind that are not easy to guess. Every other session of yours
    ends; a wrong current password is a 422 (`wrong-password`).
    """
    await passwords.change_own(user, body.current_password, body.new_password)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@way_in.post(
    "/auth/reset-password",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="reset_password",
    summary="Set a password with a one-time link",
    responses=problems(404),
)
async def reset_password(body: PasswordByLink, passwords: PasswordChangesDep) -> Response:
    """`token` is the last part of the link that an administrator made. It works once; every session
    of the account ends.
    """
    await passwords.set_by_link(body.token, body.new_password)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
