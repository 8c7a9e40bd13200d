"""The Grafana dashboards of the chart, written as Python so that every panel looks and behaves alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).resolve().parent / "opssight-operator" / "files" / "dashboards"
SCHEMA_VERSION = 39  # Grafana 10.4; later ones migrate it
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "table"]
Json = dict[str, Any]


def query(expr: str, legend: str = "", *, instant: bool = False) -> Json:
    """One query of a panel; ``legend`` is Grafana's format."""
    mode = {"instant": True, "range": False, "format": "table"} if instant else {"instant": False, "range": True}
    return {"expr": expr, "legendFormat": legend, "datasource": SOURCE, "editorMode": "code", **mode}


def panel(
    title: str,
    about: str,
    *queries: Json,
    kind: Kind = "timeseries",
    unit: str = "short",
    width: int = 12,
    height: int = 8,
    thresholds: Sequence[tuple[float | None, str]] = ((None, "green"),),
    dashed: Sequence[str] = (),
) -> Json:
    """One panel; ``about`` says what to conclude from it. Series whose legend matches one of ``dashed`` are dashed."""
    defaults: Json = {
        "unit": unit,
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in thresholds]},
    }
    options: Json = {}
    if kind == "timeseries":
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 5, "showPoints": "never"}
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    elif kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "auto",
        }
    overrides = [
        {
            "matcher": {"id": "byRegexp", "options": f"/^{legend}/"},
            "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}],
        }
        for legend in dashed
    ]
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [{**one, "refId": chr(ord("A") + index)} for index, one in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": options,
    }


def variable(name: str, label: str, values: str) -> Json:
    """A variable whose values are asked from Prometheus; all of them are chosen at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": values, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def placed(panels: Sequence[Json]) -> list[Json]:
    """The panels side by side, row by row, each with an id."""
    x = y = row = 0
    result = []
    for number, one in enumerate(panels, start=1):
        size = one["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, row = 0, y + row, 0
        result.append({"id": number, **one, "gridPos": {**size, "x": x, "y": y}})
        x, row = x + size["w"], max(row, size["h"])
    return result


def dashboard(uid: str, title: str, about: str, variables: Sequence[Json], panels: Sequence[Json]) -> Json:
    """A dashboard with a choice of the data source."""
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["opssight"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *variables]},
        "annotations": {"list": []},
        "links": [
            {
                "title": "OpsSight",
                "type": "dashboards",
                "tags": ["opssight"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": placed(panels),
    }


def operator() -> Json:
    """Whether the operator does its work, and what slows it down."""
    own = 'job=~"$job"'
    return dashboard(
        "opssight-operator",
        "OpsSight: operator",
        "Whether the operator does its work, and what slows it down.",
        [variable("job", "Job", "label_values(opssight_leader, job)")],
        [
            panel(
                "Shards without a leader",
                "None. Without one nothing is learned or scored; recorded thresholds stay. Less than none are leaders "
                "too many.",
                query(f"max(opssight_shards{{{own}}}) - sum(opssight_leader{{{own}}})"),
                kind="stat",
                width=4,
                height=4,
                thresholds=((None, "red"), (0, "green"), (1, "red")),
            ),
            panel(
                "Resources",
                "What is watched.",
                query(f"sum by (kind) (opssight_resources{{{own}}})", "{{kind}}"),
                kind="stat",
                width=10,
                height=4,
            ),
            panel(
                "Defects in the last day",
                "Runs that ended by a defect of OpsSight; the log has the traceback.",
                query(f'sum(increase(opssight_reconcile_total{{{own},outcome="InternalError"}}[1d]))'),
                kind="stat",
                width=5,
                height=4,
                thresholds=((None, "green"), (1, "red")),
            ),
            panel(
                "Version",
                "Of each replica.",
                query(f"opssight_build_info{{{own}}}", "{{version}}"),
                kind="stat",
                width=5,
                height=4,
            ),
            panel(
                "Runs by outcome",
                "Reconciled is good; docs/reasons.md says what each other outcome asks for.",
                query(
                    f"sum by (outcome) (rate(opssight_reconcile_total{{{own}}}[$__rate_interval]))",
                    "{{outcome}}",
                ),
                unit="ops",
            ),
            panel(
                "Time of a run",
                "The fetch from Prometheus is most of it.",
                *(
                    query(
                        f"histogram_quantile({quantile}, sum by (kind, le) "
                        f"(rate(opssight_reconcile_duration_seconds_bucket{{{own}}}[$__rate_interval])))",
                        f"{{{{kind}}}}, {name}",
                    )
                    for quantile, name in ((0.5, "median"), (0.95, "95 %"))
                ),
                unit="s",
                dashed=[".*median"],
            ),
            panel(
                "Requests to Prometheus",
                "By source and outcome; everything but ok holds thresholds as they are.",
                query(
                    "sum by (source, outcome) "
                    f"(rate(opssight_prometheus_query_duration_seconds_count{{{own}}}[$__rate_interval]))",
                    "{{source}}, {{outcome}}",
                ),
                unit="reqps",
            ),
            panel(
                "Time of a request to Prometheus",
                "95 % are quicker than this. A slow source is helped by recording rules, longer steps and intervals.",
                query(
                    "histogram_quantile(0.95, sum by (source, le) "
                    f"(rate(opssight_prometheus_query_duration_seconds_bucket{{{own}}}[$__rate_interval])))",
                    "{{source}}",
                ),
                unit="s",
            ),
            panel(
                "Behind",
                "How late the newest run began, and how many resources wait for room.",
                query(f"max(opssight_scheduler_lag_seconds{{{own}}})", "seconds late"),
                query(f"sum(opssight_scheduler_waiting{{{own}}})", "resources that wait"),
                query(f"sum(increase(opssight_missed_runs_total{{{own}}}[$__rate_interval]))", "runs skipped"),
            ),
            panel(
                "Thresholds that were held",
                "Decisions that left a threshold as it was, by guardrail.",
                query(
                    f"sum by (reason) (rate(opssight_thresholds_held_total{{{own}}}[$__rate_interval]))", "{{reason}}"
                ),
                unit="ops",
            ),
            panel(
                "CPU",
                "Of each replica, in cores.",
                query(
                    f"rate(process_cpu_seconds_total{{{own}}}[$__rate_interval]) and on (job, instance) "
                    f"opssight_build_info{{{own}}}",
                    "{{instance}}",
                ),
            ),
            panel(
                "Memory",
                "Resident, of each replica.",
                query(
                    f"process_resident_memory_bytes{{{own}}} and on (job, instance) opssight_build_info{{{own}}}",
                    "{{instance}}",
                ),
                unit="bytes",
            ),
        ],
    )


def detectors() -> Json:
    """What is anomalous, and how well the bands fit."""
    chosen = 'namespace=~"$namespace",detector=~"$detector"'
    return dashboard(
        "opssight-detectors",
        "OpsSight: detectors",
        "What is anomalous now, observed against expected, and how often series leave their bands.",
        [
            variable("namespace", "Namespace", "label_values(opssight_anomaly_score, namespace)"),
            variable("detector", "Detector", 'label_values(opssight_anomaly_score{namespace=~"$namespace"}, detector)'),
        ],
        [
            panel(
                "Series beyond their band",
                "A score of 1 is the boundary of what is normal.",
                query(f"sum(opssight_anomaly_score{{{chosen}}} > bool 1)"),
                kind="stat",
                width=6,
                height=4,
                thresholds=((None, "green"), (1, "orange")),
            ),
            panel(
                "Series that are judged",
                "Series with a score; those that warm up or have no samples are not among them.",
                query(f"count(opssight_anomaly_score{{{chosen}}})"),
                kind="stat",
                width=6,
                height=4,
            ),
            panel(
                "Within the band, last day",
                "The share of judged points. A band that fits has nearly all; far less says that the detector is too "
                "sensitive for these series.",
                query(f"avg(avg_over_time((opssight_anomaly_score{{{chosen}}} <= bool 1)[1d:5m]))"),
                kind="stat",
                unit="percentunit",
                width=6,
                height=4,
                thresholds=((None, "red"), (0.9, "orange"), (0.99, "green")),
            ),
            panel(
                "Highest score",
                "Of all chosen series.",
                query(f"max(opssight_anomaly_score{{{chosen}}})"),
                kind="stat",
                width=6,
                height=4,
                thresholds=((None, "green"), (1, "orange"), (2, "red")),
            ),
            panel(
                "Scores, the 20 highest",
                "Above 1 is anomalous.",
                query(f"topk(20, opssight_anomaly_score{{{chosen}}})", "{{namespace}}/{{detector}} {{query}}"),
                width=24,
                thresholds=((None, "green"), (1, "red")),
            ),
            panel(
                "Observed, expected, bounds",
                "Choose one detector: the series of each query with what is normal for it.",
                query(f"opssight_anomaly_value{{{chosen}}}", "observed {{query}}"),
                query(f"opssight_anomaly_expected{{{chosen}}}", "expected {{query}}"),
                query(f"opssight_anomaly_lower{{{chosen}}}", "lower {{query}}"),
                query(f"opssight_anomaly_upper{{{chosen}}}", "upper {{query}}"),
                width=24,
                height=10,
                dashed=["expected", "lower", "upper"],
            ),
            panel(
                "Anomalous now",
                "Every series beyond its band, with its labels.",
                query(f"opssight_anomaly_score{{{chosen}}} > 1", instant=True),
                kind="table",
                width=24,
            ),
        ],
    )


def thresholds() -> Json:
    """What thresholds promise, and what came of it."""
    chosen = 'namespace=~"$namespace",policy=~"$policy"'
    return dashboard(
        "opssight-thresholds",
        "OpsSight: thresholds",
        "Current and proposed thresholds, the alerts that they would have raised, and those that they did raise.",
        [
            variable("namespace", "Namespace", "label_values(opssight_threshold, namespace)"),
            variable("policy", "Policy", 'label_values(opssight_threshold{namespace=~"$namespace"}, policy)'),
        ],
        [
            panel(
                "Current and proposed",
                "The proposal is what history suggests before the guardrails; where the two stay apart, status says "
                "which guardrail holds.",
                query(f"opssight_threshold{{{chosen}}}", "current {{namespace}}/{{policy}}"),
                query(f"opssight_threshold_proposed{{{chosen}}}", "proposed {{namespace}}/{{policy}}"),
                width=24,
                height=9,
                dashed=["proposed"],
            ),
            panel(
                "Simulated episodes a week",
                "How often the alert would have fired over the history, with the current and with the proposed "
                "threshold.",
                query(
                    f"opssight_threshold_simulated_episodes_per_week{{{chosen}}}", "current {{namespace}}/{{policy}}"
                ),
                query(
                    f"opssight_threshold_proposed_simulated_episodes_per_week{{{chosen}}}",
                    "proposed {{namespace}}/{{policy}}",
                ),
                dashed=["proposed"],
            ),
            panel(
                "Observed against predicted",
                "Episodes since the delivery. Beyond the dashed range the threshold goes back to the last good one, "
                "unless the policy only reports.",
                query(f"opssight_threshold_observed_episodes{{{chosen}}}", "observed {{namespace}}/{{policy}}"),
                query(f"opssight_threshold_predicted_episodes_fewest{{{chosen}}}", "fewest {{namespace}}/{{policy}}"),
                query(f"opssight_threshold_predicted_episodes_most{{{chosen}}}", "most {{namespace}}/{{policy}}"),
                dashed=["fewest", "most"],
            ),
            panel(
                "Not as predicted",
                "Thresholds whose alerts are outside of the predicted range.",
                query(
                    f"opssight_threshold_observed_episodes{{{chosen}}} > opssight_threshold_predicted_episodes_most "
                    f"or opssight_threshold_observed_episodes{{{chosen}}} "
                    "< opssight_threshold_predicted_episodes_fewest",
                    instant=True,
                ),
                kind="table",
            ),
            panel(
                "Age of the thresholds",
                "Since the threshold was last changed.",
                query(f"time() - opssight_threshold_changed_timestamp_seconds{{{chosen}}}", "{{namespace}}/{{policy}}"),
                unit="s",
            ),
        ],
    )


def texts() -> dict[Path, str]:
    """Every dashboard as it must stand in the chart."""
    made = {"operator": operator(), "detectors": detectors(), "thresholds": thresholds()}
    return {FOLDER / f"{name}.json": json.dumps(one, indent=1) + "\n" for name, one in made.items()}
