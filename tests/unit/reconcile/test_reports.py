"""Reports from the first look to the ConfigMaps, against Prometheus and Kubernetes in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from builders import NAN, a_report, a_source, labels_of
from opssight_detectors.patterns.schema import report_schema
from opssight_operator.api.detector_status import Anomaly
from opssight_operator.controllers.apply import apply
from opssight_operator.core.held import pending_plan
from opssight_operator.core.observation import Frame
from opssight_operator.core.plan import Plan
from opssight_operator.core.report_documents import owned_labels, unpacked
from opssight_operator.core.report_journal import DetectorSeen, WarningEvent
from opssight_operator.core.timing import rfc3339
from opssight_operator.errors import KubernetesUnavailable, NameConflict, PrometheusUnreachable, TooManySeries
from opssight_operator.reconcile import pattern_report
from opssight_operator.reconcile.ports import Owner
from opssight_operator.settings import Settings
from unit.controllers.world import World

HOUR, DAY = 3600.0, 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


MONDAY = at("2026-01-05 06:00")


def firing(*episodes: tuple[str, float, float]) -> Callable[[str, float, float, float], Frame]:
    """Prometheus that knows these alerts, ``(labels, from, to)``, and has scraped for a month."""

    def matrix(expr: str, start: float, end: float, step: float) -> Frame:
        times = np.arange(start, end + step / 2, step)
        if expr.startswith("count("):
            return Frame(times, np.ones((len(times), 1)), ({},))
        columns: dict[str, Any] = {}
        for text, begin, until in episodes:
            fires = (times >= begin) & (times < until)
            if fires.any():
                columns[text] = columns.get(text, False) | fires
        values = np.full((len(times), len(columns)), NAN)
        for i, fires in enumerate(columns.values()):
            values[fires, i] = 1.0
        return Frame(times, values, tuple({"__name__": "ALERTS", **labels_of(text)} for text in columns))

    return matrix


class Operator:
    """Runs one report as the runtime does, by a clock that the test sets."""

    def __init__(self, world: World, report: Any) -> None:
        self.world, self.report = world, report
        self.report = self.report.model_copy(update={"status": pending_plan(report, MONDAY).status})

    async def look(self, now: float) -> Plan[Any]:
        ports = self.world.ports()
        plan = await pattern_report.reconcile(self.report, now, ports, self.world.settings)
        meta = self.report.metadata
        owner = Owner("v1", "PatternReport", meta.name, meta.namespace, meta.uid)
        plan = await apply(plan, self.report, owner, now, ports, self.world.settings)
        if plan.status_changed:
            self.report = self.report.model_copy(update={"status": plan.status})
        return plan

    def change(self, **spec: Any) -> None:
        new = a_report(generation=self.report.metadata.generation + 1, **spec)
        self.report = new.model_copy(update={"status": self.report.status})

    def files(self, name: str | None = None) -> dict[str, str]:
        last = self.report.status.last_report
        return unpacked([self.world.documents[name or last.name].data])

    def reports(self) -> list[str]:
        return sorted(name for name in self.world.documents if not name.endswith("-journal"))


def a_world(*episodes: tuple[str, float, float], **settings: Any) -> World:
    world = World(lambda *_: Frame(np.empty(0), np.empty((0, 0)), ()), settings=replace(Settings(), **settings))
    world.fetch_seconds = 0.0
    world.known["default"] = a_source()
    world.matrix = firing(*episodes)
    return world


SLOW = (
    "alertname=SlowCheckout,service=checkout,severity=critical,namespace=shop",
    MONDAY + 20 * HOUR,
    MONDAY + 21 * HOUR,
)
WARNING = WarningEvent(
    "Pod",
    "cart-7d9f8b6c5-x2x4z",
    "BackOff",
    "Back-off restarting failed container",
    MONDAY + 5 * HOUR,
    MONDAY + 5 * HOUR,
    3,
)
TUESDAY = MONDAY + DAY


def exported(operator: Operator) -> dict[str, float]:
    return {gauge.name: gauge.value for gauge in operator.world.gauges[operator.report.metadata.uid]}


def ready(plan: Plan[Any]) -> tuple[str, str]:
    return next((c.status, c.reason) for c in plan.status.conditions if c.type == "Ready")


async def test_a_new_report_says_when_it_will_be_made_and_reads_no_alerts_until_then():
    operator = Operator(a_world(SLOW), a_report())
    plan = await operator.look(MONDAY + HOUR)
    assert ready(plan) == ("True", "Scheduled")
    assert plan.status.next_run_at == rfc3339(TUESDAY)
    assert operator.world.fetched == []
    assert operator.reports() == []
    assert exported(operator) == {"opssight_report_next_timestamp_seconds": TUESDAY}
    assert plan.retry_after == 900.0, "Events are written down meanwhile"


async def test_without_events_and_detectors_nothing_is_looked_at_until_it_is_due():
    operator = Operator(a_world(SLOW), a_report(inputs={"alerts": {}}))
    plan = await operator.look(TUESDAY - 100)
    assert plan.retry_after == pytest.approx(100.5)
    assert operator.world.documents == {}


async def test_where_reports_are_switched_off_the_resource_says_so_and_no_config_map_is_touched():
    operator = Operator(a_world(SLOW, pattern_reports=False), a_report())
    plan = await operator.look(TUESDAY + 3)
    assert ready(plan) == ("False", "NotAllowed")
    assert "patternReports.enabled" in plan.status.conditions[0].message
    assert operator.world.documents == {}


async def test_a_report_is_made_when_it_is_due():
    operator = Operator(a_world(SLOW), a_report())
    operator.world.warnings = (WARNING,)
    await operator.look(MONDAY + 6 * HOUR)
    operator.world.warnings = ()  # Kubernetes has forgotten it
    plan = await operator.look(TUESDAY + 3)
    last = plan.status.last_report
    assert last is not None
    assert (last.name, last.parts) == ("opssight-prep-morning-20260106-0600", 1)
    assert (last.from_, last.to, last.incidents) == ("2026-01-05T06:00:00Z", "2026-01-06T06:00:00Z", 2)
    assert ready(plan) == ("True", "Reconciled")
    assert plan.status.next_run_at == "2026-01-07T06:00:00Z"
    files = operator.files()
    assert set(files) == {"report.md", "report.html", "report.json", "templates.json"}
    assert "SlowCheckout" in files["report.md"] and "Back-off restarting failed container" in files["report.md"]
    assert files["report.html"].lstrip().startswith("<!")
    made = json.loads(files["report.json"])
    assert last.digest == f"sha256:{made['digest']}"
    assert {one["value"] for one in made["summary"]["services"]} == {"cart", "checkout"}
    assert plan.status.highlights == made["highlights"]
    (event,) = [event for _, event in operator.world.events if event.reason == "ReportMade"]
    assert event.type == "Normal"
    assert event.message.startswith("2 incidents in 24h")
    gauges = operator.world.gauges[operator.report.metadata.uid]
    exported = {gauge.name: gauge.value for gauge in gauges if "section" not in gauge.labels}
    assert exported["opssight_report_incidents"] == 2
    assert exported["opssight_report_timestamp_seconds"] == TUESDAY
    assert operator.world.documents[last.name].labels == owned_labels("morning")
    assert operator.world.order.index("document") < operator.world.order.index("status")


async def test_the_json_follows_the_published_schema():
    from jsonschema import Draft202012Validator

    operator = Operator(a_world(SLOW), a_report(schedule={"type": "Once"}))
    await operator.look(TUESDAY)
    Draft202012Validator(report_schema()).validate(json.loads(operator.files()["report.json"]))


async def test_looking_again_makes_nothing_anew():
    operator = Operator(a_world(SLOW), a_report())
    await operator.look(MONDAY + HOUR)
    await operator.look(TUESDAY + 1)
    before = dict(operator.world.documents)
    plan = await operator.look(TUESDAY + 900)
    assert not plan.status_changed
    assert operator.world.documents == before
    assert [e.reason for _, e in operator.world.events] == ["Scheduled", "Reconciled", "ReportMade"]


async def test_the_second_report_is_compared_with_the_first_and_the_oldest_are_pruned():
    days = [(SLOW[0], SLOW[1] + DAY * i, SLOW[2] + DAY * i) for i in range(5)]
    operator = Operator(a_world(*days), a_report(historyLimit=2))
    await operator.look(MONDAY + HOUR)
    for day in range(1, 5):
        await operator.look(MONDAY + day * DAY + 1)
    assert operator.reports() == ["opssight-prep-morning-20260108-0600", "opssight-prep-morning-20260109-0600"]
    assert [one.name for one in operator.report.status.history] == operator.reports()[::-1]
    made = json.loads(operator.files()["report.json"])
    assert made["comparison"]["previousStart"] == "2026-01-07T06:00:00+00:00"
    assert made["comparison"]["previousIncidents"] == 1


async def test_a_smaller_limit_prunes_at_the_next_report():
    operator = Operator(a_world(SLOW), a_report(historyLimit=3))
    await operator.look(MONDAY + HOUR)
    for day in range(1, 4):
        await operator.look(MONDAY + day * DAY + 1)
    assert len(operator.reports()) == 3
    operator.change(historyLimit=1)
    await operator.look(MONDAY + 4 * DAY + 1)
    assert operator.reports() == ["opssight-prep-morning-20260109-0600"]


async def test_after_an_outage_of_three_days_there_is_one_report():
    operator = Operator(a_world(SLOW), a_report())
    await operator.look(MONDAY + HOUR)
    await operator.look(TUESDAY + 3 * DAY + HOUR)
    assert operator.reports() == ["opssight-prep-morning-20260109-0600"]


async def test_what_fails_is_tried_again_and_made_for_the_time_that_it_was_due():
    operator = Operator(a_world(SLOW), a_report())
    await operator.look(MONDAY + HOUR)
    operator.world.fetch_error = PrometheusUnreachable("connection refused")
    plan = await operator.look(TUESDAY + 1)
    assert ready(plan) == ("Unknown", "PrometheusUnreachable")
    assert plan.retry_after == 5.0
    assert plan.status.last_report is None
    assert exported(operator) == {"opssight_report_next_timestamp_seconds": TUESDAY}, "which makes it overdue"
    operator.world.fetch_error = None
    plan = await operator.look(TUESDAY + 4000)
    assert plan.status.last_report is not None
    assert plan.status.last_report.to == "2026-01-06T06:00:00Z"


async def test_too_many_series_are_said_and_the_last_report_stays():
    operator = Operator(a_world(SLOW), a_report())
    await operator.look(MONDAY + HOUR)
    await operator.look(TUESDAY + 1)
    operator.world.fetch_error = TooManySeries("more than 500")
    plan = await operator.look(TUESDAY + DAY + 1)
    assert ready(plan) == ("False", "TooManySeries")
    assert plan.status.last_report.name == "opssight-prep-morning-20260106-0600"
    assert len(operator.world.gauges[operator.report.metadata.uid]) > 3, "what the last report says is still exported"


async def test_a_foreign_config_map_of_our_name_is_left_alone_and_the_report_counts_as_not_made():
    operator = Operator(a_world(SLOW), a_report(inputs={"alerts": {}}))
    await operator.look(MONDAY + HOUR)
    operator.world.document_error = NameConflict("ConfigMap exists and belongs to somebody else")
    plan = await operator.look(TUESDAY + 1)
    assert ready(plan) == ("False", "NameConflict")
    assert plan.status.last_report is None
    assert not [event for _, event in operator.world.events if event.reason == "ReportMade"]
    operator.world.document_error = None
    assert ready(await operator.look(TUESDAY + 60)) == ("True", "Reconciled")
    assert operator.reports() == ["opssight-prep-morning-20260106-0600"]


async def test_once_makes_one_report_at_once_and_another_when_the_spec_changes():
    operator = Operator(a_world(SLOW), a_report(schedule={"type": "Once"}))
    plan = await operator.look(TUESDAY + 42)
    assert plan.status.last_report.to == rfc3339(TUESDAY)
    assert plan.status.next_run_at is None
    await operator.look(TUESDAY + HOUR)
    assert operator.reports() == ["opssight-prep-morning-once-1"], "and nothing is written down"
    operator.change(schedule={"type": "Once"}, lookback="12h")
    await operator.look(TUESDAY + 2 * HOUR)
    assert operator.reports() == ["opssight-prep-morning-once-1", "opssight-prep-morning-once-2"]


async def test_suspended_time_is_left_out():
    operator = Operator(a_world(SLOW), a_report())
    await operator.look(MONDAY + HOUR)
    operator.change(suspend=True)
    assert ready(await operator.look(MONDAY + 2 * HOUR)) == ("True", "Suspended")
    assert exported(operator) == {}, "nothing is due, so nothing can be overdue"
    operator.change()
    plan = await operator.look(TUESDAY + HOUR)
    assert operator.reports() == []
    assert plan.status.next_run_at == "2026-01-07T06:00:00Z"


@pytest.mark.parametrize("edited", ["{", "[]", '{"schemaVersion": "v0"}', '{"schemaVersion": "v1alpha1"}', "null"])
async def test_a_report_that_somebody_edited_does_not_keep_the_next_from_being_made(edited):
    operator = Operator(a_world(SLOW), a_report())
    await operator.look(MONDAY + HOUR)
    await operator.look(TUESDAY + 1)
    name = operator.reports()[0]
    data = {**operator.world.documents[name].data, "report.json": edited, "templates.json": edited}
    operator.world.documents[name] = replace(operator.world.documents[name], data=data)
    plan = await operator.look(TUESDAY + DAY + 1)
    assert plan.status.last_report.name == "opssight-prep-morning-20260107-0600"
    assert json.loads(operator.files()["report.json"])["comparison"] is None


async def test_a_journal_that_somebody_edited_begins_anew_and_the_report_says_so():
    operator = Operator(a_world(SLOW), a_report())
    operator.world.warnings = (WARNING,)
    await operator.look(MONDAY + 6 * HOUR)
    name = "opssight-prep-morning-journal"
    operator.world.documents[name] = replace(operator.world.documents[name], data={"journal.json": "nonsense"})
    plan = await operator.look(TUESDAY + 1)
    complete = next(c for c in plan.status.conditions if c.type == "Complete")
    assert (complete.status, complete.reason) == ("False", "InputCut")
    assert "begins anew" in complete.message
    assert json.loads(operator.world.documents[name].data["journal.json"])["entries"]


async def test_more_events_than_are_read_are_told():
    operator = Operator(a_world(SLOW, report_max_events=1), a_report(schedule={"type": "Once"}))
    operator.world.warnings = (WARNING, replace(WARNING, name="other"))
    plan = await operator.look(TUESDAY)
    complete = next(c for c in plan.status.conditions if c.type == "Complete")
    assert (complete.status, complete.reason) == ("False", "InputCut")
    assert "more Events than the 1 that are read" in complete.message


async def test_more_incidents_than_a_report_may_have_leave_out_the_oldest():
    episodes = [(f"alertname=A{i},severity=warning", MONDAY + i * 600, MONDAY + i * 600 + 300) for i in range(50)]
    operator = Operator(a_world(*episodes, report_max_incidents=20), a_report(schedule={"type": "Once"}))
    plan = await operator.look(TUESDAY)
    assert plan.status.last_report.incidents == 20
    assert "there were 50 incidents" in next(c for c in plan.status.conditions if c.type == "Complete").message


async def test_anomalies_and_excluded_reasons():
    operator = Operator(
        a_world(),
        a_report(schedule={"type": "Once"}, inputs={"detectors": {}, "events": {"excludeReasons": ["BackOff"]}}),
    )
    operator.world.warnings = (replace(WARNING, first=TUESDAY - HOUR, last=TUESDAY - HOUR),)
    anomaly = {"query": "p99", "labels": {"service": "cart"}, "start": rfc3339(TUESDAY - HOUR), "peak": "9"}
    more = {"peakScore": "4", "severity": "High", "explanation": "observed 9, expected 1"}
    operator.world.detectors = (DetectorSeen("latency", (Anomaly.model_validate({**anomaly, **more}),)),)
    plan = await operator.look(TUESDAY)
    assert [(one.name, one.incidents) for one in plan.status.inputs] == [("Detectors", 1), ("Events", 0)]
    assert operator.world.fetched == [], "no source is asked when alerts are no input"
    assert "observed 9, expected 1" in operator.files()["report.md"]


async def test_outputs_that_were_not_asked_for_are_not_kept():
    operator = Operator(a_world(SLOW), a_report(schedule={"type": "Once"}, outputs=["Markdown"]))
    await operator.look(TUESDAY)
    assert set(operator.files()) == {"report.md", "templates.json"}


async def test_a_report_that_does_not_fit_one_object_takes_several_and_is_pruned_with_all_of_them():
    episodes = [
        (f"alertname=A{i},severity=warning,message={'x' * 300} {i}", MONDAY + i * 60, MONDAY + i * 60 + 60)
        for i in range(1200)
    ]
    operator = Operator(a_world(*episodes), a_report(historyLimit=1, inputs={"alerts": {}}))
    await operator.look(MONDAY + HOUR)
    from opssight_operator.core import report_plan

    packed = report_plan.packed
    report_plan.packed = lambda report, name, files: packed(report, name, files, 6_000)  # type: ignore[assignment]
    try:
        plan = await operator.look(TUESDAY + 1)
        last = plan.status.last_report
        assert last.parts > 2
        names = operator.reports()
        assert len(names) == last.parts
        sizes = [sum(len(k) + len(v.encode()) for k, v in operator.world.documents[n].data.items()) for n in names]
        assert max(sizes) <= 6_000
        files = unpacked(operator.world.documents[name].data for name in names)
        assert json.loads(files["report.json"])["digest"] == last.digest.removeprefix("sha256:")
        await operator.look(TUESDAY + DAY + 1)
        assert not set(names) & set(operator.reports())
    finally:
        report_plan.packed = packed


async def test_alerts_are_compared_with_their_past_while_events_have_none():
    """A month of one alert a day and a storm of twelve in one hour; Events are written down for a day."""
    quiet = [
        (f"alertname=A{i % 5},service=web,severity=warning", MONDAY - i * DAY + 3 * HOUR, MONDAY - i * DAY + 3.2 * HOUR)
        for i in range(1, 29)
    ]
    storm = [
        (
            "alertname=Storm,service=cart,severity=critical",
            MONDAY + 15 * HOUR + i * 240,
            MONDAY + 15 * HOUR + i * 240 + 60,
        )
        for i in range(12)
    ]
    warnings = tuple(
        replace(WARNING, name=f"web-{i}", first=MONDAY + i * 2 * HOUR, last=MONDAY + i * 2 * HOUR) for i in range(9)
    )

    async def claims(world: World) -> dict[str, list[str]]:
        operator = Operator(world, a_report())
        world.warnings = warnings
        await operator.look(MONDAY + HOUR)
        await operator.look(TUESDAY + 1)
        made = json.loads(operator.files()["report.json"])
        assert [one["incidents"] for one in operator.report.status.dump()["inputs"] if one["name"] == "Events"] == [9]
        return {s["name"]: [f["sentence"] for f in s["findings"] if f["pValue"] is not None] for s in made["sections"]}

    stormy = await claims(a_world(*quiet, *storm))
    assert any("cart" in sentence for sentence in stormy["ResourceTypes"])
    assert any("21:00" in sentence for sentence in stormy["HourOfDay"])
    calm = await claims(a_world(*quiet, (quiet[0][0], MONDAY + 3 * HOUR, MONDAY + 3.2 * HOUR)))
    assert [sentence for told in calm.values() for sentence in told] == [], "that Events are new is no news"


async def test_a_report_that_was_kept_but_not_told_of_is_made_again_in_its_place():
    operator = Operator(a_world(SLOW), a_report(inputs={"alerts": {}}))
    await operator.look(MONDAY + HOUR)
    operator.world.status_error = KubernetesUnavailable("the API server did not answer in time")
    with pytest.raises(KubernetesUnavailable):
        await operator.look(TUESDAY + 1)
    assert operator.reports() == ["opssight-prep-morning-20260106-0600"]
    operator.world.status_error = None
    plan = await operator.look(TUESDAY + 600)
    assert operator.reports() == ["opssight-prep-morning-20260106-0600"]
    assert plan.status.last_report.incidents == 1
    assert len([event for _, event in operator.world.events if event.reason == "ReportMade"]) == 1


async def test_a_prometheus_that_knows_nothing_of_the_namespace_is_no_calm():
    world = a_world()
    world.matrix = lambda expr, start, end, step: Frame(
        (times := np.arange(start, end + 1, step)), np.empty((times.size, 0)), ()
    )
    operator = Operator(world, a_report(schedule={"type": "Once"}, inputs={"alerts": {}}))
    plan = await operator.look(TUESDAY)
    complete = next(c for c in plan.status.conditions if c.type == "Complete")
    assert (complete.status, complete.reason) == ("False", "InputCut")
    assert "unknown, not absent" in complete.message
    assert plan.status.dump()["inputs"] == [{"name": "Alerts", "incidents": 0}]
