"""A process that lives as long as a block of code."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


@contextlib.contextmanager
def process(
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    patience: float = 20.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is ended by SIGTERM, and by SIGKILL when it does not listen for ``patience`` seconds."""
    with log.open("wb") as out:
        child = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=folder)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
