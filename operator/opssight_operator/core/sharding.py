"""Which shard a resource belongs to: a pure function of its uid, the same in every replica."""

from __future__ import annotations

import hashlib

_BITS = 64


def shard_of(uid: str, shards: int) -> int:
    """The shard of ``uid``, from 0 to ``shards - 1``: equal ranges of a 64-bit hash, so that shares are even."""
    hashed = int.from_bytes(hashlib.blake2s(uid.encode(), digest_size=_BITS // 8).digest(), "big")
    return hashed * shards >> _BITS


def lease_of(name: str, shard: int, shards: int) -> str:
    """The Lease of a shard; a single one keeps the plain name."""
    return name if shards == 1 else f"{name}-{shard}"
