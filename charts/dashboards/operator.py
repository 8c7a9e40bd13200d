"""The dashboard of the operator itself."""

from __future__ import annotations

from .parts import Json, dashboard, panel, query, variable


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
                "How late the newest run began and the event loop wakes up, and how many resources wait for room.",
                query(f"max(opssight_scheduler_lag_seconds{{{own}}})", "seconds late"),
                query(
                    "histogram_quantile(0.99, sum by (le) "
                    f"(rate(opssight_event_loop_lag_seconds_bucket{{{own}}}[$__rate_interval])))",
                    "seconds that the loop is late, 99 %",
                ),
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
