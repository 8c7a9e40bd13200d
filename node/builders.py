"""The commands of a program that builds images, as values: buildah, which our own node uses, or a container engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STAND_IN = "localhost/python:3.11-standin"
"""The base where no registry can be reached, by ``image/base.sh``."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Builder:
    """``name`` is buildah, podman or docker; ``base`` the base of the operator's image, empty for the Dockerfile's."""

    name: str
    base: str = ""
    flags: str = ""
    """Of an engine, such as ``--network host``; for buildah those of ``image/build.sh`` alone."""

    def build(self, image: str, context: Path) -> list[str]:
        """Build an image from a Dockerfile on standard input."""
        isolated = ["--isolation", "chroot", "--network", "host"] if self.name == "buildah" else self.flags.split()
        local = [] if self.name == "docker" else ["--pull-never"]  # docker asks for nothing that it has
        return [self.name, "build", *isolated, *local, "--tag", image, "--file", "-", str(context)]

    def save(self, image: str, archive: Path) -> list[str]:
        """Write an image as an archive that containerd reads."""
        if self.name == "buildah":
            return ["buildah", "push", "--quiet", image, f"docker-archive:{archive}:{image}"]
        return self.save_together([image], archive)

    def save_together(self, images: Sequence[str], archive: Path) -> list[str]:
        """Write images as one archive, each layer once; an engine alone can."""
        form = ["--quiet", "--format", "docker-archive"] if self.name == "podman" else []
        many = ["--multi-image-archive"] if self.name == "podman" and len(images) > 1 else []
        return [self.name, "save", *form, *many, "--output", str(archive), *images]

    def load(self, archive: Path) -> list[str]:
        """Bring the image of an archive into the builder's own store, under its name."""
        if self.name == "buildah":
            return ["buildah", "pull", "--quiet", f"docker-archive:{archive}"]
        return [self.name, "load", "--quiet", "--input", str(archive)]

    def settings(self) -> dict[str, str]:
        """The environment that ``image/build.sh`` reads."""
        return {"BUILDER": self.name, "BASE": self.base, "BUILD_FLAGS": self.flags}

    def inputs(self) -> tuple[str, ...]:
        """What an image depends on beside its sources; nothing for the one that always builds alike."""
        return () if (self.name, self.base) == ("buildah", STAND_IN) else (self.name, self.base, self.flags)


def our_own() -> Builder:
    """Buildah on the stand-in, without a registry."""
    # Layers: the wheels stay when code alone has changed. A label may then be an old one; nothing else is.
    flags = ["--pull-never", "--network host", "--layers"]
    if CERTIFICATES.exists():  # a machine may trust more than Debian does
        flags.append(f"--volume {CERTIFICATES}:{CERTIFICATES}:ro")
    return Builder("buildah", STAND_IN, " ".join(flags))


def of_engine(engine: str, environment: Mapping[str, str]) -> Builder:
    """The engine that kind uses; ``BUILDER``, ``BASE`` and ``BUILD_FLAGS`` choose as they do for ``make image``."""
    if environment.get("BUILDER") == "buildah" and not environment.get("BASE"):
        return our_own()
    chosen = environment.get("BUILDER") or engine
    return Builder(chosen, environment.get("BASE", ""), environment.get("BUILD_FLAGS", ""))
