"""No credential stands in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "an access key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b",
    "a token of GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}\b",
    "a token of Slack": r"\bxox[abprs]-[A-Za-z0-9-]{10,}\b",
    "a token of PyPI": r"\bpypi-AgEIcHlwaS[A-Za-z0-9_-]{20,}\b",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\b",
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'{}$<>]+:(?!pass|secret|token|x@)[^\s/:@\"'{}$<>]{6,}@[a-z0-9]",
    "a kubeconfig's key": r"client-key-data: [A-Za-z0-9+/=]{40,}",
}
EXAMPLES = {
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "an access key of AWS": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a token of GitHub": "ghp_" + "a" * 36,
    "a token of GitLab": "glpat-" + "a" * 20,
    "a token of Slack": "xoxb-" + "1" * 12,
    "a token of PyPI": "pypi-AgEIcHlwaS" + "a" * 30,
    "a signed token": ".".join(["eyJ" + "a" * 30] * 2 + ["b" * 30]),
    "a password in an address": "https://robot:" + "hunter2hunter2@git.example.com",
    "a kubeconfig's key": "client-key-data: " + "A" * 60,
}


def texts() -> list[tuple[str, str]]:
    """Every file that git knows and that is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    found = []
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            raw = path.read_bytes()
            if b"\0" not in raw[:4096]:
                found.append((name, raw.decode(errors="replace")))
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_is_recognised(shape: str) -> None:
    assert re.search(SHAPES[shape], f"x = {EXAMPLES[shape]} ")


def test_no_file_holds_a_credential() -> None:
    patterns = {shape: re.compile(pattern) for shape, pattern in SHAPES.items()}
    files = texts()
    assert len(files) > 100, "git lists the files of the repository"
    hits = [f"{name}: {shape}" for name, text in files for shape, pattern in patterns.items() if pattern.search(text)]
    assert not hits
