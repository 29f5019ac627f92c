"""`docs/security.md` says what is true: every requirement once, every named test there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (\d+) \| (.+) \| (met|not applicable|open) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
REQUIREMENTS, FEWEST_MET = 48, 47


def rows() -> list[tuple[str, ...]]:
    """Number, requirement, state and evidence of each."""
    found: list[tuple[str, ...]] = ROW.findall((ROOT / "docs" / "security.md").read_text())
    return found


def names_in(path: Path) -> set[str]:
    """The names of the tests in a file, in classes and outside."""
    tree = ast.parse(path.read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


class TestTable:
    def test_has_one_row_for_each_requirement(self) -> None:
        assert [int(row[0]) for row in rows()] == list(range(1, REQUIREMENTS + 1))

    def test_what_is_met_names_tests_that_exist(self) -> None:
        missing = [
            f"{number}: {path}::{name}"
            for number, _, _, evidence in rows()
            for path, name in NAMED.findall(evidence)
            if not (ROOT / path).is_file() or name not in names_in(ROOT / path)
        ]

        assert missing == []
        assert [row[0] for row in rows() if row[2] == "met" and not NAMED.search(row[3])] == []

    def test_most_of_them_are_met(self) -> None:
        assert sum(row[2] == "met" for row in rows()) >= FEWEST_MET
