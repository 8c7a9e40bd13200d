"""What the environment may say."""

from __future__ import annotations

from dataclasses import fields

import pytest

from opssight_operator.settings import Settings, values_from

WRONG = {
    "a shard beyond the last": ({"SHARD": "2", "SHARDS": "2"}, "OPSSIGHT_SHARD is 2; it must be from 0 to 1"),
    "no shard at all": ({"SHARDS": "0"}, "OPSSIGHT_SHARDS is '0'; it must be 1 or more"),
    "a number in words": ({"FETCH_THREADS": "many"}, "OPSSIGHT_FETCH_THREADS is 'many'; it must be a number"),
    "below zero": ({"LEASE_SECONDS": "-1"}, "OPSSIGHT_LEASE_SECONDS is '-1'; it must be 1 or more"),
    "nobody to run anything": (
        {"MAX_CONCURRENT_RECONCILES": "0"},
        "OPSSIGHT_MAX_CONCURRENT_RECONCILES is '0'; it must be 1 or more",
    ),
    "no pause at all": ({"SWEEP_SECONDS": "0"}, "OPSSIGHT_SWEEP_SECONDS is '0'; it must be 1 or more"),
    "no number": ({"BACKOFF_SECONDS": "nan"}, "OPSSIGHT_BACKOFF_SECONDS is 'nan'; it must be a finite number"),
    "without an end": ({"LEASE_SECONDS": "inf"}, "OPSSIGHT_LEASE_SECONDS is 'inf'; it must be a finite number"),
    "a port beyond the last": ({"METRICS_PORT": "70000"}, "OPSSIGHT_METRICS_PORT is '70000'; it must be 65535 or less"),
    "a lease that is over before it can be renewed twice": (
        {"LEASE_SECONDS": "6"},
        "OPSSIGHT_RENEW_SECONDS is 4; it must be at most half of OPSSIGHT_LEASE_SECONDS, which is 6",
    ),
    "a format of logs that is none": ({"LOG_FORMAT": "xml"}, "OPSSIGHT_LOG_FORMAT is 'xml'; it must be json or text"),
    "a level of logs that is none": (
        {"LOG_LEVEL": "info"},
        "OPSSIGHT_LOG_LEVEL is 'info'; it must be INFO, DEBUG, WARNING or ERROR",
    ),
    "a name that is misspelt": (
        {"RULE_CHECK_SECOND": "5"},
        "OPSSIGHT_RULE_CHECK_SECOND is no setting; did you mean OPSSIGHT_RULE_CHECK_SECONDS?",
    ),
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


FOREIGN = [
    "OPSSIGHT_SERVE_SHUTDOWN_SECONDS",
    "OPSSIGHT_SERVE_LOG_LEVEL",
    "OPSSIGHT_LOCALCLUSTER_STATE",
    "OPSSIGHT_CHAOS_SECONDS",
    "OPSSIGHT_OPERATOR_METRICS_SERVICE_PORT",
    "OPSSIGHT_OPERATOR_METRICS_PORT_8080_TCP_ADDR",
    "OPSSIGHT_KILLS",
    "OPSSIGHT_SOMETHING",
    "OTHER_LEASE_SECOND",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_name_of_somebody_else_is_left_alone(name: str) -> None:
    assert Settings.from_environment({name: "anything"}) == Settings()


def test_every_default_is_within_its_own_bounds() -> None:
    for field in fields(Settings):
        if isinstance(field.default, str | int | float):
            assert values_from({f"OPSSIGHT_{field.name.upper()}": str(field.default)}, Settings, "OPSSIGHT_") == {
                field.name: field.default
            }
