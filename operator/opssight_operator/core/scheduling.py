"""When a resource is due: pure functions of its identity, its interval and what happened last.

Instants are seconds on any one clock that never goes back.
"""

from __future__ import annotations

import hashlib
import math

_PARTS = 1 << 32
LEAST_JITTER = 0.9  # of a pause: some come a tenth earlier, some a tenth later


def _fraction(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.blake2s(text.encode(), digest_size=4).digest(), "big") / _PARTS


def phase(uid: str, interval: float) -> float:
    """Where in its interval a resource has its place, so that a restart does not run all at once."""
    return _fraction(uid) * interval


def next_run(uid: str, interval: float, now: float) -> float:
    """The first instant after ``now`` on the resource's own grid ``phase + k * interval``."""
    offset = phase(uid, interval)
    due = offset + math.ceil((now - offset) / interval) * interval
    while due <= now:  # exactly on the grid, or rounding
        due += interval
    return due


def missed_runs(scheduled: float, now: float, interval: float) -> int:
    """How many further runs came due while one waited from ``scheduled`` to ``now``; they are run as one."""
    return max(0, math.floor((now - scheduled) / interval))


def backoff(uid: str, attempt: int, first: float, longest: float) -> float:
    """Seconds to wait after failure number ``attempt`` (from 1): doubling, capped, with 20 % of jitter."""
    doubled = min(longest, first * 2.0 ** min(attempt - 1, 40))
    return doubled * (LEAST_JITTER + 0.2 * _fraction(uid, attempt))
