"""An alerting rule as the state machine that Prometheus runs, one series and one evaluation at a time."""

import math


def seen_at(now, times, column, lookback, step):
    """The value of the expression at ``now``: NaN when there is none."""
    if lookback == 0:
        rows = [row for row, t in enumerate(times) if t <= now]
        return column[rows[-1]] if rows and now - times[rows[-1]] < step else math.nan
    for t, value in sorted(zip(times, column, strict=True), reverse=True):
        if t <= now and not math.isnan(value):
            return value if now - t < lookback else math.nan
    return math.nan


def firing_at_each_evaluation(clock, answers, threshold, upper, for_seconds, keep_firing_for, recovery=None):
    """Whether the alert fires at each evaluation; while it does, the level of recovery is what it is held to."""
    state, active_at, keep_since, firing = "inactive", None, None, []
    for now, value in zip(clock, answers, strict=True):
        level = recovery if recovery is not None and firing and firing[-1] else threshold
        beyond = value > level if upper else value < level
        if beyond:
            keep_since = None
            if state == "inactive":
                state, active_at = "pending", now
            if state == "pending" and now - active_at >= for_seconds:
                state = "firing"
        elif state == "pending":
            state = "inactive"
        elif state == "firing":
            if keep_since is None:
                keep_since = now
            if not (keep_firing_for > 0 and now - keep_since < keep_firing_for):
                state, keep_since = "inactive", None
        firing.append(state == "firing")
    return firing


def episodes(clock, firing, interval):
    """(start, end, open) of each run of firing."""
    found, start = [], None
    for now, on in zip(clock, firing, strict=True):
        if on and start is None:
            start = now
        if not on and start is not None:
            found.append((start, now, False))
            start = None
    if start is not None:
        found.append((start, clock[-1] + interval, True))
    return found
