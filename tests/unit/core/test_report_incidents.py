"""Incidents of a report: episodes and not samples, each once, wherever it comes from."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NAN, NOW, labels_of
from opssight_detectors.patterns.episodes import incidents_from_alerts
from opssight_operator.api.detector_status import Anomaly
from opssight_operator.api.pattern_report import AlertsInput
from opssight_operator.core import report_journal as journals
from opssight_operator.core.observation import Frame
from opssight_operator.core.report_alerts import AlertLog, alerts_expression, known_since, stretches
from opssight_operator.core.report_incidents import AlertsSeen, gathered, table_of
from opssight_operator.core.report_journal import DetectorSeen, Journal, WarningEvent, with_anomalies, with_events
from opssight_operator.core.timing import rfc3339
from opssight_operator.errors import InvalidSpec

HOUR, DAY = 3600.0, 86_400.0
END = NOW - NOW % 60


def an_event(first: float, *, last: float | None = None, **changes) -> WarningEvent:
    fields = {"kind": "Pod", "name": "checkout-7d9f8b6c5-x2x4z", "reason": "BackOff", "note": "Back-off restarting"}
    return WarningEvent(**{**fields, "first": first, "last": last or first, "count": 1, **changes})


def an_anomaly(start: float, end: float | None = None, *, labels: str = "service=cart", **changes) -> Anomaly:
    fields = {"query": "p99", "labels": labels_of(labels), "peak": "9", "peakScore": "4", "severity": "High"}
    times = {"start": rfc3339(start), **({"end": rfc3339(end)} if end else {})}
    return Anomaly.model_validate({**fields, "explanation": "observed 9, expected 1", **times, **changes})


def fired(*episodes: tuple[str, float, float], since: float | None = None, step: float = 60.0) -> AlertsSeen:
    """Alerts that fired from one moment to another, as the log of a month tells them."""
    alerts = AlertsInput()
    log = AlertLog(alerts)
    begin = END - 28 * DAY
    for part in stretches(alerts, begin, END):
        times = np.arange(part.start, part.end + 1, step)
        values = np.stack([np.where((times >= a) & (times < b), 1.0, NAN) for _, a, b in episodes], axis=1)
        present = ~np.isnan(values).all(axis=0)
        labels = tuple({"__name__": "ALERTS", "alertstate": "firing", **labels_of(text)} for text, _, _ in episodes)
        kept = tuple(label for label, here in zip(labels, present, strict=True) if here)
        log.add(Frame(times, values[:, present], kept))
    return AlertsSeen(log.incidents(begin, END), begin if since is None else since)


def all_of(alerts=None, journal=None, inputs=("Alerts", "Detectors", "Events"), days: float = 28):
    return gathered(alerts, journal or Journal(), inputs, history_start=END - days * DAY, start=END - DAY, end=END)


@given(
    st.lists(st.lists(st.booleans(), min_size=300, max_size=300), min_size=1, max_size=3),
    st.sampled_from([600.0, 1800.0, 7200.0]),
)
@settings(max_examples=40, deadline=None)
def test_a_month_read_in_pieces_has_the_episodes_of_a_month_read_at_once(present, chunk):
    values = np.where(np.array(present).T, 1.0, NAN)
    times = END - 60.0 * np.arange(299, -1, -1)
    labels = tuple({"alertname": f"A{i}"} for i in range(values.shape[1]))
    log = AlertLog(AlertsInput())
    for at in range(0, 300, int(chunk // 60)):
        rows = slice(at, at + int(chunk // 60))
        seen = ~np.isnan(values[rows]).all(axis=0)
        log.add(Frame(times[rows], values[rows][:, seen], tuple(x for x, s in zip(labels, seen, strict=True) if s)))
    whole = incidents_from_alerts(times, values, labels, step=60.0, max_gap=120.0)
    whole = whole.take(whole.start > times[0] + 1)
    pieces = log.incidents(times[1], END)

    def rows_of(table):
        return sorted((table.start[i], str(table.end[i]), table.name[i]) for i in range(len(table)))

    assert rows_of(pieces) == rows_of(whole)


def test_an_alert_that_fires_for_two_days_is_one_incident():
    seen = fired(("alertname=Slow,service=cart,severity=critical", END - 3 * DAY, END - DAY))
    assert len(seen.incidents) == 1
    assert seen.incidents.start[0] == END - 3 * DAY
    assert seen.incidents.end[0] == END - DAY


def test_an_alert_that_always_fires_is_no_incident_of_any_time():
    assert len(fired(("alertname=Watchdog", 0.0, END + DAY)).incidents) == 0


def test_an_alert_that_still_fires_has_no_end():
    assert math.isnan(fired(("alertname=Slow", END - HOUR, END + DAY)).incidents.end[0])


def test_the_days_that_are_read_touch_and_cover_the_time():
    parts = list(stretches(AlertsInput(step="1m"), END - 3 * DAY, END))
    assert parts[0].start == END - 3 * DAY - 60
    assert parts[-1].end == END
    for one, other in itertools.pairwise(parts):
        assert other.start == one.end + 60
        assert one.end - one.start < DAY


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([], 'ALERTS{alertstate="firing"}'),
        (['severity=~"a|b"', 'team!="x"'], 'ALERTS{alertstate="firing",severity=~"a|b",team!="x"}'),
    ],
)
def test_matchers_narrow_the_selector(matchers, expected):
    assert alerts_expression(AlertsInput(matchers=matchers)) == expected


@pytest.mark.parametrize("matcher", ['a="b"} or x{c="d"', 'a="b",c="d"', 'a=~"("', 'a="b" or c="d"', "", 'a="b'])
def test_a_matcher_that_is_more_or_less_than_one_is_refused_by_its_place(matcher):
    with pytest.raises(InvalidSpec) as refusal:
        alerts_expression(AlertsInput.model_construct(matchers=['ok="1"', matcher]))
    assert "inputs.alerts.matchers[1]" in str(refusal.value)


def test_what_prometheus_knows_begins_with_its_first_sample():
    times = np.array([0.0, 3600.0, 7200.0])
    assert known_since(Frame(times, np.array([[NAN], [2.0], [NAN]]), ({},))) == 3600.0
    assert known_since(Frame(times, np.empty((3, 0)), ())) is None


def test_a_warning_with_a_count_is_one_incident():
    journal = with_events(Journal(), [an_event(END - HOUR, last=END - 60, count=57)], END)
    (entry,) = journal.entries
    assert (entry.start, entry.last, entry.count) == (END - HOUR, END - 60, 57)
    assert (entry.name, entry.resource_type, entry.service) == ("BackOff", "Pod", "checkout")


def test_the_same_warning_in_several_objects_is_one_incident_while_it_lasts():
    events = [an_event(END - 5 * HOUR), an_event(END - 5 * HOUR + 900), an_event(END - HOUR)]
    journal = with_events(Journal(), events, END)
    assert [(entry.start, entry.last) for entry in journal.entries] == [
        (END - 5 * HOUR, END - 5 * HOUR + 900),
        (END - HOUR, END - HOUR),
    ]


EVENTS = st.lists(
    st.builds(
        lambda first, length, name: an_event(END - first, last=END - first + min(length, first), name=name),
        st.integers(0, 40_000),
        st.integers(0, 4000),
        st.sampled_from(["a", "b"]),
    ),
    max_size=12,
)


@given(EVENTS, st.integers(0, 12))
@settings(max_examples=80, deadline=None)
def test_reading_events_again_or_in_parts_changes_nothing(events, cut):
    whole = with_events(Journal(), events, END)
    assert with_events(whole, events, END + 60) == whole
    parts = with_events(with_events(Journal(), events[:cut], END), events[cut:], END)
    spans = [{(e.start, e.last, e.key) for e in journal.entries} for journal in (parts, whole)]
    assert spans[0] == spans[1]


def test_an_open_anomaly_gets_its_end_and_stays_one():
    journal = with_anomalies(Journal(), [DetectorSeen("latency", (an_anomaly(END - HOUR),))], END)
    assert journal.entries[0].end is None
    journal = with_anomalies(journal, [DetectorSeen("latency", (an_anomaly(END - HOUR, END - 60),))], END)
    (entry,) = journal.entries
    assert entry.end == END - 60
    assert (entry.name, entry.service, entry.severity) == ("Anomaly latency/p99", "cart", "high")


def test_anomalies_that_left_the_status_stay_in_the_journal():
    journal = with_anomalies(Journal(), [DetectorSeen("latency", (an_anomaly(END - 2 * HOUR, END - HOUR),))], END)
    assert with_anomalies(journal, [DetectorSeen("latency", ())], END).entries == journal.entries


def test_a_full_status_knows_nothing_before_its_oldest_anomaly():
    many = tuple(an_anomaly(END - HOUR * (i + 1), END - HOUR * i - 60) for i in range(20))
    journal = with_anomalies(Journal(), [DetectorSeen("a", many), DetectorSeen("b", (an_anomaly(END - 9 * DAY),))], END)
    assert journal.since["Detectors"] == END - 20 * HOUR


@given(EVENTS)
@settings(max_examples=40, deadline=None)
def test_a_journal_is_read_back_as_it_was_written(events):
    journal = with_anomalies(with_events(Journal(), events, END), [DetectorSeen("d", (an_anomaly(END - 60),))], END)
    assert journals.loaded(journals.dumped(journal)) == journal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"entries": [{}], "since": {}}',
        '{"entries": [], "since": {"a": NaN}}',
        '{"entries": 1, "since": {}}',
        '{"entries": [], "since": {"Events": "soon"}}',
        "[" * 100_000,
    ],
)
def test_a_journal_that_somebody_edited_is_refused(text):
    with pytest.raises(ValueError):
        journals.loaded(text)


def test_a_journal_is_cut_from_its_old_end_and_says_so():
    events = [an_event(END - i * HOUR, name=f"pod{i}") for i in range(10)]
    journal = with_events(Journal(), events, END - 11 * HOUR)
    cut = journals.kept(journal, oldest=0.0, inputs=["Events"], max_entries=3, max_bytes=10**6)
    assert [entry.start for entry in cut.entries] == [END - 2 * HOUR, END - HOUR, END]
    assert cut.since["Events"] == END - 3 * HOUR + 1
    small = journals.kept(journal, oldest=0.0, inputs=["Events"], max_entries=100, max_bytes=1000)
    assert 0 < len(small.entries) < 5
    assert len(journals.dumped(small)) < 1200
    assert journals.kept(journal, oldest=END - 90.0, inputs=["Events"], max_entries=9, max_bytes=10**6).entries == (
        journal.entries[-1],
    )
    assert journals.kept(journal, oldest=0.0, inputs=["Detectors"], max_entries=9, max_bytes=10**6) == Journal()


@pytest.mark.parametrize(
    ("kind", "name", "workload"),
    [
        ("Pod", "checkout-7d9f8b6c5-x2x4z", "checkout"),
        ("Pod", "web-api-5f6d7c8b94-abcde", "web-api-5f6d7c8b94-abcde"),  # no name that Kubernetes makes has an a or e
        ("Pod", "node-exporter-x2x4z", "node-exporter"),
        ("Pod", "kafka-2", "kafka"),
        ("Deployment", "kafka-2", "kafka-2"),
    ],
)
def test_the_workload_of_a_pod_is_in_its_name(kind, name, workload):
    assert journals.workload_of(kind, name) == workload


def test_an_anomaly_and_the_alert_on_it_are_one_incident():
    alert = ("alertname=OpsSightAnomaly,detector=latency,query=p99,service=cart", END - HOUR, END - HOUR / 2)
    other = ("alertname=OpsSightAnomaly,detector=latency,query=p99,service=web", END - HOUR, END - HOUR / 2)
    anomalies = (an_anomaly(END - HOUR - 300, END - HOUR / 2 - 60), an_anomaly(END - 9 * HOUR, END - 8 * HOUR))
    journal = with_anomalies(Journal(), [DetectorSeen("latency", anomalies)], END)
    seen = all_of(fired(alert, other), journal)
    rows = [(seen.incidents.start[i], seen.incidents.service[i], seen.incidents.message[i]) for i in range(3)]
    assert len(seen.incidents) == 3
    assert rows == [
        (END - 9 * HOUR, "cart", "observed 9, expected 1"),
        (END - HOUR - 300, "cart", "observed 9, expected 1"),
        (END - HOUR, "web", None),
    ]
    assert {seen.incidents.name[i] for i in range(3)} == {"Anomaly latency/p99"}
    assert [(one.name, one.incidents) for one in seen.inputs] == [("Alerts", 2), ("Detectors", 1), ("Events", 0)]


def test_an_anomaly_is_about_its_series_and_not_about_the_operator_that_exports_its_score():
    labels = "alertname=OpsSightAnomaly,detector=cpu,query=usage,job=opssight,instance=opssight:8080,namespace=shop"
    seen = all_of(fired((f"{labels},container=cart", END - HOUR, END), (labels, END - 2 * HOUR, END)))
    assert [(seen.incidents.service[i], seen.incidents.resource_type[i]) for i in range(2)] == [
        (None, "Metric"),
        ("cart", "Container"),
    ]
    assert seen.incidents.namespace[0] == "shop"


def test_history_begins_where_the_youngest_input_that_says_something_does():
    old = fired(("alertname=Slow", END - HOUR, END))
    assert all_of(old).recorded_since == END - 28 * DAY
    young = with_events(Journal(), [an_event(END - 2 * HOUR)], END)
    both = all_of(old, young)
    assert both.recorded_since == END - DAY, "Events are written down for two hours: no history"
    assert both.long_known is not None, "but alerts have theirs"
    assert both.long_known.since == END - 28 * DAY
    assert [both.incidents.name[i] for i in np.flatnonzero(both.long_known.rows)] == ["Slow"]
    assert all_of(old).long_known is None
    silent = with_events(Journal(), [], END)
    assert all_of(old, silent).recorded_since == END - 28 * DAY, "an input without incidents limits nothing"
    assert all_of(fired(("alertname=Slow", END - HOUR, END), since=END - 5 * DAY)).recorded_since == END - 5 * DAY


def test_inputs_that_are_not_read_are_not_in_the_table():
    journal = with_events(Journal(), [an_event(END - HOUR)], END)
    assert len(all_of(None, journal, inputs=("Detectors",)).incidents) == 0
    assert len(all_of(None, journal, inputs=("Events",)).incidents) == 1


def test_a_single_warning_has_no_end_and_a_series_that_is_over_has_one():
    events = [an_event(END - 3 * HOUR, name="a"), an_event(END - 3 * HOUR, last=END - 2 * HOUR, name="b")]
    events.append(an_event(END - HOUR, last=END - 60, name="c"))
    table = table_of(with_events(Journal(), events, END).entries, END)
    ends = {table.labels[i]["object"]: table.end[i] for i in range(3)}
    assert math.isnan(ends["a"]) and math.isnan(ends["c"])
    assert ends["b"] == END - 2 * HOUR
