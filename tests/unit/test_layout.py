"""The two source roots stay source roots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("root", ["operator", "detectors"])
def test_a_source_root_is_never_a_package(root: str) -> None:
    assert (ROOT / root).is_dir()
    assert not (ROOT / root / "__init__.py").exists(), f"{root}/__init__.py would shadow the module of that name"


def test_the_standard_library_works_in_the_root_of_the_repository() -> None:
    code = "import collections, operator; assert operator.itemgetter(0)((7,)) == 7; print(operator.__file__)"
    answer = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert not answer.stdout.startswith(str(ROOT))
