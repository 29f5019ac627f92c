"""`python -m app.demo.gmail --port 8090 --webhook http://127.0.0.1:8000/api/v1/webhooks/gmail`."""

from typing import Annotated

import typer
import uvicorn

from app.demo.gmail.push import ACCOUNT, AUDIENCE, PushTarget
from app.demo.gmail.server import FakeGmail


def serve(
    *,
    port: Annotated[int, typer.Option(help="Where it listens, on 127.0.0.1.")] = 8090,
    mailbox: Annotated[str, typer.Option(help="Whose mailbox it is.")] = "frontdesk@example.com",
    webhook: Annotated[str | None, typer.Option(help="Where notifications are pushed.")] = None,
    audience: Annotated[str, typer.Option(help="PUBSUB_AUDIENCE.")] = AUDIENCE,
    account: Annotated[str, typer.Option(help="PUBSUB_SERVICE_ACCOUNT.")] = ACCOUNT,
    seed: Annotated[int | None, typer.Option(help="Makes faults repeatable.")] = None,
) -> None:
    """Serve a Gmail in memory until Ctrl-C."""
    target = PushTarget(webhook, audience, account) if webhook else None
    fake = FakeGmail(mailbox, target=target, seed=seed)
    uvicorn.run(fake.application(), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    typer.run(serve)
