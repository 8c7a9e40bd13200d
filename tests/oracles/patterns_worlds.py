"""Made-up months of incidents: pure chance, and chance with one known pattern planted into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from opssight_detectors.patterns.columns import Column, LabelColumn
from opssight_detectors.patterns.evidence import Window
from opssight_detectors.patterns.incidents import Incidents, concatenate
from opssight_detectors.patterns.tables import incidents_from_records

DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
MONDAY_EVENING = 1_767_657_600.0  # 2026-01-06T00:00:00Z: the window is all of Monday, 5 January
WINDOW = Window(MONDAY_EVENING - DAY, MONDAY_EVENING)
MIDNIGHT = WINDOW.start
Row = dict[str, object]


def chance_world(
    rng: np.random.Generator, *, per_day: float = 12.0, days: int = 28, names: int = 10, day_cycle: float = 0.0
) -> Incidents:
    """A Poisson stream over ``days`` up to the end of ``WINDOW`` in which no column has to do with any other.

    ``day_cycle`` (0 to 1) is how much the rate swings with the hour of the day.
    """
    draws = rng.poisson(per_day * days * (1.0 + day_cycle))
    offset = np.sort(rng.uniform(0.0, days * DAY, draws))
    keep = rng.random(draws) * (1.0 + day_cycle) < 1.0 + day_cycle * np.sin(2.0 * np.pi * offset / DAY)
    start = WINDOW.end - days * DAY + offset[keep]
    n = start.size

    def column(prefix: str, k: int) -> Column:
        return Column(rng.integers(0, k, n).astype(np.int32), tuple(f"{prefix}{i}" for i in range(k)))

    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
    return Incidents(
        start=start,
        end=start + rng.exponential(900.0, n),
        name=column("Alert", names),
        resource_type=column("Type", 4),
        namespace=column("ns-", 4),
        service=column("service-", 6),
        severity=Column(rng.integers(0, 3, n).astype(np.int32), ("info", "warning", "critical")),
        message=Column(rng.integers(0, 6, n).astype(np.int32), tuple(f"{word} failed while serving" for word in words)),
        labels=LabelColumn(np.zeros(n, dtype=np.int32), ({},)),
    )


def bursty_world(rng: np.random.Generator) -> Incidents:
    """As ``chance_world``, but each incident comes back some times within the hour: bursts that know of no other."""
    base = chance_world(rng, per_day=8.0)
    returns = rng.geometric(0.35, len(base))
    rows = np.repeat(np.arange(len(base)), returns)
    later = np.concatenate([np.concatenate([[0.0], np.cumsum(rng.exponential(600.0, n - 1))]) for n in returns])
    start = base.start[rows] + later
    order = np.argsort(start)
    order = order[start[order] < WINDOW.end]
    return replace(base.take(rows[order]), start=start[order], end=start[order] + 120.0)


def shuffled(incidents: Incidents, rng: np.random.Generator) -> Incidents:
    """The same rows at the same times, every column shuffled by itself: whatever went together no longer does."""

    def mix(column: Column) -> Column:
        return column.take(rng.permutation(len(column)))

    return Incidents(
        start=incidents.start,
        end=incidents.end,
        name=mix(incidents.name),
        resource_type=mix(incidents.resource_type),
        namespace=mix(incidents.namespace),
        service=mix(incidents.service),
        severity=mix(incidents.severity),
        message=mix(incidents.message),
        labels=incidents.labels,
    )


def _row(start: float, name: str, minutes: float = 10.0, **rest: object) -> Row:
    return {"start": start, "end": start + minutes * MINUTE, "name": name, **rest}


def outage_at_two(rng: np.random.Generator) -> list[Row]:
    """Twelve pods of one service fail between 14:00 and 15:00 with an error never seen before."""
    return [
        _row(
            MIDNIGHT + 14 * HOUR + float(rng.uniform(0, HOUR)),
            "CheckoutErrors",
            resource_type="Deployment",
            namespace="shop",
            service="checkout",
            severity="critical",
            message=f"connection to orders-db-{i} refused after {int(rng.integers(1, 900))} ms",
        )
        for i in range(12)
    ]


def a_flapping_link(_: np.random.Generator) -> list[Row]:
    """Ten episodes of two minutes, three minutes apart."""
    return [
        _row(MIDNIGHT + 9 * HOUR + i * 5 * MINUTE, "LinkDown", 2.0, severity="warning", node="n1") for i in range(10)
    ]


def two_that_fire_together(rng: np.random.Generator) -> list[Row]:
    """A dead database brings slow checkouts with it, nine times in four weeks."""
    rows = []
    for day in (0, 2, 5, 8, 11, 15, 19, 22, 26):
        at = MIDNIGHT - day * DAY + float(rng.uniform(1, 22)) * HOUR
        rows.append(_row(at, "DatabaseDown", severity="critical", namespace="shop", service="orders"))
        rows.append(_row(at + 40.0, "SlowCheckout", severity="warning", namespace="shop", service="checkout"))
    for row in rows:
        row["cluster"] = "blue"
    return rows


def one_that_announces_another(rng: np.random.Generator) -> list[Row]:
    """The disk fills up, and some 20 to 30 minutes later the database dies, nine times in four weeks."""
    rows = []
    for day in (0, 3, 6, 9, 12, 15, 18, 21, 24):
        at = MIDNIGHT - day * DAY + float(rng.uniform(1, 20)) * HOUR
        rows.append(_row(at, "DiskFilling"))
        rows.append(_row(at + float(rng.uniform(20, 30)) * MINUTE, "DatabaseDown"))
    return rows


def a_weekly_backup(rng: np.random.Generator) -> list[Row]:
    """Every Monday soon after 02:00, four weeks of four, and this Monday."""
    return [
        _row(MIDNIGHT - week * 7 * DAY + 2 * HOUR + float(rng.uniform(0, 15)) * MINUTE, "BackupFailed")
        for week in range(4)
    ]


def a_daily_job(rng: np.random.Generator) -> list[Row]:
    """Every day about 04:30, but for two."""
    return [
        _row(MIDNIGHT - day * DAY + 4.5 * HOUR + float(rng.uniform(-10, 10)) * MINUTE, "NightlyJobLate")
        for day in range(27)
        if day not in (6, 13)
    ]


def a_worsening_day(_: np.random.Generator) -> list[Row]:
    """Two incidents an hour, from info in the morning over warning to critical at night."""
    words = ["info"] * 16 + ["warning"] * 16 + ["critical"] * 16
    return [_row(MIDNIGHT + i * HOUR / 2, f"Probe{i % 7}", severity=word) for i, word in enumerate(words)]


def a_noisy_alert(rng: np.random.Generator) -> list[Row]:
    """Forty episodes of five minutes in a day."""
    starts = MIDNIGHT + (np.arange(40) * 0.6 + rng.uniform(0, 0.4, 40)) * HOUR
    return [_row(float(at), "CPUThrottlingHigh", 5.0, severity="info") for at in starts]


def plant(pattern: Callable[[np.random.Generator], list[Row]], seed: int) -> Incidents:
    """Chance with one pattern in it."""
    rng = np.random.default_rng(seed)
    rows = incidents_from_records(pattern(rng), now=WINDOW.end)
    return concatenate([chance_world(rng, per_day=8.0), rows])
