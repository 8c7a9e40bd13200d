"""The shipped detectors in the shapes that the scorers ask for; no setting depends on the data."""

import numpy as np

from opssight_detectors.alarms import alarm_rows
from opssight_detectors.base import join
from opssight_detectors.methods.adaptive import Adaptive
from opssight_detectors.policy import Policy, apply_policy
from opssight_detectors.registry import detector_of
from opssight_detectors.review import rank_live, rank_past

HOLD_ROWS = 288
TRAFFIC_ROWS = 5  # a pod is judged when it has served anything in so many minutes, as rate(...[5m]) would tell
TRAINING_ROWS = 240  # of the rolling window of the robust z-score, minutes


def seconds_of(times):
    """Any time stamps as seconds."""
    times = np.asarray(times)
    if np.issubdtype(times.dtype, np.datetime64):
        return times.astype("datetime64[s]").astype(np.int64).astype(float)
    return times.astype(float)


def scores(times, values):
    """Causal scores of one series from an empty model on; 0 while warming up."""
    block = np.asarray(values, dtype=float)[:, None]
    model = Adaptive().fit(np.empty(0), np.empty((0, 1)))
    return np.nan_to_num(model.score(seconds_of(times), block).score[:, 0])


def alarms_at(score, factor=1.0):
    """1 where an alarm is raised when the boundary is at ``factor``, else 0."""
    alarms = np.zeros(len(score))
    alarms[alarm_rows(score / factor)] = 1.0
    return alarms


def alarms(times, values):
    """For a scorer that looks for its own threshold: above 1 the score where an alarm is raised and nothing else;
    up to 1 a row keeps its score where it tops the day of rows before it."""
    score = scores(times, values)
    quiet = np.minimum(score, 1.0)
    padded = np.concatenate([np.zeros(HOLD_ROWS), quiet[:-1]])
    top = np.lib.stride_tricks.sliding_window_view(padded, HOLD_ROWS)[: len(score)].max(axis=1)
    kept = np.where((quiet > top) & (score <= 1), quiet, 0.0)
    rows = alarm_rows(score)
    kept[rows] = score[rows]
    return kept


def pod_scores(day, method):
    """Scores ``[time, pod]`` of the CPU usage of every pod: high values only, 30 points at least, with traffic.

    The alert waits for two rows in a row (``for: 1m``), so a row scores what it and the row before reach.

    The robust z-score follows a rolling window and judges each minute by the minutes before it.
    """
    times = seconds_of(day.t)
    cpu = day.metrics["CpuUsageRate(%)"]
    if method == "Adaptive":
        found = Adaptive().fit(times[:0], cpu[:0]).score(times, cpu)
    else:
        detector = detector_of(method, sensitivity=2.5)
        rows = []
        for row in range(len(times)):
            start = max(row - TRAINING_ROWS, 0)
            model = detector.fit(times[start:row], cpu[start:row])
            rows.append(model.score(times[row : row + 1], cpu[row : row + 1]))
        found = join(rows)
    served = np.nan_to_num(day.metrics["PodWorkload(Ops)"])
    padded = np.concatenate([np.zeros((TRAFFIC_ROWS - 1, served.shape[1])), served])
    traffic = np.lib.stride_tricks.sliding_window_view(padded, TRAFFIC_ROWS, axis=0).sum(axis=-1) > 0
    score = np.nan_to_num(apply_policy(found, cpu, Policy(direction="Above", min_absolute=30.0), traffic).score)
    score[1:] = np.minimum(score[1:], score[:-1].copy())
    return score


def quiet_pod_days(day, hold=5):
    """Pod-days of one day of data in which an alarm is false: from ``hold + 5`` minutes after a fault to the next."""
    quiet = np.ones(len(day.t), bool)
    for fault in day.faults:
        row = int(np.searchsorted(day.t, fault.time.astype("datetime64[m]").astype("datetime64[s]")))
        quiet[max(row - 1, 0) : row + hold + 6] = False
    return quiet.sum() / 1440 * len(day.pods)


def live_rank(values, training):
    """Strangeness by earlier rows alone; the data has no times, so rows are five minutes apart."""
    return rank_live(np.arange(len(values)) * 300.0, np.asarray(values, dtype=float), training)


def past_rank(values, training):
    """Strangeness with the whole record known."""
    return rank_past(np.arange(len(values)) * 300.0, np.asarray(values, dtype=float))
