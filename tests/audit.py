"""`make audit`: asks an advisory service about each locked package, and says what it could not ask.

Exit status: 0 nothing known against any, 1 something is, 2 some could not be asked about.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PINS = ("requirements-dev.lock",)
SECONDS = 600


def main(services: tuple[str, ...] = ("pypi", "osv")) -> int:
    """Asks one service after the other until one knows every package; prints what came of it."""
    for service in services:
        found = asked(service)
        if found is None:
            _say(f"{service}: no answer. This machine cannot reach the advisory service.")
            continue
        unknown = [one["name"] for one in found if "skip_reason" in one]
        vulnerable = [one for one in found if one.get("vulns")]
        _say(f"{service}: {len(found) - len(unknown)} of {len(found)} packages looked up.")
        for one in vulnerable:
            ids = ", ".join(known["id"] for known in one["vulns"])
            _say(f"  {one['name']} {one['version']}: {ids}")
        if vulnerable:
            return 1
        if found and not unknown:
            return 0
    _say("NOT AUDITED: no advisory service knew every package. Run this where one can be reached.")
    return 2


def asked(service: str) -> list[dict[str, Any]] | None:
    """What `service` says about each pin; `None` where it cannot be reached."""
    pins = [argument for name in PINS for argument in ("-r", str(ROOT / name))]
    options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", f"--vulnerability-service={service}", *options, *pins],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        return None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
