"""A thousand guesses at one account, against two processes that count together."""

import asyncio
import uuid
from collections import Counter
from pathlib import Path

import httpx
import pytest

from app.demo.walkthrough import ADMIN_EMAIL
from tests.factories import SECRET
from tests.system.service import PASSWORD, Live, live, log_of
from tests.system.test_replicas import practice

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(900)]

GUESSES, AT_ONCE = 1000, 20
LOGIN = "/api/v1/auth/login"


async def login(service: Live, password: str, came_from: str | None = None) -> httpx.Response:
    """A try to sign in, handed on by a proxy on this machine where `came_from` is given."""
    headers = {"X-Forwarded-For": came_from} if came_from else {}
    form = {"username": ADMIN_EMAIL, "password": password}
    return await service.client.post(LOGIN, data=form, headers=headers)


async def guess(services: list[Live]) -> Counter[int]:
    """All guesses, from fifty places and at both processes in turn."""
    found: Counter[int] = Counter()
    for start in range(0, GUESSES, AT_ONCE):
        tries = (
            login(services[n % len(services)], f"guess number {n}", f"192.0.2.{n % 50}")
            for n in range(start, start + AT_ONCE)
        )
        found.update(answer.status_code for answer in await asyncio.gather(*tries))
    return found


class TestAThousandGuesses:
    async def test_few_are_compared_and_the_real_user_stays_in_and_gets_in(
        self, mongo_uri: str, tmp_path: Path
    ) -> None:
        name = f"t_{uuid.uuid4().hex}"
        shared = {
            "MONGO_URI": mongo_uri,
            "DATABASE_NAME": name,
            "JWT_SECRET_KEY": SECRET,
            "DEMO_DATA": "false",
            "RATE_LIMITS": "on",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        folders = [tmp_path / "one", tmp_path / "two"]
        async with (
            practice(mongo_uri, name),
            live(folders[0], **shared) as one,
            live(folders[1], **shared) as two,
        ):
            found = await guess([one, two])
            elsewhere = await login(two, PASSWORD, "198.51.100.4")
            at_the_desk = await login(two, PASSWORD)
            still_in = await one.api.get("/users/me")
            body = {"refresh_token": at_the_desk.json()["refresh_token"]}
            refreshed = await one.client.post("/api/v1/auth/refresh", json=body)

        # Ten in five minutes, and a hundred in a day however slow the machine is.
        assert found.keys() == {401, 429}
        assert 10 <= found[401] <= 100
        assert elsewhere.status_code == 429
        assert 0 < int(elsewhere.headers["Retry-After"]) <= 300
        assert at_the_desk.status_code == 200
        assert still_in["email"] == ADMIN_EMAIL
        assert refreshed.status_code == 200
        for folder in folders:
            assert "Traceback" not in log_of(folder)
            assert "192.0.2" not in log_of(folder)
