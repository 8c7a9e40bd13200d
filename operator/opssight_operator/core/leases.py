"""Who leads: a decision on the Lease as it stands.

A lease is judged by how long *we* have seen it unchanged on our own monotonic clock, never by comparing its
timestamps with our wall clock, because the clocks of two machines need not agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Move(Enum):
    """What to do next."""

    CREATE = "create"  # there is no lease
    RENEW = "renew"  # it is ours
    TAKE = "take"  # it was released, or its holder has not renewed it in time
    WAIT = "wait"  # another replica holds it


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """The lease, and since when (monotonic seconds) we have seen it in just this version."""

    holder: str
    version: str
    seconds: float
    unchanged_since: float


def next_move(lease: LeaseSeen | None, identity: str, now: float) -> Move:
    """The move of replica ``identity`` at monotonic ``now``."""
    if lease is None:
        return Move.CREATE
    if lease.holder == identity:
        return Move.RENEW
    if not lease.holder or now - lease.unchanged_since >= lease.seconds:
        return Move.TAKE
    return Move.WAIT


def observed(previous: LeaseSeen | None, holder: str, version: str, seconds: float, now: float) -> LeaseSeen:
    """What was read now, given what was seen before."""
    unchanged = previous is not None and previous.version == version
    since = previous.unchanged_since if previous is not None and unchanged else now
    return LeaseSeen(holder, version, seconds, since)


def seconds_left(renewed_at: float, now: float, seconds: float) -> float:
    """How long a leader that renewed last at ``renewed_at`` may go on; it ends before others may take over."""
    return max(0.0, renewed_at + seconds * 2 / 3 - now)
