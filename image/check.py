"""``python -m image.check NAME:TAG``: whether the image keeps its promises, seen from inside; its size and start-up."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PYTHON = ("/opt/opssight/bin/python", "-I")
ROUNDS = 5

INSIDE = r"""
import importlib.util, json, os, stat, sys, sysconfig
from pathlib import Path
skipped = ("/proc", "/sys", "/dev", "/tmp", "/run", "/etc/resolv.conf", "/etc/hosts")
tools = ("gcc", "cc", "g++", "ld", "make", "rustc", "go", "pip", "pip3", "apt", "apt-get")
writable, setuid, compilers, bytes_ = [], [], [], 0
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if not (folder.rstrip("/") + "/" + name).startswith(skipped)]
    for name in [*folders, *files]:
        path = folder.rstrip("/") + "/" + name
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            continue
        if path.startswith(("/var/tmp", "/var/lock", "/run")) and stat.S_ISDIR(found.st_mode):
            continue
        bytes_ += found.st_size if stat.S_ISREG(found.st_mode) else 0
        if stat.S_ISREG(found.st_mode) and os.access(path, os.W_OK):
            writable.append(path)
        if found.st_mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(found.st_mode):
            setuid.append(path)
        if name in tools and "bin" in Path(folder).name and stat.S_ISREG(found.st_mode):
            compilers.append(path)
site = Path(sysconfig.get_path("purelib"))
without = [
    str(file.relative_to(site))
    for package in ("opssight_operator", "opssight_detectors", "numpy", "aiohttp", "kopf")
    for file in (site / package).rglob("*.py")
    if not Path(importlib.util.cache_from_source(str(file))).exists()
]
modes = {
    int.from_bytes(Path(importlib.util.cache_from_source(str(file))).read_bytes()[4:8], "little")
    for file in (site / "opssight_operator").rglob("*.py")
}
installers = [name for name in ("pip", "setuptools", "wheel", "ensurepip") if importlib.util.find_spec(name)]
print(json.dumps({"uid": os.getuid(), "gid": os.getgid(), "isolated": sys.flags.isolated,
    "writable": writable[:9], "setuid": setuid[:9], "compilers": compilers, "without": without[:9],
    "modes": sorted(modes), "installers": installers, "bytes": bytes_, "python": sys.version.split()[0]}))
"""


class Broken(Exception):
    """A promise that the image does not keep, as a sentence."""


@dataclass(frozen=True)
class Ran:
    """One command in the image."""

    status: int
    out: str
    err: str
    seconds: float


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
        began = time.monotonic()
        done = subprocess.run(full, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

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


def check_inside(run: Run) -> dict[str, object]:
    """What stands in the file system, and what the three faces of the image answer."""
    looked = run(*PYTHON, "-c", INSIDE)
    expect(looked.status == 0, f"the image cannot look at itself: {looked.err[-500:]}")
    seen: dict[str, object] = json.loads(looked.out)
    expect((seen["uid"], seen["gid"]) == (65532, 65532), f"it runs as {seen['uid']}:{seen['gid']}")
    for name, what in {
        "writable": "may be written by the operator",
        "setuid": "are setuid or setgid",
        "compilers": "compile or install",
        "without": "have no bytecode",
        "installers": "are Python installers",
    }.items():
        expect(not seen[name], f"these files {what}: {seen[name]}")
    expect(seen["modes"] == [1], f"bytecode is compared with its source: modes {seen['modes']}, not unchecked hashes")
    expect(seen["isolated"] == 1, "python is not isolated")
    told = run(*PYTHON, "-m", "opssight_operator.cli", "detect", "10", "12", "11", "50", "13", "12")
    expect(told.status == 0 and re.search(r"\b50\b", told.out), f"the command line fails: {told.out}{told.err}")
    expect(run("/opt/opssight/bin/opssight", "--help").status == 0, "opssight is not on the path")
    alone = run(*PYTHON, "-m", "opssight_operator")
    expect(alone.status == 2 and "ServiceAccount" in alone.err, f"outside of a cluster it says: {alone.out}{alone.err}")
    for module in ("sklearn.ensemble", "scipy.stats", "fastapi", "uvicorn"):
        expect(run(*PYTHON, "-c", f"import {module}").status == 0, f"{module} cannot be imported")
    return seen


def start_up(run: Run) -> tuple[float, float]:
    """Median seconds of the operator's start until it asks for its configuration, and of an empty process."""

    def median(*command: str) -> float:
        return statistics.median(run(*command).seconds for _ in range(ROUNDS))

    return median(*PYTHON, "-m", "opssight_operator"), median("/bin/true")


def main() -> int:
    """0 when every promise is kept; the broken one, as a sentence, and 1 otherwise."""
    image = sys.argv[1]
    try:
        check_configuration(image)
        with container(image) as run:
            seen = check_inside(run)
            whole, empty = start_up(run)
    except Broken as broken:
        sys.stderr.write(f"{image}: {broken}\n")
        return 1
    size = int(str(seen["bytes"])) / 1e6
    sys.stdout.write(
        f"{image}: as promised; {size:.0f} MB unpacked, Python {seen['python']}, "
        f"start-up {whole - empty:.2f} s ({whole:.2f} s with the container's own {empty:.2f} s)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
