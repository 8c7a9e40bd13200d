"""backtest, explain and what reads times: from files, JSON and Parquet."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import yaml

from command_line import Opssight

START = datetime(2026, 3, 1, tzinfo=UTC)
FAULT = slice(1500, 1530)


def latencies() -> list[float]:
    values = 0.2 + np.random.default_rng(1).normal(0, 0.01, 2000)
    values[FAULT] += 0.3
    return [round(float(value), 4) for value in values]


def times() -> list[str]:
    return [(START + timedelta(minutes=i)).isoformat() for i in range(2000)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("histories")
    rows = [f"{at},{value},checkout" for at, value in zip(times(), latencies(), strict=True)]
    (made / "latency.csv").write_text("\n".join(["time,p99,service", *rows]))
    table = pyarrow.table({"time": times(), "p99": latencies(), "service": ["checkout"] * 2000})
    pyarrow.parquet.write_table(table, made / "latency.parquet")
    (made / "incidents.csv").write_text("start,end\n2026-03-02T01:00:00Z,2026-03-02T01:30:00Z\n")
    (made / "incidents.json").write_text('[{"start": "2026-03-02T01:00:00Z", "end": "2026-03-02T01:30:00Z"}]')
    return made


def test_a_backtest_finds_the_labelled_incident_and_nothing_else(opssight: Opssight, folder: Path) -> None:
    said = opssight(
        *("backtest", "--csv", folder / "latency.csv", "--column", "p99", "--time-column", "time"),
        *("--method", "RobustZScore", "--sensitivity", "6", "--incidents", folder / "incidents.csv"),
    )
    assert said.code == 0
    assert "episodes:      1, 10.1 a week" in said.out
    assert "1 of 1 found, median delay 0s" in said.out
    assert "2026-03-02T01:00:00Z" in said.out


def test_csv_and_parquet_say_the_same_and_incidents_may_be_json(opssight: Opssight, folder: Path) -> None:
    options = ("--column", "p99", "--time-column", "time", "--threshold", "0.4", "--for", "5m", "-o", "json")
    csv = opssight("backtest", "--csv", folder / "latency.csv", "--incidents", folder / "incidents.json", *options)
    parquet = opssight(
        "backtest", "--parquet", folder / "latency.parquet", "--incidents", folder / "incidents.csv", *options
    )
    assert csv == parquet
    told = json.loads(csv.out)
    assert (told["episodes"], told["labels"]["precision"], told["labels"]["recall"]) == (1, 1, 1)
    assert told["labels"]["median_delay_seconds"] == 300


def test_an_estimator_is_walked_with_a_threshold_that_moves(opssight: Opssight, folder: Path) -> None:
    said = opssight(
        *("backtest", "--csv", folder / "latency.csv", "--column", "p99", "--step", "1m", "--estimator"),
        *("Percentile", "--set", "percentile=99", "--set", "margin=0.5", "--for", "2m", "-o", "json", "--exit-code"),
    )
    assert said.code == 1
    told = json.loads(said.out)
    assert [alert["start"] // 60 for alert in told["alerts"]] == [FAULT.start + 2]
    assert told["share_judged"] == 1


def test_samples_that_had_no_threshold_are_told_and_are_no_health(opssight: Opssight, folder: Path) -> None:
    """This estimator learns nothing from less than a day."""
    said = opssight(
        *("backtest", "--csv", folder / "latency.csv", "--column", "p99", "--step", "1m", "--training", "10h"),
        *("--refit", "1h", "--estimator", "ExceedanceRate", "--set", "rate=0.001"),
    )
    assert "% of the samples had a score or a threshold, the others could raise no alert" in said.out


def test_a_history_without_times_is_told_in_seconds_alone(opssight: Opssight, folder: Path) -> None:
    told = opssight("backtest", "--csv", folder / "latency.csv", "--column", "p99", "--step", "1m")
    assert " s to " in told.out and "lasted" in told.out
    assert "1970" not in told.out


def test_the_page_of_a_backtest_has_a_plot_with_the_alert_and_needs_nothing_else(
    opssight: Opssight, folder: Path
) -> None:
    page = opssight(
        *("backtest", "--csv", folder / "latency.csv", "--column", "p99", "--time-column", "time"),
        *("--threshold", "0.4", "--incidents", folder / "incidents.csv", "-o", "html"),
    ).out
    assert page.startswith("<!doctype html>")
    assert page.count("<polyline") == 1
    assert 'class="alert"' in page
    assert 'class="incident"' in page
    assert "src=" not in page
    assert "http" not in page.replace("http-equiv", "")


MANIFESTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a detector": (
        "AnomalyDetector",
        {
            "queries": [{"name": "p99", "expr": "latency", "direction": "Above", "minDeviation": {"absolute": "0.1"}}],
            "method": {"type": "RobustZScore"},
            "trainingWindow": "12h",
        },
        "checkout/p99 by RobustZScore",
    ),
    "a policy": (
        "ThresholdPolicy",
        {
            "expr": "latency",
            "estimator": {"type": "Percentile", "percentile": {"percentile": "99", "margin": "0.5"}},
            "alert": {"for": "2m"},
        },
        "checkout by Percentile",
    ),
}


@pytest.mark.parametrize(("kind", "spec", "what"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_is_tried_as_it_stands(
    opssight: Opssight, folder: Path, tmp_path: Path, kind: str, spec: dict[str, Any], what: str
) -> None:
    file = tmp_path / "manifest.yaml"
    body = {"apiVersion": "opssight.dev/v1alpha1", "kind": kind, "metadata": {"name": "checkout"}, "spec": spec}
    file.write_text(yaml.safe_dump(body))
    said = opssight(
        *("backtest", "-f", file, "--csv", folder / "latency.csv", "--column", "p99", "--time-column", "time"),
        *("--incidents", folder / "incidents.csv", "--training", "24h"),
    )
    assert said.code == 0, said.err
    assert f"tried:         {what}" in said.out
    assert "1 of 1 found" in said.out


def test_a_point_is_explained_by_its_index_its_time_or_as_the_strangest(opssight: Opssight, folder: Path) -> None:
    fifty = ("10", "12", "11", "50", "13", "12")
    strangest = json.loads(opssight("explain", *fifty, "-o", "json").out)
    assert (strangest["index"], strangest["value"], strangest["anomalous"]) == (3, 50, True)
    assert (strangest["expected"], strangest["deviation"], strangest["severity"]) == (18, 32, "Low")
    normal = opssight("explain", *fifty, "--at", "4")
    assert normal.code == 0
    assert "value 4 is normal by ZScore: observed 13, expected 18" in normal.out
    source = ("--csv", folder / "latency.csv", "--column", "p99", "--time-column", "time", "--method", "RobustZScore")
    timed = opssight("explain", *source, "--at", "2026-03-02T01:05:00Z")
    assert "2026-03-02T01:05:00Z is anomalous by RobustZScore" in timed.out
    assert "since 2026-03-02T01:00:00Z" in timed.out
    outside = opssight("explain", *source, "--at", "2027-01-01T00:00:00Z")
    assert (outside.code, outside.out) == (2, "")
    assert "the samples are from 2026-03-01T00:00:00Z to 2026-03-02T09:19:00Z" in outside.err


def test_anomalies_have_times_where_the_samples_have_them(opssight: Opssight, folder: Path) -> None:
    source = ("--parquet", folder / "latency.parquet", "--column", "p99", "--time-column", "time")
    said = opssight("detect", *source, "--method", "RobustZScore", "--sensitivity", "6", "-o", "yaml")
    first = yaml.safe_load(said.out)["series"]["p99"]["anomalies"][0]
    assert (first["index"], first["time"]) == (FAULT.start, "2026-03-02T01:00:00Z")


def test_every_estimator_learns_and_its_alerts_are_simulated(opssight: Opssight, folder: Path) -> None:
    source = ("--csv", folder / "latency.csv", "--column", "p99", "--time-column", "time")
    for estimator in ("Percentile", "DecayingHistogram", "PeaksOverThreshold", "AlertBudget", "ExceedanceRate"):
        told = json.loads(opssight("thresholds", *source, "--estimator", estimator, "-o", "json").out)
        answer = told["thresholds"]["p99"]
        assert 0.2 < answer["threshold"] < 0.55, estimator
        assert "proposed" in answer["simulation"]
    lower = opssight("thresholds", *source, "--bound", "Lower", "--percentile", "99", "-o", "json")
    assert json.loads(lower.out)["thresholds"]["p99"]["threshold"] < 0.2
