"""The shipped default in the shapes that the scorers ask for; no setting depends on the data."""

import numpy as np

from opssight_detectors.alarms import alarm_rows
from opssight_detectors.methods.adaptive import Adaptive

HOLD_ROWS = 288


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


def alarms(times, values):
    """Causal: the score where an alarm is raised. Below 1 a row keeps its score where it tops a day of rows,
    so that a scorer can try lower thresholds; no row above 1 is kept but the alarms."""
    score = scores(times, values)
    quiet = np.minimum(score, 1.0)
    before = np.concatenate([[0.0], quiet])
    top = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(HOLD_ROWS - 1), before[:-1]]), HOLD_ROWS)
    kept = np.where((quiet > top.max(axis=1)) & (score <= 1), quiet, 0.0)
    rows = alarm_rows(score)
    kept[rows] = score[rows]
    return kept
