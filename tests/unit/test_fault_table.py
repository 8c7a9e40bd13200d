"""The table of faults for users and the cases of the tests are the same, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from component.fault_cases import CONTROL_PLANE, KUBERNETES, PROMETHEUS, WITH_A_TEST_OF_THEIR_OWN, slug
from opssight_operator.api.conditions import Reason

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "operations.md").read_text().partition("\n## Faults\n")[2].partition("\n## ")[0]
CASES = [*KUBERNETES, *CONTROL_PLANE, *PROMETHEUS, *WITH_A_TEST_OF_THEIR_OWN]


def rows() -> dict[str, list[str]]:
    """The cells beside each fault."""
    lines = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")]
    found = [(name, cells) for name, *cells in lines if cells[0] != "what you see"]
    assert len(found) == len(dict(found)), "a fault stands there twice"
    return dict(found)


def test_every_fault_that_is_tested_stands_in_the_table_and_the_table_has_no_other() -> None:
    assert set(rows()) == set(CASES)
    assert len({slug(name) for name in CASES}) == len(CASES)
    assert all(len(cells) == 2 and all(cells) for cells in rows().values())


@pytest.mark.parametrize("name", [*PROMETHEUS, *KUBERNETES])
def test_the_table_has_the_reason_that_the_test_waits_for(name: str) -> None:
    _, reason = (PROMETHEUS | KUBERNETES)[name]
    seen, _ = rows()[name]
    assert [word for word in re.findall(r"`(\w+)`", seen) if word in set(Reason)] == [reason] * bool(reason)


@pytest.mark.parametrize("name", WITH_A_TEST_OF_THEIR_OWN)
def test_the_tests_of_other_faults_exist(name: str) -> None:
    file, test = WITH_A_TEST_OF_THEIR_OWN[name]
    assert f"\ndef {test}(" in (ROOT / "tests" / "component" / file).read_text()
