"""Which shard a resource belongs to: a pure function of its uid, the same in every replica and in the API server.

Shards are equal ranges of FNV-1a-64 of the uid, which is how Kubernetes splits a list or a watch (KEP-5866).
"""

from __future__ import annotations

_BITS = 64
_MASK = (1 << _BITS) - 1
_OFFSET, _PRIME = 0xCBF29CE484222325, 0x100000001B3  # of FNV-1a, 64 bits


def hash_of(uid: str) -> int:
    """FNV-1a-64 of a uid: 0 to 2^64 - 1."""
    hashed = _OFFSET
    for byte in uid.encode():
        hashed = (hashed ^ byte) * _PRIME & _MASK
    return hashed


def shard_of(uid: str, shards: int) -> int:
    """The shard of ``uid``, from 0 to ``shards - 1``; ranges are equal, so that shares are even."""
    return hash_of(uid) * shards >> _BITS


def range_of(shard: int, shards: int) -> tuple[int, int]:
    """The hashes of a shard: from the first, up to and without the second. Neither gap nor overlap."""
    first, after = (-(-(edge << _BITS) // shards) for edge in (shard, shard + 1))
    return first, after


def selector_of(shard: int, shards: int) -> str:
    """The shard as ``shardSelector`` of a list or watch, for an API server that sends nothing else then."""
    first, after = range_of(shard, shards)
    return f"shardRange(object.metadata.uid, '0x{first:016x}', '0x{after:016x}')"


def lease_of(name: str, shard: int, shards: int) -> str:
    """The Lease of a shard; a single one keeps the plain name."""
    return name if shards == 1 else f"{name}-{shard}"
