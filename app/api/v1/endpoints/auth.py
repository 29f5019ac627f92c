"""Signing in, and who is signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from app.api.deps import CurrentUser, SecurityDep, ServicesDep
from app.api.openapi import problems
from app.schemas.auth import AccessToken, Me

router = APIRouter()


@router.post(
    "/auth/login",
    operation_id="login",
    summary="Sign in",
    responses=problems(401),
    tags=["auth"],
)
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    security: SecurityDep,
    services: ServicesDep,
) -> AccessToken:
    """Exchange an e-mail address (`username`) and a password for an access token.

    A wrong password and an unknown address are answered alike.
    """
    member = await security.login(form.username, form.password)
    return AccessToken(
        access_token=security.create_access_token(member, services.clock.now()),
        expires_in=security.expires_in_seconds,
    )


@router.get("/users/me", operation_id="get_me", summary="Who is signed in", tags=["auth"])
async def get_me(user: CurrentUser) -> Me:
    """The member of staff whose token was sent."""
    return Me(user_id=user.id, name=user.name, email=user.email, role=user.role)
