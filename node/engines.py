"""What ``make e2e-kind`` needs of a machine: kind, and a container engine that answers. What is missing has a name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

from .preconditions import Precondition

KIND = "v0.33.0"
"""The version of kind that the image of the node belongs to."""
NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""What kind makes a node of unless ``OPSSIGHT_KIND_IMAGE`` says otherwise."""
ENGINES = ("docker", "podman")
PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
SECONDS = 60.0


def node_image(environment: Mapping[str, str]) -> str:
    """The image of the node, best by digest."""
    return environment.get("OPSSIGHT_KIND_IMAGE") or NODE_IMAGE


def candidates(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The engines to ask: kind's own setting names one, else docker comes before podman."""
    chosen = environment.get(PROVIDER)
    return (chosen,) if chosen else ENGINES


def said(*command: str, seconds: float = SECONDS) -> tuple[int, str]:
    """Exit status of a command and the last line that it wrote to standard error; 127 when there is no such program."""
    if shutil.which(command[0]) is None:
        return 127, f"there is no program {command[0]}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {seconds:.0f} s"
    lines = done.stderr.strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


@cache
def answers() -> Mapping[str, str]:
    """Each engine that is asked, and why it cannot be used; empty for one that answers."""
    told = {}
    for engine in candidates(os.environ):
        # Docker's client alone exits with 0 in some versions; a server has a version.
        version = "{{.ServerVersion}}" if engine == "docker" else "{{.Version.Version}}"
        status, problem = said(engine, "info", "--format", version)
        told[engine] = "" if status == 0 else problem or f"exit status {status}"
    return told


def engine() -> str:
    """The engine to use; empty when none answers."""
    return next((name for name, problem in answers().items() if not problem), "")


def _engine_problem() -> str:
    return "; ".join(f"{name} info: {problem}" for name, problem in answers().items())


def pulled() -> str:
    """Why the image of the node is neither here nor can be pulled; empty when all is well."""
    image, one = node_image(os.environ), engine()
    if said(one, "image", "inspect", image)[0] == 0:
        return ""
    status, problem = said(one, "pull", "--quiet", image, seconds=900)
    return "" if status == 0 else problem or f"exit status {status}"


def missing() -> list[Precondition]:
    """What this machine lacks; the image of the node is asked for where everything else is there."""
    install = f"go install sigs.k8s.io/kind@{KIND}, or https://kind.sigs.k8s.io/docs/user/quick-start/#installation"
    builder = os.environ.get("BUILDER", "")
    wanted = [
        Precondition("Linux", "run it on a Linux machine: images are made of programs built for it", _linux),
        Precondition("the program kind", install, lambda: shutil.which("kind") is not None),
    ]
    if not engine():
        name = f"a container engine that answers ({_engine_problem()})"
        wanted.append(Precondition(name, "start Docker, or podman", lambda: False))
    if builder and builder not in ENGINES:
        wanted.append(Precondition(f"the program {builder}", f"apt-get install {builder}", lambda: _there(builder)))
    lacking = [one for one in wanted if not one.holds()]
    if not lacking and (problem := pulled()):
        image = node_image(os.environ)
        cure = "load it into the engine, or name another by OPSSIGHT_KIND_IMAGE; python -m node.kindimage makes one"
        lacking.append(Precondition(f"the image of the node {image} ({problem})", cure, lambda: False))
    return lacking


def _linux() -> bool:
    return sys.platform == "linux"


def _there(program: str) -> bool:
    return shutil.which(program) is not None
