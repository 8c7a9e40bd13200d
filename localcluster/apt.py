"""Programs out of a Debian package, unpacked without installing it and without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .components import Component
from .errors import ClusterError

PACKAGE = "prometheus"


def unpack(component: Component, target: Path, work: Path) -> None:
    """Download the package of the wanted version with apt-get and copy its programs into ``target``."""
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(tool) is None:
            raise ClusterError(f"{component.name} comes from a Debian package, and there is no {tool} on this machine")
    work.mkdir(parents=True, exist_ok=True)
    own_lists = _own_lists(work)
    options: list[str] = []
    found = _candidate(options, component.version)
    if not found:  # the machine's package lists are empty or old; root may not be ours, so keep lists of our own
        options = own_lists
        _run(["apt-get", *options, "--quiet", "update"], work)
        found = _candidate(options, component.version)
    if not found:
        raise ClusterError(f"apt offers no {PACKAGE} {component.version}; Debian 12 has it")
    for old in work.glob(f"{PACKAGE}_*.deb"):
        old.unlink()
    _run(["apt-get", *options, "--quiet", "download", f"{PACKAGE}={found}"], work)
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    _run(["dpkg", "-x", str(next(work.glob(f"{PACKAGE}_*.deb"))), str(root)], work)
    for name, path in component.programs.items():
        shutil.copy2(root / path, target / name)
    shutil.rmtree(work)


def _own_lists(work: Path) -> list[str]:
    lists, archives = work / "lists", work / "cache"
    for folder in (lists / "partial", archives / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    own = {"Dir::State::lists": lists, "Dir::Cache": archives}
    user = ["-o", "APT::Sandbox::User=root"] if os.getuid() == 0 else []
    return [*user, *(word for key, value in own.items() for word in ("-o", f"{key}={value}"))]


def _candidate(options: Sequence[str], version: str) -> str | None:
    said = subprocess.run(
        ["apt-cache", *options, "madison", PACKAGE], capture_output=True, text=True, check=False, env=_environment()
    )
    versions = (line.split("|")[1].strip() for line in said.stdout.splitlines() if line.count("|") >= 2)
    return next((found for found in versions if found.startswith(version)), None)


def _run(argv: Sequence[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(argv)}` failed:\n{done.stderr.strip() or done.stdout.strip()}")


def _environment() -> dict[str, str]:
    return os.environ | {"LC_ALL": "C"}
