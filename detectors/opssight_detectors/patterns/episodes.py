"""From samples of ``ALERTS`` to episodes: an alert that fires for an hour is one incident, not 60 samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .columns import Column, LabelColumn
from .incidents import Incidents

_RESOURCE_LABELS = (
    ("pod", "Pod"),
    ("deployment", "Deployment"),
    ("statefulset", "StatefulSet"),
    ("daemonset", "DaemonSet"),
    ("job_name", "Job"),
    ("cronjob", "CronJob"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
    ("persistentvolumeclaim", "PersistentVolumeClaim"),
    ("node", "Node"),
    ("service", "Service"),
    ("container", "Container"),
    ("namespace", "Namespace"),
    ("instance", "Instance"),
)
_WORKLOAD_LABELS = ("deployment", "statefulset", "daemonset", "cronjob", "job_name")
_SERVICE_LABELS = ("service", "app", "app_kubernetes_io_name", "job")
_ABOUT_OTHERS = "kube-state-metrics"  # its job and service labels name the exporter, not what the alert is about
_MESSAGE_LABELS = ("message", "description", "summary")


@dataclass(frozen=True, slots=True)
class Episodes:
    """Runs of present samples, ordered by start; all arrays ``[episodes]``.

    ``series`` indexes the columns of the matrix. ``end`` is one step after the last sample, NaN where the series still
    has a sample at the end of the matrix. ``began_before`` marks runs that were there at the first sample already.
    """

    series: NDArray[np.int64]
    start: FloatArray
    end: FloatArray
    began_before: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Runs:
    """Samples without a hole, all arrays ``[runs]``: the series, and the times of its first and last sample."""

    series: NDArray[np.int64]
    first: FloatArray
    last: FloatArray


def runs_from_samples(times: FloatArray, values: FloatArray, *, step: float, max_gap: float = 0.0) -> Runs:
    """Runs of ``values [time, series]`` sampled at ``times [time]`` (seconds, ascending); NaN is "not firing"."""
    if values.ndim != 2 or times.shape != (values.shape[0],):
        raise ValueError(f"values must be [time, series] for {times.size} times, not {values.shape}")
    if step <= 0.0 or max_gap < 0.0:
        raise ValueError(f"step must be positive and max_gap not negative, not {step:g} and {max_gap:g}")
    series, row = np.nonzero(~np.isnan(values).T)  # ordered by series, then time
    at = times[row]
    return joined_runs([Runs(series, at, at)], step=step, max_gap=max_gap)


def joined_runs(parts: Sequence[Runs], *, step: float, max_gap: float = 0.0) -> Runs:
    """The runs of several stretches of time as one, ordered by series and time; what continues is one run."""
    series = np.concatenate([np.empty(0, dtype=np.int64), *(part.series for part in parts)])
    if series.size == 0:
        return Runs(series, np.empty(0), np.empty(0))
    first = np.concatenate([part.first for part in parts])
    last = np.concatenate([part.last for part in parts])
    order = np.lexsort((first, series))
    series, first, last = series[order], first[order], last[order]
    breaks = (np.diff(series) != 0) | (first[1:] - last[:-1] > step * 1.5 + max_gap)
    begins = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    ends = np.concatenate([begins[1:] - 1, [series.size - 1]])
    return Runs(series[begins], first[begins], last[ends])


def episodes_of_runs(runs: Runs, *, start: float, end: float, step: float) -> Episodes:
    """Episodes of what was looked at every ``step`` from ``start`` to ``end``."""
    order = np.argsort(runs.first, kind="stable")
    first, last = runs.first[order], runs.last[order]
    return Episodes(
        series=runs.series[order],
        start=first,
        end=np.where(last > end - step / 2.0, np.nan, last + step),
        began_before=first < start + step / 2.0,
    )


def episodes_from_samples(times: FloatArray, values: FloatArray, *, step: float, max_gap: float = 0.0) -> Episodes:
    """Episodes of ``values [time, series]`` sampled at ``times [time]`` (seconds, ascending); NaN is "not firing".

    A hole of at most ``max_gap`` seconds (scrapes that failed) does not end an episode.
    """
    runs = runs_from_samples(times, values, step=step, max_gap=max_gap)
    start, end = (float(times[0]), float(times[-1])) if times.size else (0.0, 0.0)
    return episodes_of_runs(runs, start=start, end=end, step=step)


def incidents_from_alerts(
    times: FloatArray,
    values: FloatArray,
    labels: Sequence[Mapping[str, str]],
    *,
    step: float,
    max_gap: float = 0.0,
    active_since: FloatArray | None = None,
) -> Incidents:
    """Incidents from the matrix of ``ALERTS{alertstate="firing"}``; ``labels[i]`` are those of column ``i``.

    ``active_since [series]`` (from ``ALERTS_FOR_STATE``, seconds, NaN unknown) dates episodes that began before the
    first sample.
    """
    if len(labels) != values.shape[1]:
        raise ValueError(f"labels must name each of the {values.shape[1]} series, not {len(labels)}")
    episodes = episodes_from_samples(times, values, step=step, max_gap=max_gap)
    return incidents_of_episodes(episodes, labels, active_since)


def incidents_of_episodes(
    episodes: Episodes, labels: Sequence[Mapping[str, str]], active_since: FloatArray | None = None
) -> Incidents:
    """Incidents of episodes of ``ALERTS``, one a row; else as ``incidents_from_alerts``."""
    start = episodes.start
    if active_since is not None:
        since = active_since[episodes.series]
        start = np.where(episodes.began_before & (since < start), since, start)
    order = np.argsort(start, kind="stable")
    series = episodes.series[order]

    def text(texts: list[str | None]) -> Column:
        return Column.of(texts).take(series)

    return Incidents(
        start=start[order],
        end=episodes.end[order],
        name=text([one.get("alertname") for one in labels]),
        resource_type=text([resource_type_of(one) for one in labels]),
        namespace=text([one.get("namespace") or one.get("exported_namespace") for one in labels]),
        service=text([service_of(one) for one in labels]),
        severity=text([one.get("severity") for one in labels]),
        message=text([_first(one, _MESSAGE_LABELS) for one in labels]),
        labels=LabelColumn.of(
            [{k: v for k, v in one.items() if k not in ("__name__", "alertstate", "alertname")} for one in labels]
        ).take(series),
    )


def _first(labels: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((labels[name] for name in names if labels.get(name)), None)


def service_of(labels: Mapping[str, str]) -> str | None:
    """Which service labels are about; those of kube-state-metrics are about the workload, not the exporter."""
    if any(_ABOUT_OTHERS in labels.get(name, "") for name in ("job", "service")):
        return _first(labels, (*_WORKLOAD_LABELS, "container", "app"))
    return _first(labels, (*_SERVICE_LABELS, *_WORKLOAD_LABELS, "container"))


def resource_type_of(labels: Mapping[str, str]) -> str | None:
    """The kind of the most specific thing that labels name."""
    return next((kind for label, kind in _RESOURCE_LABELS if labels.get(label)), None)
