"""What the environment may say."""

from __future__ import annotations

import pytest

from opssight_operator.settings import Settings

WRONG = {
    "a shard beyond the last": ({"SHARD": "2", "SHARDS": "2"}, "OPSSIGHT_SHARD is 2; it must be from 0 to 1"),
    "no shard at all": ({"SHARDS": "0"}, "OPSSIGHT_SHARDS is 0; it must be 1 or more"),
    "a number in words": ({"FETCH_THREADS": "many"}, "OPSSIGHT_FETCH_THREADS is 'many'; it must be a number"),
    "below zero": ({"LEASE_SECONDS": "-1"}, "OPSSIGHT_LEASE_SECONDS is '-1'; it must be 0 or more"),
    "a switch that is none": (
        {"LEADER_ELECTION": "yes"},
        "OPSSIGHT_LEADER_ELECTION is 'yes'; it must be true or false",
    ),
}


@pytest.mark.parametrize(("environment", "said"), WRONG.values(), ids=WRONG)
def test_a_setting_that_cannot_be_is_refused_by_its_name(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        Settings.from_environment({f"OPSSIGHT_{name}": value for name, value in environment.items()})
    assert said in str(refused.value)


def test_the_last_shard_is_one_less_than_their_number() -> None:
    settings = Settings.from_environment({"OPSSIGHT_SHARD": "2", "OPSSIGHT_SHARDS": "3"})
    assert (settings.shard, settings.shards) == (2, 3)
