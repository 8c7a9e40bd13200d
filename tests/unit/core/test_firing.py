"""Whether an alert fires at a threshold now, and since when: read from the history alone."""

from __future__ import annotations

from typing import Any

import pytest

from builders import NAN, a_frame, a_policy
from opssight_operator.core.evidence import Evidence, groups_of, learn
from opssight_operator.core.firing import Firing, fires_in, firing_at
from opssight_operator.core.hours import HourTable
from opssight_operator.core.observation import LoadedRule

MINUTE = 60.0


def an_evidence(columns: dict[str, list[float]], *per_labels: str, bound: str = "Upper") -> tuple[Evidence, ...]:
    spec = a_policy(perLabels=list(per_labels), bound=bound).spec
    frame = a_frame(columns)
    return learn(spec, frame, groups_of(frame.labels, per_labels))


QUIET = [1.0] * 30
WHAT_FIRES: dict[str, tuple[dict[str, list[float]], Firing]] = {
    "nothing": ({"": QUIET}, Firing()),
    "the newest sample": ({"": [*QUIET, 3.0]}, Firing(1, False, 0.0)),
    "an incident, since its first sample": ({"": [*QUIET, *[3.0] * 11]}, Firing(1, False, 10 * MINUTE)),
    "one series after the other": (
        {"a=1": [*QUIET, *[3.0] * 6, *[1.0] * 5], "a=2": [*QUIET, *[1.0] * 6, *[3.0] * 5]},
        Firing(1, False, 10 * MINUTE),
    ),
    "two series": ({"a=1": [*QUIET, 3.0], "a=2": [*QUIET, 3.0]}, Firing(2, False, 0.0)),
    "a dip ends no level": ({"": [*QUIET, *[3.0] * 15, 1.0, *[3.0] * 15]}, Firing(1, False, 30 * MINUTE)),
    "two incidents are not one": ({"": [*QUIET, *[3.0] * 5, *QUIET, *[3.0] * 5]}, Firing(1, False, 4 * MINUTE)),
    "a sample that is late says nothing": ({"": [*QUIET, *[3.0] * 11, NAN, NAN]}, Firing(1, False, 12 * MINUTE)),
    "a series that has ended does not fire": ({"": [*QUIET, *[3.0] * 11, NAN, NAN, NAN]}, Firing()),
    "missing samples within an incident": ({"": [*QUIET, 3.0, *[NAN] * 9, 3.0]}, Firing(1, False, 10 * MINUTE)),
    "as long as history goes": ({"": [3.0] * 61}, Firing(1, False, 60 * MINUTE)),
}


@pytest.mark.parametrize(("columns", "firing"), WHAT_FIRES.values(), ids=WHAT_FIRES)
def test_what_fires_at_a_threshold_of_two(columns: dict[str, list[float]], firing: Firing) -> None:
    (evidence,) = an_evidence(columns)
    assert firing_at(2.0, evidence) == firing


def test_low_values_fire_at_a_lower_bound() -> None:
    (evidence,) = an_evidence({"": [*[3.0] * 30, 1.0]}, bound="Lower")
    assert firing_at(2.0, evidence) == Firing(1, False, 0.0)
    assert firing_at(0.5, evidence) == Firing()


def test_a_table_fires_at_the_threshold_of_each_hour() -> None:
    # The history ends on Tuesday at 22:14, so that its first 46 minutes are in the hour before.
    (evidence,) = an_evidence({"": [3.0] * 61})
    higher_before = HourTable(tuple(4.0 if hour == 45 else 2.0 for hour in range(168)), "UTC")
    assert firing_at(higher_before, evidence) == Firing(1, False, 14 * MINUTE)


def test_before_the_first_threshold_nothing_fires() -> None:
    (evidence,) = an_evidence({"": [3.0] * 61})
    assert firing_at(None, evidence) == Firing()


def test_an_alert_that_fires_on_counts_from_the_beginning_of_its_incident() -> None:
    (evidence,) = an_evidence({"": [*QUIET, *[3.0] * 20, *[1.9] * 11]})
    alerts = a_frame({"alertname=A": [*[NAN] * 35, *[1.0] * 26]})
    assert firing_at(2.0, evidence, alerts) == Firing(0, True, 30 * MINUTE)
    assert firing_at(2.0, evidence, a_frame({"alertname=A": [*[1.0] * 60, NAN]})) == Firing()
    assert firing_at(2.0, evidence, a_frame({})) == Firing()


def test_an_alert_counts_for_the_threshold_of_its_label_and_one_without_for_all() -> None:
    evidence = an_evidence({"service=a": QUIET, "service=b": QUIET}, "service")
    of_b = a_frame({"alertname=A,service=b": [1.0] * 30})
    assert [firing_at(2.0, one, of_b).alert for one in evidence] == [False, True]
    of_all = a_frame({"alertname=A": [1.0] * 30})
    assert [firing_at(2.0, one, of_all).alert for one in evidence] == [True, True]


def test_a_rule_that_fires_counts_from_now_when_nothing_else_is_known() -> None:
    (evidence,) = an_evidence({"": QUIET})
    assert firing_at(2.0, evidence, rule_fires=True) == Firing(0, True, 0.0)


def a_rule(**changes: Any) -> LoadedRule:
    return LoadedRule(
        **{"group": "g", "name": "A", "kind": "alerting", "health": "ok", "firing": 1, "labels": {"team": "shop"}}
        | changes
    )


RULES: dict[str, tuple[list[LoadedRule] | None, bool]] = {
    "it fires": ([a_rule(name="B", firing=0), a_rule()], True),
    "it does not": ([a_rule(firing=0)], False),
    "another alert fires": ([a_rule(name="B")], False),
    "one of the same name and other labels fires": ([a_rule(labels={"team": "bank"})], False),
    "a recording rule never fires": ([a_rule(kind="recording")], False),
    "nobody said": (None, False),
}


@pytest.mark.parametrize(("rules", "fires"), RULES.values(), ids=RULES)
def test_a_rule_fires_when_prometheus_lists_its_alert_so(rules: list[LoadedRule] | None, fires: bool) -> None:
    assert fires_in(rules, a_policy(alert={"name": "A", "labels": {"team": "shop"}}).spec) is fires


def test_of_a_patched_object_only_the_patched_alert_counts() -> None:
    patch = {"target": {"name": "rules"}, "alert": "A", "labels": {"team": "shop"}}
    spec = a_policy(delivery={"mode": "Patch", "patch": patch}).spec
    assert fires_in([a_rule(name="B"), a_rule(labels={"team": "bank"})], spec) is False
    assert fires_in([a_rule()], spec) is True
