"""Tables become incidents, or a complaint that says what is wrong; samples become episodes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opssight_detectors.patterns.columns import Column
from opssight_detectors.patterns.episodes import episodes_from_samples, incidents_from_alerts
from opssight_detectors.patterns.incidents import concatenate, no_incidents
from opssight_detectors.patterns.readers import read_csv, read_json
from opssight_detectors.patterns.tables import incidents_from_columns, incidents_from_records
from opssight_detectors.patterns.timestamps import day_of_week, hour_of_day, local_seconds
from oracles.patterns import slow_episodes

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
PLENTY = {"start": ["2025-12-31T10:00:00Z", "2025-12-31T09:00:00+02:00"]}


def test_resource_type_start_severity_and_message_are_enough() -> None:
    table = read_csv(
        b"Resource Type,Start,Severity,Message\n"
        b"Pod,2025-12-31T10:00:00Z,critical,OOMKilled\n"
        b"Node,2025-12-31T09:30:00Z,Warning,disk is full\n"
    )
    incidents = incidents_from_columns(table, now=NOW)
    assert [incidents.resource_type[i] for i in range(2)] == ["Node", "Pod"]
    assert incidents.severity_rank().tolist() == [2.0, 4.0]
    assert incidents.message[1] == "OOMKilled"
    assert incidents.name[0] is None
    assert np.isnan(incidents.end).all()


def test_a_column_of_another_name_is_mapped_and_the_rest_become_labels() -> None:
    records = [{"opened": 1000, "what": "Down", "cluster": "a", "labels": {"team": "x"}}, {"opened": 900, "what": "Up"}]
    incidents = incidents_from_records(records, now=NOW, names={"start": "opened", "name": "what"})
    assert incidents.start.tolist() == [900.0, 1000.0]
    assert incidents.name[1] == "Down"
    assert incidents.labels[1] == {"cluster": "a", "team": "x"}
    assert incidents.labels[0] == {}


def test_times_of_any_offset_are_one_time_line() -> None:
    incidents = incidents_from_columns(PLENTY, now=NOW)
    assert np.diff(incidents.start) == 3 * 3600.0


def test_times_without_offset_are_read_in_the_zone_that_is_given() -> None:
    naive = {"start": ["2025-12-31T10:00:00", "2025-12-31T09:00:00Z"]}
    incidents = incidents_from_columns(naive, now=NOW, time_zone=ZoneInfo("Europe/Berlin"))
    assert incidents.start[0] == incidents.start[1]


COMPLAINTS = {
    "an empty table": ({}, {}, "the table of incidents is empty"),
    "columns without rows": ({"start": []}, {}, "the table of incidents is empty"),
    "no start": ({"when_it_was": [1]}, {}, "no column holds the start .* the table has when_it_was"),
    "an unknown column": ({"start": [1]}, {"names": {"severity": "sev"}}, "column 'sev' for severity does not exist"),
    "an unknown field": ({"start": [1]}, {"names": {"colour": "start"}}, "'colour' is no field of an incident"),
    "unequal columns": ({"start": [1, 2], "name": ["x"]}, {}, "column 'name' has 1 rows and another has 2"),
    "mixed time zones": (
        {"start": ["2025-12-31T10:00:00Z", "2025-12-31T10:00:00"]}, {},
        "start mixes time zones: row 1 has an offset, row 2 has none",
    ),
    "a future time": ({"start": [1.0, NOW + 3600]}, {}, "row 2: start lies 3,600 seconds in the future"),
    "a missing start": ({"start": [1.0, None]}, {}, "row 2: start is missing"),
    "a start that is NaN": ({"start": [float("nan")]}, {}, "row 1: start is missing"),
    "an infinite start": ({"start": [float("inf")]}, {}, "row 1: start is inf, not seconds"),
    "a truth value": ({"start": [True]}, {}, "row 1: start is True, which is no time"),
    "no time at all": ({"start": ["yesterday"]}, {}, "row 1: start is 'yesterday', which is no time; allowed are ISO"),
    "milliseconds": ({"start": [1_767_225_600_000]}, {}, "it looks like milliseconds, divide by 1000"),
    "an end before its start": ({"start": [10], "end": [5]}, {}, "row 1: end lies before start"),
    "too many rows": ({"start": [1, 2, 3]}, {"max_rows": 2}, "the table has 3 rows, allowed are 2"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "options", "sentence"), COMPLAINTS.values(), ids=COMPLAINTS.keys())
def test_a_bad_table_is_refused_with_a_sentence(columns: dict, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        incidents_from_columns(columns, now=NOW, **options)


BAD_BYTES = {
    "empty CSV": (read_csv, b"", "the CSV is empty"),
    "binary junk": (read_csv, b"\x00\x01\x02\xff", "the CSV is binary, not text"),
    "invalid UTF-8": (read_csv, b"start,msg\n1,caf\xe9\n", "not UTF-8: byte 0xe9 in line 2"),
    "a ragged row": (read_csv, b"start,msg\n1\n", "line 2 has 1 values and the header has 2"),
    "an open quote": (read_csv, b'start,msg\n1,"x\n', "is not CSV: unexpected end of data"),
    "a column twice": (read_csv, b"start,start\n1,2\n", "names column 'start' twice"),
    "empty JSON": (read_json, b" \n", "the JSON is empty"),
    "half a JSON line": (read_json, b'{"start": 1}\n{"start": \n', "line 2 is not JSON"),
    "deep JSON": (read_json, b"[" * 100_000, "nested too deeply|not JSON"),
}


@pytest.mark.parametrize(("read", "data", "sentence"), BAD_BYTES.values(), ids=BAD_BYTES.keys())
def test_bad_bytes_are_refused_with_a_sentence(read, data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(data)


def test_too_many_bytes_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(ValueError, match="the CSV has 101 bytes, allowed are 100"):
        read_csv(b"x" * 101, max_bytes=100)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    for read, make in ((read_csv, incidents_from_columns), (read_json, incidents_from_records)):
        try:
            make(read(data), now=NOW)
        except ValueError as error:
            assert len(str(error)) > 10


def test_json_lines_and_an_array_are_the_same() -> None:
    assert read_json(b'{"start": 1}\n\n{"start": 2}') == read_json(b'[{"start": 1}, {"start": 2}]')


def test_many_rows_are_read_and_counted() -> None:
    n = 200_000
    started = [1_700_000_000 + i for i in range(n)]
    incidents = incidents_from_columns({"start": started, "severity": ["warning", "critical"] * (n // 2)}, now=NOW)
    assert incidents.severity.counts().tolist() == [n // 2, n // 2]


def test_tables_from_several_sources_become_one() -> None:
    one = incidents_from_records([{"start": 5, "name": "A", "x": 1}, {"start": 1, "name": "B"}], now=NOW)
    two = incidents_from_records([{"start": 3, "name": "B", "service": "s"}], now=NOW)
    both = concatenate([one, no_incidents(), two])
    assert [(both.start[i], both.name[i], both.service[i], both.labels[i]) for i in range(3)] == [
        (1.0, "B", None, {}),
        (3.0, "B", "s", {}),
        (5.0, "A", None, {"x": "1"}),
    ]
    assert len(both.between(1.0, 5.0)) == 2


def test_an_unknown_name_falls_back_to_another_column() -> None:
    column = Column.of(["a", None, "b", None]).or_else(Column.of(["z", "b", None, None]))
    assert [column[i] for i in range(4)] == ["a", "b", "b", None]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=25), st.sampled_from([0.0, 60.0]))
def test_episodes_are_those_of_the_obvious_loop(present: list[list[bool]], max_gap: float) -> None:
    values = np.where(np.array(present), 1.0, np.nan)
    times = 600.0 + 60.0 * np.arange(len(present))
    found = episodes_from_samples(times, values, step=60.0, max_gap=max_gap)
    rows = zip(found.series, found.start, np.nan_to_num(found.end, nan=-1.0), found.began_before, strict=True)
    assert sorted(tuple(map(float, row)) for row in rows) == slow_episodes(times, values, 60.0, max_gap)
    assert (np.diff(found.start) >= 0).all()


def test_an_alert_keeps_its_labels_and_is_dated_by_when_it_became_active() -> None:
    labels = [
        {"__name__": "ALERTS", "alertstate": "firing", "alertname": "Down", "namespace": "shop", "pod": "p", "job": "j"}
    ]
    values = np.array([[1.0], [1.0], [np.nan]])
    incidents = incidents_from_alerts(
        np.array([100.0, 160.0, 220.0]), values, labels, step=60.0, active_since=np.array([40.0])
    )
    assert (incidents.start[0], incidents.end[0]) == (40.0, 220.0)
    assert (incidents.name[0], incidents.resource_type[0], incidents.service[0]) == ("Down", "Pod", "j")
    assert incidents.labels[0] == {"namespace": "shop", "pod": "p", "job": "j"}


SERVICES = {
    "its own label": ({"service": "checkout", "job": "pods"}, "checkout"),
    "the job it is scraped by": ({"job": "checkout"}, "checkout"),
    "the workload, from kube-state-metrics": (
        {"job": "kube-state-metrics", "service": "x-kube-state-metrics", "deployment": "web"}, "web"
    ),
    "the container, from kube-state-metrics": ({"job": "kube-state-metrics", "container": "app"}, "app"),
    "nothing": ({"instance": "10.0.0.1:9100"}, None),
}  # fmt: skip


@pytest.mark.parametrize(("labels", "service"), SERVICES.values(), ids=SERVICES.keys())
def test_an_alert_is_about_a_service_and_not_about_its_exporter(labels: dict[str, str], service: str | None) -> None:
    incidents = incidents_from_alerts(np.array([0.0]), np.array([[1.0]]), [labels], step=60.0)
    assert incidents.service[0] == service


BAD_SAMPLES = {
    "one dimension": (np.zeros(3), np.zeros(3), 60.0, r"values must be \[time, series\]"),
    "other times": (np.zeros(2), np.zeros((3, 1)), 60.0, "for 2 times"),
    "no step": (np.zeros(3), np.zeros((3, 1)), 0.0, "step must be positive"),
}


@pytest.mark.parametrize(("times", "values", "step", "sentence"), BAD_SAMPLES.values(), ids=BAD_SAMPLES.keys())
def test_samples_of_a_wrong_shape_are_refused(times, values, step: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        episodes_from_samples(times, values, step=step)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=20),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York"]),
)
def test_hours_and_weekdays_are_those_of_the_wall_clock(times: list[int], zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    local = local_seconds(np.array(times, dtype=np.float64), zone)
    moments = [datetime.fromtimestamp(t, zone) for t in times]
    assert hour_of_day(local).tolist() == [moment.hour for moment in moments]
    assert day_of_week(local).tolist() == [moment.weekday() for moment in moments]


def test_a_fixed_offset_is_a_zone_too() -> None:
    assert local_seconds(np.array([0.0]), timezone(timedelta(hours=-3))).tolist() == [-10_800.0]
