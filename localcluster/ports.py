"""Free ports on loopback."""

from __future__ import annotations

import secrets
import socket

FIRST, LAST = 20000, 32000
"""Below the range that the kernel takes for outgoing connections, which could snatch a port before its server binds."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, drawn at random so that two clusters starting at once hardly meet."""
    found: list[int] = []
    while len(found) < count:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        if port not in found and _free(port):
            found.append(port)
    return found


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
