"""``python -m image.audit``: what this machine lacks for ``make audit``, by name; it exits with 1 if it lacks anything.

``make audit`` fails for what it cannot ask, as a release must. The checks of a change run where there may be neither uv
nor a network; they ask here first, and say that the audit was not run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.error
import urllib.request

ADVISORIES = "https://pypi.org/pypi/pip/json"  # of the API that pip-audit asks
SECONDS = 10.0
FETCH_SECONDS = 120.0


def lacking(advisories: str = ADVISORIES, seconds: float = SECONDS) -> list[str]:
    """What is missing; empty when the audit can be run."""
    uv = shutil.which("uv")
    missing = [] if uv else ["uv, which runs pip-audit"]
    if not _answers(advisories, seconds):
        missing.append(f"an answer of {advisories}, where the advisories are")
    elif uv and not _runs(uv):
        missing.append("pip-audit, which uv cannot fetch here")
    return missing


def _answers(url: str, seconds: float) -> bool:
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - a constant, or a test's own server
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _runs(uv: str) -> bool:
    try:
        command = [uv, "tool", "run", "pip-audit", "--version"]
        return subprocess.run(command, capture_output=True, check=False, timeout=FETCH_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    lacks = lacking()
    sys.stdout.write("".join(f"{one}\n" for one in lacks))
    sys.exit(bool(lacks))
