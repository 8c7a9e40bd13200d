"""The images that a node runs, built without a registry, as archives in the cache; what is there is kept.

Needs the network the first time: Debian packages for the base, wheels for the operator. Another builder than buildah on
that base is for clusters that are not ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.build import Progress, folder, one_at_a_time, program
from localcluster.components import cache_root, providing
from localcluster.errors import ClusterError
from localcluster.toolchain import version as go_version

from . import config, dns
from .builders import STAND_IN, Builder, our_own

ROOT = Path(__file__).resolve().parents[1]
OPERATOR = "localhost/opssight-operator"
NEXT_VERSION = "0.1.0+next"
PROMETHEUS, PROMETHEUS_OPERATOR, RELOADER = (
    f"localhost/{name}:1" for name in ("prometheus", "prometheus-operator", "prometheus-config-reloader")
)
PROGRAMS = {
    config.PAUSE: "pause",
    dns.IMAGE: "coredns",
    PROMETHEUS: "prometheus",
    PROMETHEUS_OPERATOR: "prometheus-operator",
    RELOADER: "prometheus-config-reloader",
}
"""Image -> the program that is all of it."""


@dataclass(frozen=True)
class Archive:
    """An image, what it depends on, and how to build it into the store."""

    image: str
    inputs: str
    build: Callable[[], None]
    builder: Builder

    @property
    def path(self) -> Path:
        """Where the archive is in the cache; those of one builder do not push out those of another."""
        name = self.image.removeprefix("localhost/").replace(":", "-").replace("+", "-")
        name = f"{self.builder.name}-{name}" if self.builder.inputs() else name
        return cache_root() / "images" / f"{name}-{self.inputs[:12]}.tar"


def environment() -> dict[str, str]:
    """A store of images of our own, so that nothing of the user's is touched."""
    home = cache_root() / "containers"
    home.mkdir(parents=True, exist_ok=True)
    storage = home / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{home}/store"\nrunroot = "{home}/run"\n')
    limits = home / "containers.conf"  # this user may not raise the limits that buildah would set
    limits.write_text('[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n')
    return os.environ | {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(limits)}


def run(*command: str, settings: Mapping[str, str] | None = None, input: str | None = None) -> str:
    """Run a builder; raises ``ClusterError`` with the end of what it said."""
    done = subprocess.run(
        command,
        env=environment() | dict(settings or {}),
        cwd=ROOT,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command[:4])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def digest(*parts: str | Path) -> str:
    """Of texts and of files; a folder counts with every file in it."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode() + b"\0")
            continue
        files = sorted(path for path in part.rglob("*") if path.is_file()) if part.is_dir() else [part]
        for path in files:
            if "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _of_program(image: str, name: str, builder: Builder) -> Archive:
    """``FROM scratch`` with one program in /bin."""

    def build() -> None:
        text = f'FROM scratch\nCOPY {name} /bin/{name}\nUSER 65532:65532\nENTRYPOINT ["/bin/{name}"]\n'
        context = folder(providing(name))
        program(name)  # says how to build it when it is missing
        run(*builder.build(image, context), input=text)

    inputs = digest(image, providing(name).key(go_version()), *builder.inputs())
    return Archive(image, inputs, build, builder)


def operator_version() -> str:
    """The version that this checkout builds."""
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))


def operator_image() -> str:
    """The name of the image as shipped."""
    return f"{OPERATOR}:{operator_version()}"


def next_image() -> str:
    """The name of the image of a changed version."""
    return f"{OPERATOR}:next"


def _operator(builder: Builder) -> Archive:
    """The image of the Dockerfile, by ``image/build.sh``."""
    sources = [
        ROOT / name for name in ("Dockerfile", "image/base.sh", "image/build.sh", "requirements", "pyproject.toml")
    ]
    code = [ROOT / "operator" / "opssight_operator", ROOT / "detectors" / "opssight_detectors"]

    def build() -> None:
        look = ["buildah", "inspect", STAND_IN]
        if (
            builder.base == STAND_IN
            and subprocess.run(look, env=environment(), capture_output=True, check=False).returncode
        ):
            run("image/base.sh", STAND_IN)
        run("image/build.sh", operator_image(), settings=builder.settings())

    return Archive(operator_image(), digest(*sources, *code, *builder.inputs()), build, builder)


def _next(shipped: Archive) -> Archive:
    """The same with another version inside, by which a running pod can be told from one of the image before."""
    python = "/opt/opssight/bin/python"
    find = f"{python} -c 'import opssight_operator; print(opssight_operator.__file__)'"
    text = (
        f"FROM {shipped.image}\nUSER 0\n"
        f'RUN module="$({find})" \\\n'
        f' && sed -i \'s/^__version__ = .*/__version__ = "{NEXT_VERSION}"/\' "$module" \\\n'
        f' && {python} -m compileall -q -f --invalidation-mode unchecked-hash "$module"\n'
        "USER 65532:65532\n"
    )

    def build() -> None:
        run(*shipped.builder.build(next_image(), ROOT / "image"), input=text)

    return Archive(next_image(), digest(shipped.inputs, text), build, shipped.builder)


def archives(builder: Builder | None = None, programs: Iterable[str] = tuple(PROGRAMS)) -> list[Archive]:
    """Everything that the whole product needs on a node; by default on one of ours, and built as for it."""
    builder = builder or our_own()
    shipped = _operator(builder)
    return [*(_of_program(image, PROGRAMS[image], builder) for image in programs), shipped, _next(shipped)]


def build(say: Callable[[str], None], wanted: Sequence[Archive]) -> list[Path]:
    """Build what is missing, and return all archives."""
    with one_at_a_time(Progress()):
        for archive in wanted:
            if archive.path.exists():
                continue
            began = time.monotonic()
            archive.build()
            archive.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = archive.path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            run(*archive.builder.save(archive.image, fresh))
            fresh.rename(archive.path)
            others = archive.path.parent.glob(archive.path.name[: -len("000000000000.tar")] + "*.tar")
            for old in sorted(others, key=lambda path: path.stat().st_mtime)[:-2]:  # two checkouts may take turns
                old.unlink()
            size = archive.path.stat().st_size / 1e6
            say(f"image {archive.image}, {size:.0f} MB, built in {time.monotonic() - began:.0f} s")
    return [archive.path for archive in wanted]


def check(archive: Archive) -> str:
    """What ``image.check`` says of exactly the image in an archive; raises ``ClusterError`` with a broken promise."""
    run(*archive.builder.load(archive.path))
    return run(sys.executable, "-m", "image.check", archive.image, settings=archive.builder.settings())


def forget() -> None:
    """Remove the store and the archives."""
    subprocess.run(["buildah", "rmi", "--all", "--force"], env=environment(), capture_output=True, check=False)
    for name in ("images", "containers"):
        shutil.rmtree(cache_root() / name, ignore_errors=True)
