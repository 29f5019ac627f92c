"""The benchmark, as small as it gets: every part runs. What it measures is nobody's gate."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = {
    "rounds": 1,
    "providers": 2,
    "chairs": 1,
    "month": 2,
    "reads": 8,
    "bookings": 4,
    "days": 80,
    "history": 200,
}


class TestBench:
    def test_prints_every_figure_with_its_goal(self, tmp_path: Path) -> None:
        sizes = [f"--{name}={number}" for name, number in SMALL.items()]

        done = subprocess.run(
            [sys.executable, "-m", "bench", *sizes, f"--cache={tmp_path}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

        assert done.stderr == ""
        assert done.returncode == 0
        held = re.findall(r"^ *(.+?)  .*goal: .*: (?:met|MISSED by .+)$", done.stdout, re.MULTILINE)
        assert held == [
            "naive way / engine, 5 providers, 3 chairs, 2 days",
            "10 providers / 5, chairs and visits grown alike",
            "20 providers / 10, chairs and visits grown alike",
            "GET /availability with history / without",
            "POST /appointments/book with history / without",
            "GET /availability, a month: requests a second / reference",
            "both / CPU time of the request",
            "sequential round trips",
            "POST /appointments/book: requests a second / reference",
            "sequential round trips",
            "All middleware around a hello: requests a second / bare FastAPI",
            "GET patient-list: requests a second / reference",
            "sequential round trips",
            "GET patient: requests a second / reference",
            "sequential round trips",
            "POST /webhooks/gmail: requests a second / reference",
            "Outbox: letters claimed and noted a second / two bare updates",
            "round trips of a letter's bookkeeping",
        ]
        assert [path.name for path in tmp_path.iterdir()] == ["history-200-1"]

    def test_of_imports_prints_what_a_file_took(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bench.imports", "--rows", "10", "20"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

        assert done.stderr == ""
        assert done.returncode == 0
        names = [line[:72].strip() for line in done.stdout.splitlines()]
        measured = [
            "first: seconds",
            "first: CPU time a row, with the database",
            "first: rows a second",
            "first: commands a row",
            "again: seconds",
            "again: CPU time a row, with the database",
            "again: rows a second",
            "again: commands a row",
        ]
        assert names == [
            *[f"10 rows, {one}" for one in measured],
            "10 rows: peak memory of the process",
            *[f"20 rows, {one}" for one in measured],
            "20 rows: peak memory of the process",
            "peak memory, 20 rows / 10",
        ]
