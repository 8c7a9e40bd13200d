"""Every resource belongs to one shard, and each shard has its share."""

from __future__ import annotations

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opssight_operator.core.sharding import hash_of, lease_of, range_of, selector_of, shard_of

UIDS = [str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)) for number in range(3000)]


@given(st.text(), st.integers(1, 64))
def test_every_uid_has_one_shard_of_those_that_there_are(uid: str, shards: int) -> None:
    assert 0 <= shard_of(uid, shards) < shards
    assert shard_of(uid, shards) == shard_of(uid, shards)


@pytest.mark.parametrize(
    ("text", "hashed"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_the_hash_is_fnv_1a_of_64_bits(text: str, hashed: int) -> None:
    """Published vectors of the hash: http://www.isthe.com/chongo/src/fnv/test_fnv.c."""
    assert hash_of(text) == hashed


@given(st.text(), st.integers(1, 64))
def test_a_uid_lies_in_the_range_of_its_own_shard(uid: str, shards: int) -> None:
    first, after = range_of(shard_of(uid, shards), shards)
    assert first <= hash_of(uid) < after


@given(st.integers(1, 10_000))
def test_ranges_cover_every_hash_without_gap_or_overlap(shards: int) -> None:
    edges = [range_of(shard, shards) for shard in range(shards)]
    assert edges[0][0] == 0 and edges[-1][1] == 2**64
    assert all(left[1] == right[0] for left, right in pairwise(edges))


def test_a_range_is_written_as_kubernetes_reads_it() -> None:
    asked = "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')"
    assert selector_of(0, 2) == asked
    assert selector_of(2, 3).endswith("'0xaaaaaaaaaaaaaaab', '0x10000000000000000')")


def test_the_shards_are_about_equal() -> None:
    for shards in (2, 3, 7):
        sizes = [sum(shard_of(uid, shards) == shard for uid in UIDS) for shard in range(shards)]
        assert sum(sizes) == len(UIDS)
        assert max(sizes) < 1.25 * len(UIDS) / shards


def test_twice_as_many_shards_split_each_in_two_and_move_nothing_else() -> None:
    for uid in UIDS[:300]:
        assert shard_of(uid, 6) // 2 == shard_of(uid, 3)


def test_each_shard_has_a_lease_of_its_own_and_a_single_one_keeps_the_name() -> None:
    assert lease_of("opssight", 0, 1) == "opssight"
    assert [lease_of("opssight", shard, 3) for shard in range(3)] == ["opssight-0", "opssight-1", "opssight-2"]
