"""Who may ask: bearer tokens from a file, read anew when it changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class TokenFile:
    """Tokens of a file, one a line; empty lines and those with ``#`` in front are skipped.

    Two tokens in the file at the same time let clients change from one to the other. While the file cannot be read or
    holds no token, nobody is let in.
    """

    def __init__(self, path: Path) -> None:
        """Raises ``ValueError`` when the file cannot be read or holds no token: a server should not start so."""
        self._path = path
        self._stamp: Stamp | None = None
        self._digests: tuple[bytes, ...] = ()
        try:
            self._digests, self._stamp = _digests(path), _stamp(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"token_file is {str(path)!r}; it must be a readable text file: {error}") from None
        if not self._digests:
            raise ValueError(f"token_file is {str(path)!r}; it must hold at least one token, one a line")

    def allows(self, authorization: str | None) -> bool:
        """Whether the header ``Authorization`` carries one of the tokens; takes as long for every wrong one."""
        self._refresh()
        scheme, _, token = (authorization or "").partition(" ")
        offered = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        matches = [hmac.compare_digest(offered, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(matches)

    def _refresh(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._digests, self._stamp = _digests(self._path), stamp
        except (OSError, UnicodeDecodeError) as error:
            if self._stamp is not None:
                log.error("the token file cannot be read, so that nobody is let in", extra={"why": str(error)})
            self._digests, self._stamp = (), None
            return
        log.info("read the token file", extra={"tokens": len(self._digests)})


def _stamp(path: Path) -> Stamp:
    """What changes when the file does; a mounted Secret is another file behind a symbolic link each time."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size


def _digests(path: Path) -> tuple[bytes, ...]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(hashlib.sha256(line.encode()).digest() for line in lines if line and not line.startswith("#"))
