"""When the incidents came: hours of the day and the day as a whole against the weeks before, and days of the week.

Counts are compared by the exact test for two Poisson rates, weighed down by how much the same hour (or day) scattered
in the past; an hour must stand out from the other hours of its day too, or a busy day would make news of all 24.
Without a week of history, the hours of the window are compared with an even spread.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..columns import Column
from ..evidence import Evidence
from ..findings import BarPlot, Finding, Outcome, Statistic, nothing
from ..phrases import WEEKDAYS, count, listing, percent, times_as_many, where
from ..stats import benjamini_hochberg, binomial_tail, dispersion_of, rate_tail
from ..timestamps import DAY, day_number, day_of_week, hour_of_day

SECTION = "HourOfDay"
MIN_INCIDENTS = 5
MIN_RATIO = 1.5
MIN_DAYS_FOR_WEEKDAYS = 14.0


def hours_of_day(evidence: Evidence) -> Outcome:
    """Unusual hours, an unusual number in total, and, for windows of a week or more, unusual weekdays."""
    n = len(evidence.incidents)
    if n < MIN_INCIDENTS:
        return nothing(f"{count(n, 'incident')} in the window, at least {MIN_INCIDENTS} are needed")
    candidates = [*_hours(evidence), *_total(evidence), *_weekdays(evidence)]
    p_values = np.array([finding.p_value for finding in candidates], dtype=np.float64)
    findings = [
        replace(finding, adjusted_p_value=float(q))
        for finding, q in zip(candidates, benjamini_hochberg(p_values), strict=True)
        if q <= evidence.alpha
    ]
    findings.sort(key=lambda finding: (finding.p_value or 0.0, -finding.support))
    return Outcome(tuple(findings)) if findings else nothing("no hour had more incidents than usual")


def _hours(evidence: Evidence) -> list[Finding]:
    window = evidence.window
    inside = evidence.in_window
    hours = hour_of_day(evidence.local)
    now = np.bincount(hours[inside], minlength=24)
    past = np.bincount(hours[~inside], minlength=24)
    watched = evidence.exposure(window.start, window.end).hours
    watched_past = evidence.exposure(evidence.history_start, window.start).hours
    if evidence.has_history:
        expected = np.divide(past * watched, watched_past, out=np.zeros(24), where=watched_past > 0)
    else:
        expected = now.sum() * watched / watched.sum()
    share = (expected + 0.5 / 24.0) / (expected.sum() + 0.5)  # a little for hours that never had any
    findings = []
    for hour in np.flatnonzero(watched > 0).tolist():
        p = 1.0
        if now[hour] >= max(MIN_INCIDENTS, MIN_RATIO * expected[hour]):
            if evidence.has_history:
                scatter = dispersion_of(evidence.daily_counts(hours[~inside] == hour))
                p = max(
                    rate_tail(int(now[hour]), watched[hour], int(past[hour]), watched_past[hour], scatter),
                    binomial_tail(int(now[hour]), int(now.sum()), float(share[hour])),
                )
            else:
                p = binomial_tail(int(now[hour]), int(now.sum()), float(watched[hour] / watched.sum()))
        findings.append(_hour_finding(evidence, hour, now, expected, p))
    return findings


def _hour_finding(
    evidence: Evidence, hour: int, now: NDArray[np.int64], expected: NDArray[np.float64], p: float
) -> Finding:
    k = int(now[hour])
    rows = evidence.incidents.take(hour_of_day(evidence.local[evidence.in_window]) == hour)
    usual = (
        f"usual are {expected[hour]:.1f}" if evidence.has_history else f"an even day would have {expected[hour]:.1f}"
    )
    return Finding(
        section=SECTION,
        kind="Hour",
        subject=f"{hour:02d}:00",
        sentence=(
            f"Between {hour:02d}:00 and {(hour + 1) % 24:02d}:00, {count(k, 'incident')} began{where(rows)}; {usual}."
            + _kinds_among(evidence.item.take(evidence.in_window).take(_hours_of_window(evidence) == hour))
        ),
        support=k,
        statistic=Statistic("observed over expected", k / expected[hour] if expected[hour] > 0 else math.inf),
        p_value=p,
        highlight=True,
        plot=BarPlot(
            title="Incidents by hour of the day",
            labels=tuple(f"{i:02d}" for i in range(24)),
            values=tuple(float(x) for x in now),
            expected=tuple(float(x) for x in expected),
            highlighted=(hour,),
            unit="incidents",
        ),
    )


def _hours_of_window(evidence: Evidence) -> NDArray[np.int64]:
    return hour_of_day(evidence.local[evidence.in_window])


def _kinds_among(items: Column) -> str:
    counts = items.counts()
    top = [i for i in np.argsort(-counts, kind="stable")[:3].tolist() if counts[i] > 0]
    return f" Most of them: {listing([f'{items.values[i]} ({counts[i]})' for i in top])}." if top else ""


def _total(evidence: Evidence) -> list[Finding]:
    if not evidence.has_history:
        return []
    n, past = len(evidence.incidents), len(evidence.history)
    days, past_days = evidence.window.seconds / DAY, evidence.history_days
    usual = past * days / past_days
    daily = evidence.daily_counts(np.ones(past, dtype=bool))
    p = rate_tail(n, days, past, past_days, dispersion_of(daily)) if n >= MIN_RATIO * usual else 1.0
    return [
        Finding(
            section=SECTION,
            kind="Total",
            subject="all incidents",
            sentence=(
                f"There were {count(n, 'incident')}, {times_as_many(n / usual)} many as usual "
                f"({usual:.1f}, over the {past_days:.0f} days before)."
            ),
            support=n,
            statistic=Statistic("observed over expected", n / usual),
            p_value=p,
            highlight=True,
        )
    ]


def _weekdays(evidence: Evidence) -> list[Finding]:
    start, end = evidence.history_start, evidence.window.end
    if evidence.window.seconds < 7 * DAY or end - start < MIN_DAYS_FOR_WEEKDAYS * DAY:
        return []
    watched = evidence.exposure(start, end).week.sum(axis=1)
    weekdays = day_of_week(evidence.local)
    counts = np.bincount(weekdays, minlength=7)
    expected = counts.sum() * watched / watched.sum()
    days = day_number(evidence.local)
    daily = np.bincount(days - days.min()).astype(np.float64)
    scatter = dispersion_of(daily)
    findings = []
    for day in range(7):
        k, n = int(counts[day]), int(counts.sum())
        enough = k >= max(MIN_INCIDENTS, MIN_RATIO * expected[day])
        p = (
            binomial_tail(math.floor(k / scatter), math.ceil(n / scatter), float(watched[day] / watched.sum()))
            if enough
            else 1.0
        )
        findings.append(
            Finding(
                section=SECTION,
                kind="Weekday",
                subject=WEEKDAYS[day],
                sentence=(
                    f"{WEEKDAYS[day]} had {k:,} of {count(n, 'incident')} ({percent(k / n)}) "
                    f"over {(end - start) / DAY:.0f} days; an even week would have {expected[day]:.1f}."
                ),
                support=k,
                statistic=Statistic("observed over expected", k / float(expected[day])),
                p_value=p,
                highlight=True,
                plot=BarPlot(
                    title="Incidents by day of the week",
                    labels=tuple(name[:3] for name in WEEKDAYS),
                    values=tuple(float(x) for x in counts),
                    expected=tuple(float(x) for x in expected),
                    highlighted=(day,),
                    unit="incidents",
                ),
            )
        )
    return findings
