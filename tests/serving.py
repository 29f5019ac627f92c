"""The application as tests need it: on a real socket, or with a part of its agent replaced."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from app.services.container import Services


def replace_in_agent(app: FastAPI, **parts: Any) -> None:
    """Have the requests of a running application find these parts of the agent."""
    services = app.state.lifespan_state["services"]
    assert isinstance(services, Services)
    agent = dataclasses.replace(services.agent, **parts)
    app.state.lifespan_state["services"] = dataclasses.replace(services, agent=agent)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve on a free port of this machine until the block ends; the address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    task = asyncio.create_task(server._serve())
    try:
        while not server.started:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
