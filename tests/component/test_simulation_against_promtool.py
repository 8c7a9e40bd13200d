"""Simulated episodes are what Prometheus itself fires: promtool runs the same rules on the same samples."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from opssight_detectors.thresholds import AlertRule, Bound, simulate
from opssight_operator.core.alert_template import Firing, alert_expression, template_of

pytestmark = pytest.mark.component

STEP = 60
LOOKBACK = 300.0  # of promtool's engine
ROWS = 60
SERIES = 12


@pytest.fixture(scope="module")
def promtool():
    named = os.environ.get("OPSSIGHT_PROMTOOL")
    if named:
        return named
    from localcluster import build
    from localcluster.components import providing

    if not build.is_built(providing("promtool")):
        build.build()
    return str(build.program("promtool"))


def random_series(seed):
    """Samples that stay on one side for a while, with gaps short and long."""
    random = np.random.default_rng(seed)
    stay = random.choice([0.5, 0.8, 0.95], SERIES)
    values = np.empty((ROWS, SERIES))
    values[0] = random.integers(0, 3, SERIES)
    for row in range(1, ROWS):
        moves = random.random(SERIES) > stay
        values[row] = np.where(moves, random.integers(0, 3, SERIES), values[row - 1])
    gaps = random.random(values.shape) < random.choice([0.0, 0.1, 0.4], SERIES)
    long_gap = random.integers(0, ROWS, SERIES)
    gaps |= np.abs(np.arange(ROWS)[:, None] - long_gap) < random.choice([0, 4, 12], SERIES)
    values[gaps] = np.nan
    return values


def notation(column, missing):
    return " ".join(missing if np.isnan(value) else f"{value:g}" for value in column)


def duration(seconds):
    return f"{int(seconds)}s"


def fired_by_promtool(promtool, folder: Path, values, rule, missing, interval, rows):
    """Whether promtool's ALERTS fires for each series at each evaluation: asked as expectations of a rule test."""
    template = template_of(None, "x", rule.bound, {})
    held = rule.recovery is not None
    levels = {False: f"{rule.threshold:g}", True: f"{rule.recovery if held else 0:g}"}
    expression = alert_expression(template, levels.get, firing=Firing("A") if held else None)
    alert = {"alert": "A", "expr": expression, "for": duration(rule.for_seconds)}
    if rule.keep_firing_for_seconds:
        alert["keep_firing_for"] = duration(rule.keep_firing_for_seconds)
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": duration(interval), "rules": [alert]}]}))
    firing = expected_firing(values, rule, interval, rows, 0.0 if missing == "stale" else LOOKBACK)
    tests = []
    for index in range(rows):
        expected = [
            {"labels": f'ALERTS{{alertname="A", alertstate="firing", i="{series}"}}', "value": 1}
            for series in range(values.shape[1])
            if firing[index, series]
        ]
        expression = 'ALERTS{alertstate="firing"}'
        tests.append({"expr": expression, "eval_time": duration(index * interval), "exp_samples": expected})
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": duration(interval),
        "tests": [
            {
                "interval": duration(STEP),
                "input_series": [
                    {"series": f'x{{i="{series}"}}', "values": notation(values[:, series], missing)}
                    for series in range(values.shape[1])
                ],
                "promql_expr_test": tests,
            }
        ],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    return subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)


def expected_firing(values, rule, interval, rows, lookback):
    """[evaluation, series] of what the simulation says."""
    episodes = simulate(
        STEP * np.arange(len(values), dtype=float),
        values,
        AlertRule(
            rule.threshold,
            rule.bound,
            rule.for_seconds,
            rule.keep_firing_for_seconds,
            interval=interval,
            lookback=lookback,
            recovery=rule.recovery,
        ),
    )
    clock = interval * np.arange(rows, dtype=float)
    firing = np.zeros((rows, values.shape[1]), dtype=bool)
    for series, start, end in zip(episodes.series, episodes.start, episodes.end, strict=True):
        firing[:, series] |= (clock >= start) & (clock < end)
    return firing


RULES = {
    "at once": (0.0, 0.0),
    "after a while": (180.0, 0.0),
    "after a while between two evaluations": (100.0, 0.0),
    "kept firing": (0.0, 240.0),
    "after a while and kept firing": (120.0, 300.0),
    "kept firing to between two evaluations": (60.0, 130.0),
    "held by a level of recovery and kept firing": (120.0, 130.0, "recover"),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("bound", list(Bound))
@pytest.mark.parametrize("missing", ["_", "stale"])
def test_promtool_fires_when_the_simulation_does(promtool, tmp_path, name, bound, missing):
    for_seconds, keep, *recovers = RULES[name]
    threshold, behind = (1.5, 0.5) if bound is Bound.UPPER else (0.5, 1.5)
    rule = AlertRule(threshold, bound, for_seconds, keep, recovery=behind if recovers else None)
    fired = 0
    for seed, interval in enumerate((60.0, 30.0, 90.0)):
        values = random_series(seed)
        rows = int((ROWS - 1) * STEP // interval) + 1
        lookback = 0.0 if missing == "stale" else LOOKBACK
        fired += int(expected_firing(values, rule, interval, rows, lookback).sum())
        run = fired_by_promtool(promtool, tmp_path, values, rule, missing, interval, rows)
        assert run.returncode == 0, (run.stdout + run.stderr)[:4000]
    assert fired > 50  # else the agreement would prove little
