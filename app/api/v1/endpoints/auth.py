"""Signing in, staying so, signing out, and who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from fastapi.security import OAuth2PasswordRequestForm

from app.api.deps import IdentityDep, SessionsDep, SignInDep
from app.api.limits import ClientDep
from app.api.openapi import problems
from app.schemas.auth import Me, RefreshToken, Tokens

router = APIRouter(tags=["auth"])


@router.post(
    "/auth/login",
    operation_id="login",
    summary="Sign in",
    responses=problems(401, 429),
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], sign_in: SignInDep, client: ClientDep
) -> Tokens:
    """Exchange an e-mail address (`username`) and a password for an access token and a refresh
    token. A wrong password and an unknown address are answered alike. After repeated failures
    nothing is compared any more for a while, but for places the account signed in from before.
    """
    return Tokens.model_validate(await sign_in.login(form.username, form.password, client))


@router.post(
    "/auth/refresh",
    operation_id="refresh",
    summary="Stay signed in",
    responses=problems(401),
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
