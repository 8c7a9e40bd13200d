"""What a resource exports of itself."""

from __future__ import annotations

from builders import a_policy
from opssight_operator.api.outcome import ThresholdOutcome
from opssight_operator.api.threshold_status import Simulation, ThresholdSimulation, ThresholdStatus
from opssight_operator.core.conventions import RESOURCE_GAUGES
from opssight_operator.core.gauges import quality_gauges

SINCE = "2023-11-14T20:00:00Z"


def a_threshold(**fields: object) -> ThresholdStatus:
    return ThresholdStatus.model_validate({"current": "5", "reason": "Changed", "message": "was 4", **fields})


def an_outcome(observed: int | None) -> ThresholdOutcome:
    return ThresholdOutcome(
        since=SINCE,
        predicted_episodes_per_week="2",
        predicted_from="14d",
        observed_episodes=observed,
        fewest=0,
        most=6,
    )


def exported(*thresholds: ThresholdStatus) -> dict[str, float]:
    return {gauge.name: gauge.value for gauge in quality_gauges(a_policy(), thresholds)}


def test_the_promise_and_what_came_of_it_are_exported_side_by_side() -> None:
    simulation = ThresholdSimulation(
        current=Simulation(episodes_per_week="2", night_episodes_per_week="0", share_of_time="0.1"),
        proposed=Simulation(episodes_per_week="0.5", night_episodes_per_week="0", share_of_time="0.1"),
    )
    seen = exported(a_threshold(simulation=simulation, outcome=an_outcome(7), changed_at=SINCE))
    assert seen == {
        "opssight_threshold_simulated_episodes_per_week": 2.0,
        "opssight_threshold_proposed_simulated_episodes_per_week": 0.5,
        "opssight_threshold_observed_episodes": 7,
        "opssight_threshold_predicted_episodes_fewest": 0,
        "opssight_threshold_predicted_episodes_most": 6,
        "opssight_threshold_changed_timestamp_seconds": 1_699_992_000.0,
    }
    assert set(seen) <= {name for name, _ in RESOURCE_GAUGES}


def test_what_is_not_known_is_absent_and_never_zero() -> None:
    assert exported(a_threshold(outcome=an_outcome(None))) == {}
    assert exported(a_threshold()) == {}


def test_each_threshold_is_a_series_of_its_own() -> None:
    thresholds = [a_threshold(labels={"service": name}, changed_at=SINCE) for name in ("cart", "checkout")]
    labels = [gauge.labels for gauge in quality_gauges(a_policy(), thresholds)]
    assert [one["service"] for one in labels] == ["cart", "checkout"]
