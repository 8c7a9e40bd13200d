"""``python -m image.check NAME:TAG``: whether the image keeps its promises, seen from inside; its size and start-up."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .attest import bill_of_this_checkout

PYTHON = ("/opt/opssight/bin/python", "-I")
INSIDE, STARTING = (Path(__file__).with_name(name).read_text() for name in ("inside.py", "starting.py"))
SIZE_TARGET = 520
"""Megabytes, unpacked."""
START_TARGET = 3.0
"""Seconds of computing until the operator asks for its configuration: what it takes on a core of its own."""


class Broken(Exception):
    """A promise that the image does not keep, as a sentence."""


@dataclass(frozen=True)
class Ran:
    """One command in the image."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


def builder() -> str:
    """The tool that can run the image; the same choice as build.sh's."""
    chosen = os.environ.get("BUILDER")
    for name in [chosen] if chosen else ["podman", "buildah", "docker"]:
        if name and shutil.which(name):
            return name
    raise Broken("none of podman, buildah and docker is there to run the image")


@contextmanager
def container(image: str) -> Iterator[Run]:
    """Runs commands in the image as it would run in a pod: uid 65532, without the network."""
    tool = builder()
    made = ""
    if tool == "buildah":
        made = subprocess.run(["buildah", "from", image], capture_output=True, text=True, check=True).stdout.strip()
        prefix = ["buildah", "run", "--isolation", "chroot", "--user", "65532:65532", made, "--"]
    else:
        prefix = [tool, "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL"]

    def run(*command: str) -> Ran:
        full = [*prefix, *command] if tool == "buildah" else [*prefix, "--entrypoint", command[0], image, *command[1:]]
        done = subprocess.run(full, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return Ran(done.returncode, done.stdout, done.stderr)

    try:
        yield run
    finally:
        if made:
            subprocess.run(["buildah", "rm", made], capture_output=True, check=False)


def config_of(image: str) -> dict[str, object]:
    """The configuration in the image, as OCI writes it."""
    tool = builder()
    if tool == "buildah":
        said = subprocess.run(
            ["buildah", "inspect", "--type", "image", image], capture_output=True, text=True, check=True
        )
        found: dict[str, object] = json.loads(said.stdout)["OCIv1"]["config"]
        return found
    said = subprocess.run([tool, "image", "inspect", image], capture_output=True, text=True, check=True)
    configuration: dict[str, object] = json.loads(said.stdout)[0]["Config"]
    return configuration


def expect(truth: object, sentence: str) -> None:
    """Raise the sentence unless it is true."""
    if not truth:
        raise Broken(sentence)


def check_configuration(image: str) -> None:
    """User, entry point and labels."""
    config = config_of(image)
    labels = config.get("Labels") or {}
    expect(config["User"] == "65532:65532", f"User is {config['User']}; it must be 65532:65532")
    expect(config["Entrypoint"] == [*PYTHON, "-m"], f"Entrypoint is {config['Entrypoint']}")
    expect(config["Cmd"] == ["opssight_operator"], f"Cmd is {config['Cmd']}")
    assert isinstance(labels, dict)
    for name in ("title", "version", "revision", "created", "licenses", "base.name"):
        expect(labels.get(f"org.opencontainers.image.{name}"), f"the label org.opencontainers.image.{name} is missing")


def check_distributions(installed: dict[str, str], bill: dict[str, Any]) -> None:
    """What is installed is what the bill of materials says, each in its version and nothing beside it."""
    listed = {plain(part["name"]): part["version"] for part in [bill["metadata"]["component"], *bill["components"]]}
    there = {plain(name): version for name, version in installed.items()}
    for name in sorted(listed.keys() | there.keys()):
        image, said = there.get(name, "missing"), listed.get(name, "missing")
        expect(image == said, f"{name} is {image} in the image and {said} in the bill of materials")


def plain(name: str) -> str:
    """The name of a distribution, however it is spelt."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check_inside(run: Run) -> dict[str, Any]:
    """What stands in the file system, and what the three faces of the image answer."""
    looked = run(*PYTHON, "-c", INSIDE)
    expect(looked.status == 0, f"the image cannot look at itself: {looked.err[-500:]}")
    seen: dict[str, Any] = json.loads(looked.out)
    expect((seen["uid"], seen["gid"]) == (65532, 65532), f"it runs as {seen['uid']}:{seen['gid']}")
    for name, what in {
        "writable": "may be written by the operator",
        "setuid": "are setuid or setgid",
        "compilers": "compile or install",
        "without": "have no bytecode",
        "compared": "have bytecode that is compared with its source, so that an age decides",
        "installers": "are Python installers",
    }.items():
        expect(not seen[name], f"these files {what}: {seen[name]}")
    expect(seen["compiled"] > 1000, f"only {seen['compiled']} sources were looked at for their bytecode")
    expect(seen["isolated"] == 1, "python is not isolated")
    check_distributions(seen["distributions"], bill_of_this_checkout())
    told = run(*PYTHON, "-m", "opssight_operator.cli", "detect", "10", "12", "11", "50", "13", "12")
    expect(told.status == 0 and re.search(r"\b50\b", told.out), f"the command line fails: {told.out}{told.err}")
    expect(run("/opt/opssight/bin/opssight", "--help").status == 0, "opssight is not on the path")
    alone = run(*PYTHON, "-m", "opssight_operator")
    expect(alone.status == 2 and "ServiceAccount" in alone.err, f"outside of a cluster it says: {alone.out}{alone.err}")
    for module in ("sklearn.ensemble", "scipy.stats", "fastapi", "uvicorn"):
        expect(run(*PYTHON, "-c", f"import {module}").status == 0, f"{module} cannot be imported")
    return seen


def start_up(run: Run) -> dict[str, float]:
    """Seconds ``computed`` and ``passed`` until the operator asks for its configuration."""
    measured = run(*PYTHON, "-c", STARTING)
    expect(measured.status == 0, f"the start cannot be measured: {measured.err[-500:]}")
    seconds: dict[str, float] = json.loads(measured.out)
    return seconds


def check_targets(megabytes: float, seconds: float) -> None:
    """Size and start-up time, as docs/operations.md promises them."""
    expect(megabytes <= SIZE_TARGET, f"it is {megabytes:.0f} MB unpacked; the target is {SIZE_TARGET} MB")
    expect(seconds <= START_TARGET, f"the operator computes {seconds:.2f} s to start; the target is {START_TARGET} s")


def main() -> int:
    """0 when every promise is kept; the broken one, as a sentence, and 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m image.check", description=__doc__)
    parser.add_argument("image", help="NAME:TAG of a built image")
    image = parser.parse_args().image
    try:
        check_configuration(image)
        with container(image) as run:
            seen = check_inside(run)
            start = start_up(run)
        megabytes = seen["bytes"] / 1e6
        check_targets(megabytes, start["computed"])
    except Broken as broken:
        sys.stderr.write(f"{image}: {broken}\n")
        return 1
    sys.stdout.write(
        f"{image}: as promised; {megabytes:.0f} MB unpacked (target {SIZE_TARGET}), Python {seen['python']}, "
        f"{len(seen['distributions'])} distributions, {seen['compiled']} sources with bytecode, "
        f"start-up {start['computed']:.2f} s of computing (target {START_TARGET}) in {start['passed']:.2f} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
