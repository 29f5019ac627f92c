"""`make fuzz`: schemathesis over every operation of a service, with and without a sign-in.

`FUZZ_EXAMPLES` is how many requests an operation gets in the fuzzing phase (200), beside those of
the coverage and example phases. Prints schemathesis' own report; exits with 0 where nothing was
found.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system.service import ROOT, live

CONFIG = Path(__file__).parent / "schemathesis.toml"
LEFT_OUT = r"^/api/v1/(auth/logout|users/me/password|admin/events)$"
"""With a sign-in: the first two would end it, the stream of events would not end. Without one they
are tried like the others."""
EVERY_PHASE = "examples,coverage,fuzzing"
LASTS = {
    "ACCESS_TOKEN_EXPIRE_MINUTES": "1440",
    "SESSION_IDLE_MINUTES": "1440",
    "SESSION_HOURS": "24",
    "LOG_LEVEL": "ERROR",
}
"""The sign-in outlasts the run."""


def run(folder: Path, url: str, examples: int, phases: str, *options: str) -> int:
    """One run of schemathesis, which keeps notes in `folder`, against the service at `url`; its
    exit status.
    """
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), f"--config-file={CONFIG}", "run"),
        *(
            f"{url}/openapi.json",
            f"--phases={phases}",
            f"--max-examples={examples}",
        ),
        *("--continue-on-failure", "--no-shrink", "--request-timeout=60"),
        *options,
    ]
    own = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **own},  # noqa: TID251 - handed on to the child, not read
        check=False,
    ).returncode


async def fuzz(folder: Path, examples: int, phases: str = EVERY_PHASE) -> list[int]:
    """Both runs on one service with a demo clinic: how each ended, 0 where it found nothing."""
    async with live(folder, **LASTS) as service:
        url = str(service.client.base_url).rstrip("/")
        signed_in = (
            f"--header=Authorization: {service.api.headers['Authorization']}",
            f"--exclude-path-regex={LEFT_OUT}",
        )
        return [
            await asyncio.to_thread(run, folder, url, examples, phases, *more)
            for more in (signed_in, ())
        ]


async def main(examples: int) -> int:
    """0 where neither run found anything."""
    with tempfile.TemporaryDirectory(prefix="dental-fuzz-") as folder:
        return max(await fuzz(Path(folder), examples))


if __name__ == "__main__":
    wanted = int(os.environ.get("FUZZ_EXAMPLES", "200"))  # noqa: TID251 - the run's own switch
    sys.exit(asyncio.run(main(wanted)))
