"""Files that are made from the code: written, or compared with what is there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def settle(files: Mapping[str, str], folder: Path, *, check: bool) -> int:
    """Write ``files`` (name to text) into ``folder``; with ``check`` change nothing.

    Returns the exit status: 1 when ``check`` found a file that is not as generated, which is said on stderr.
    """
    differ = [name for name, text in files.items() if _read(folder / name) != text]
    if not check:
        folder.mkdir(parents=True, exist_ok=True)
        for name in differ:
            (folder / name).write_text(files[name])
        return 0
    for name in differ:
        sys.stderr.write(f"{folder / name} is not as generated; run `make generate`\n")
    return 1 if differ else 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
