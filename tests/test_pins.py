"""What is installed is what was locked: every package, at its version, with its hashes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNTIME, ALL = "requirements.lock", "requirements-dev.lock"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """The version of each package a file names."""
    found = PIN.findall((ROOT / name).read_text())
    return {plain(package): version for package, version in found}


def plain(package: str) -> str:
    """A package's name as it is compared (PEP 503)."""
    return re.sub("[._-]+", "-", package).casefold()


class TestLocks:
    @pytest.mark.parametrize(
        ("named", "lock"), [("requirements.txt", RUNTIME), ("requirements-dev.txt", ALL)]
    )
    def test_hold_what_is_pinned(self, named: str, lock: str) -> None:
        """`make lock` after a change of a pin."""
        assert len(pins(named)) > 20
        assert pins(named).items() <= pins(lock).items()

    def test_agree(self) -> None:
        assert pins(RUNTIME).items() < pins(ALL).items()

    @pytest.mark.parametrize("lock", [RUNTIME, ALL])
    def test_give_every_package_its_hashes(self, lock: str) -> None:
        entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE)
        packages = [entry for entry in entries if entry.strip()]

        assert len(packages) >= len(pins(lock)) > 80
        bare = [one for one in packages if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", one)]
        assert bare == []

    def test_are_what_make_installs(self) -> None:
        lines = (ROOT / "Makefile").read_text().splitlines()

        installing = [line for line in lines if "pip install" in line or "$(INSTALL)" in line]

        assert [line for line in installing if "--require-hashes" in line] == installing[:1]
        assert [line.split()[-1] for line in installing[1:]] == [RUNTIME, ALL]


class TestBillOfMaterials:
    def test_names_what_is_installed_in_cyclonedx(self, tmp_path: Path) -> None:
        """The command of `make sbom`, less the check of its own output, which takes long."""
        line = next(
            one for one in (ROOT / "Makefile").read_text().splitlines() if "cyclonedx-py" in one
        )
        options = line.partition("cyclonedx-py ")[2].replace("$(SBOM_OF)", sys.executable).split()
        command = [sys.executable, "-m", "cyclonedx_py", *options, "--no-validate"]

        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

        bill = json.loads((tmp_path / "sbom.json").read_text())
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
        listed = {plain(one["name"]): one["version"] for one in bill["components"]}
        assert pins("requirements.txt").items() <= listed.items()
        assert all("purl" in one for one in bill["components"])
