"""What stands in the image, told by its own Python as JSON; ``image.check`` runs this text in a container of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SKIPPED = ("/proc", "/sys", "/dev", "/tmp", "/run", "/etc/resolv.conf", "/etc/hosts")
TOOLS = ("gcc", "cc", "g++", "ld", "make", "rustc", "go", "pip", "pip3", "apt", "apt-get")
INSTALLERS = ("pip", "setuptools", "wheel", "ensurepip")
WITHOUT_BYTECODE = "kubernetes/(aio/)?client/(api|models)/"
"""What the Dockerfile leaves uncompiled on purpose: models that nobody imports."""
UNCHECKED_HASH = 1
MANY = 9  # of each kind of offender, so that the sentence stays readable


def found() -> Iterator[tuple[str, os.stat_result]]:
    """Every file and folder that the image has, without links and without what a container adds."""
    for folder, folders, files in os.walk("/"):
        start = folder.rstrip("/") + "/"
        folders[:] = [name for name in folders if not (start + name).startswith(SKIPPED)]
        for name in [*folders, *files]:
            status = (Path(folder) / name).lstat()
            if not stat.S_ISLNK(status.st_mode):
                yield start + name, status


def sources() -> list[Path]:
    """The Python files that must have bytecode: everything installed, and the whole standard library."""
    site, library = (Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib"))
    apart = ("site-packages", "dist-packages")
    installed = [file for file in site.rglob("*.py") if not re.search(WITHOUT_BYTECODE, str(file))]
    return installed + [file for file in library.rglob("*.py") if not set(apart) & set(file.parts)]


def bytecode_flags(file: Path) -> int | None:
    """How the bytecode of a source is held against it; None when there is none."""
    cached = Path(importlib.util.cache_from_source(str(file)))
    return int.from_bytes(cached.read_bytes()[4:8], "little") if cached.exists() else None


def seen() -> dict[str, object]:
    """Everything that ``image.check`` judges."""
    files = [(path, status) for path, status in found() if stat.S_ISREG(status.st_mode)]
    flags = {file: bytecode_flags(file) for file in sources()}
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "isolated": sys.flags.isolated,
        "python": sys.version.split()[0],
        "bytes": sum(status.st_size for _, status in files),
        "writable": [path for path, _ in files if os.access(path, os.W_OK)][:MANY],
        "setuid": [path for path, status in files if status.st_mode & (stat.S_ISUID | stat.S_ISGID)][:MANY],
        "compilers": [path for path, _ in files if Path(path).name in TOOLS and "bin" in Path(path).parent.name],
        "installers": [name for name in INSTALLERS if importlib.util.find_spec(name)],
        "compiled": sum(flag is not None for flag in flags.values()),
        "without": [str(file) for file, flag in flags.items() if flag is None][:MANY],
        "compared": [str(file) for file, flag in flags.items() if flag not in (None, UNCHECKED_HASH)][:MANY],
        "distributions": {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(seen()))
