"""What a scraper reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from opssight_operator.adapters.resource_gauges import BATCH, LEGACY, legacy_name
from opssight_operator.adapters.telemetry import Telemetry
from opssight_operator.core.conventions import EXPECTED_GAUGE, RESOURCE_GAUGES, SCORE_GAUGE, THRESHOLD_GAUGE
from opssight_operator.core.plan import Gauge
from opssight_operator.reconcile.ports import Owner

UTF8 = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2"


def an_owner(name: str = "a") -> Owner:
    return Owner("opssight.dev/v1alpha1", "AnomalyDetector", name, "shop", f"uid-{name}")


def text_of(telemetry: Telemetry, accept: str = "") -> str:
    """The whole of /metrics."""
    return b"".join(telemetry.exposition(accept)[0]).decode()


def read(telemetry: Telemetry, accept: str = "") -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, as a scraper parses them."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text_of(telemetry, accept)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_each_series_keeps_its_own_label_names() -> None:
    telemetry = Telemetry()
    telemetry.set_gauges(an_owner("a"), [Gauge(SCORE_GAUGE, {"service": "cart"}, 1.5)])
    telemetry.set_gauges(an_owner("b"), [Gauge(SCORE_GAUGE, {"pod": "x", "zone": "1"}, 0.5)])
    assert read(telemetry)[SCORE_GAUGE] == [({"service": "cart"}, 1.5), ({"pod": "x", "zone": "1"}, 0.5)]


def test_more_samples_than_a_batch_are_all_there_in_one_family_and_once() -> None:
    telemetry, count = Telemetry(), 2 * BATCH + 1
    for n in range(count):
        labels = {"n": str(n)}
        telemetry.set_gauges(an_owner(str(n)), [Gauge(SCORE_GAUGE, labels, n), Gauge(EXPECTED_GAUGE, labels, -n)])
    found = read(telemetry)
    assert found[SCORE_GAUGE] == [({"n": str(n)}, n) for n in range(count)]
    assert found[EXPECTED_GAUGE] == [({"n": str(n)}, -n) for n in range(count)]
    assert text_of(telemetry).count(f"# TYPE {SCORE_GAUGE} ") == 1
    assert max(len(part.splitlines()) for part in telemetry.exposition()[0]) == BATCH + 2


def test_the_gauges_of_a_resource_are_replaced_as_a_whole() -> None:
    telemetry = Telemetry()
    telemetry.set_gauges(an_owner(), [Gauge(SCORE_GAUGE, {"n": "1"}, 1.0), Gauge(EXPECTED_GAUGE, {"n": "1"}, 7.0)])
    telemetry.set_gauges(an_owner(), [Gauge(SCORE_GAUGE, {"n": "2"}, 2.0)])
    found = read(telemetry)
    assert found[SCORE_GAUGE] == [({"n": "2"}, 2.0)]
    assert EXPECTED_GAUGE not in found


@pytest.mark.parametrize("accept", ["", UTF8], ids=["old", "new"])
def test_what_is_gone_is_absent_and_never_zero(accept: str) -> None:
    telemetry = Telemetry()
    for name in ("a", "b"):
        telemetry.set_gauges(an_owner(name), [Gauge(THRESHOLD_GAUGE, {"policy": name}, 3.0)])
    telemetry.clear_gauges(an_owner("a"))
    telemetry.clear_gauges(an_owner("never seen"))
    assert read(telemetry, accept)[THRESHOLD_GAUGE] == [({"policy": "b"}, 3.0)]
    telemetry.clear_all()
    assert not {name for name, _ in RESOURCE_GAUGES} & set(read(telemetry, accept))


def test_scores_are_exported_for_as_long_as_there_was_no_run_without_any() -> None:
    clock = [100.0]
    telemetry = Telemetry(clock=lambda: clock[0])
    score, value = Gauge(SCORE_GAUGE, {"n": "1"}, 1.0), Gauge(EXPECTED_GAUGE, {"n": "1"}, 7.0)
    seen = []
    for gauges in ((value,), (score, value), (score,), (), (score,)):
        telemetry.set_gauges(an_owner(), gauges)
        clock[0] += 60
        seen.append(telemetry.scores_exported_for(an_owner()))
    assert seen == [0, 60, 120, 0, 60]
    telemetry.clear_all()
    assert telemetry.scores_exported_for(an_owner()) == 0


@given(st.dictionaries(st.text(min_size=1).filter(lambda s: s != "__name__"), st.text(), max_size=5))
@settings(deadline=None, max_examples=60)
def test_any_label_value_arrives_as_it_was(labels: dict[str, str]) -> None:
    telemetry = Telemetry()
    named = {f"l{n}": value for n, value in enumerate(labels.values())}
    telemetry.set_gauges(an_owner(), [Gauge(SCORE_GAUGE, named, 1.0)])
    assert read(telemetry)[SCORE_GAUGE] == [(named, 1.0)]


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True))
@settings(deadline=None, max_examples=100)
def test_any_label_names_make_distinct_names_that_an_old_prometheus_takes(names: list[str]) -> None:
    telemetry = Telemetry()
    telemetry.set_gauges(an_owner(), [Gauge(SCORE_GAUGE, {name: str(n) for n, name in enumerate(names)}, 1.0)])
    ((labels, _),) = read(telemetry)[SCORE_GAUGE]
    assert sorted(labels.values()) == sorted(str(n) for n in range(len(names)))
    assert all(LEGACY.fullmatch(name) for name in labels)


def test_names_that_would_become_one_are_kept_apart() -> None:
    hostile = ["a.b", "a_b", "a-b", "U__a_2e_b", "U__a.b", "1a", "", "é"]
    assert len({legacy_name(name) for name in hostile}) == len(hostile)
    assert legacy_name("service_name") == "service_name"


def test_a_new_prometheus_reads_label_names_as_they_are() -> None:
    telemetry = Telemetry()
    telemetry.set_gauges(an_owner(), [Gauge(SCORE_GAUGE, {"k8s.pod": "x", "a_b": "1", "a.b": "2"}, 1.0)])
    assert "escaping=allow-utf-8" in telemetry.exposition(UTF8)[1]
    assert f'{SCORE_GAUGE}{{"a.b"="2",a_b="1","k8s.pod"="x"}} 1.0' in text_of(telemetry, UTF8)


@pytest.mark.parametrize(("value", "text"), [(float("inf"), "+Inf"), (float("nan"), "NaN"), (1e300, "1e+300")])
def test_odd_numbers_are_written_as_prometheus_reads_them(value: float, text: str) -> None:
    telemetry = Telemetry()
    telemetry.set_gauges(an_owner(), [Gauge(SCORE_GAUGE, {}, value)])
    assert f"{SCORE_GAUGE} {text}\n" in text_of(telemetry)


def test_the_operator_tells_of_its_own_work_under_the_names_that_are_documented() -> None:
    telemetry = Telemetry()
    telemetry.reconciled("AnomalyDetector", "Reconciled", 0.2)
    telemetry.held("Cooldown")
    telemetry.watched("AnomalyDetector", 7)
    telemetry.foreign("AnomalyDetector")
    telemetry.lagged(0.5)
    telemetry.coalesced(3)
    telemetry.queried("default", "ok", 0.01)
    telemetry.waiting(lambda: 4.0)
    telemetry.leads(True)
    found = read(telemetry)
    expected: list[tuple[str, Any, float]] = [
        ("opssight_reconcile_total", {"kind": "AnomalyDetector", "outcome": "Reconciled"}, 1.0),
        ("opssight_reconcile_duration_seconds_sum", {"kind": "AnomalyDetector"}, 0.2),
        ("opssight_prometheus_query_duration_seconds_count", {"source": "default", "outcome": "ok"}, 1.0),
        ("opssight_thresholds_held_total", {"reason": "Cooldown"}, 1.0),
        ("opssight_missed_runs_total", {}, 3.0),
        ("opssight_scheduler_lag_seconds", {}, 0.5),
        ("opssight_scheduler_waiting", {}, 4.0),
        ("opssight_resources", {"kind": "AnomalyDetector"}, 7.0),
        ("opssight_foreign_events_total", {"kind": "AnomalyDetector"}, 1.0),
        ("opssight_leader", {}, 1.0),
    ]
    for name, labels, value in expected:
        assert (labels, value) in found[name], name


def test_two_replicas_in_one_process_do_not_share_their_metrics() -> None:
    first, second = Telemetry(), Telemetry()
    first.leads(True)
    assert read(second)["opssight_leader"] == [({}, 0.0)]
