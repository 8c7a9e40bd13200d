"""Every resource belongs to one shard, and each shard has its share."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from opssight_operator.core.sharding import lease_of, shard_of

UIDS = [str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)) for number in range(3000)]


@given(st.text(), st.integers(1, 64))
def test_every_uid_has_one_shard_of_those_that_there_are(uid: str, shards: int) -> None:
    assert 0 <= shard_of(uid, shards) < shards
    assert shard_of(uid, shards) == shard_of(uid, shards)


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
