"""Do thresholds keep the rate that was asked for, and do they catch incidents?

    python benchmarks/thresholds_quality.py --data DIR/nab.npz [--only realAWS] [--files] [--check]

``--data`` is an archive with ``<file>/t`` (seconds), ``<file>/v`` and ``<file>/windows`` (labelled periods,
both ends included) of the Numenta benchmark's real files. Every limit is causal: that of a row comes from
the rows before it. Asked is that one row in a thousand exceeds; counted are the rows outside labelled windows
after probation, and the windows with at least one exceedance.

Rows that are delivered have gone through the chain of guardrails, one decision at each interval: what a policy would
have delivered, not what its estimator says. One of them has the guardrails of ``examples/thresholdpolicy-rate.yaml``,
which the page of the estimator recommends.

With ``--check`` the estimator under test, ``ExceedanceRate`` at its defaults, must reach the goals, alone and delivered
with these guardrails.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from opssight_detectors.thresholds import Bound, DecayingHistogram, ExceedanceRate, PeaksOverThreshold, Percentile
from opssight_detectors.thresholds.base import Estimate, Estimator
from opssight_detectors.thresholds.simulation import Evaluations
from opssight_operator.api.threshold_policy import ThresholdPolicySpec
from opssight_operator.core.case import Case, Change, Guards
from opssight_operator.core.chain import decide
from opssight_operator.core.evidence import Evidence
from opssight_operator.core.firing import firing_at
from opssight_operator.core.science import guards_for

EXAMPLE = Path(__file__).parents[1] / "examples" / "thresholdpolicy-rate.yaml"
WINDOW = 4032  # rows of two weeks
HOURLY = 12

ROW_SECONDS = 300.0  # the limit sees values and a rate alone, so rows stand for five minutes
RATE = 0.001
GOALS = {"pooled": (0.5, 2.0), "within 3x": (0.85, 1.0), "above 10x": (0.0, 0.0), "windows hit": (0.80, 1.0)}

Limit = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """One file: values, the labelled rows of each window, and where counting begins."""

    name: str
    values: np.ndarray
    windows: list[np.ndarray]
    probation: int


def load(path: Path, only: str) -> list[Labelled]:
    """The real files of the archive."""
    files = []
    with np.load(path) as archive:
        for key in sorted(archive.files):
            if not key.endswith("/v") or not key.startswith(only):
                continue
            name = key[:-2]
            times = archive[name + "/t"].astype("datetime64[s]").astype(np.int64)
            windows = archive[name + "/windows"].astype("datetime64[s]").astype(np.int64).reshape(-1, 2)
            values = archive[key].astype(float)
            rows = [(times >= start) & (times <= end) for start, end in windows]
            files.append(Labelled(name, values, rows, int(min(0.15 * len(values), 750))))
    return files


def limit(values: np.ndarray, rate: float) -> np.ndarray:
    """The limit under test: of each row, from the rows before it."""
    values = np.asarray(values, dtype=float)
    times = ROW_SECONDS * np.arange(len(values))
    return ExceedanceRate(rate).track(times, values, Bound.UPPER).limits[:-1]


def re_estimated(estimator: Callable[[float], Estimator], every: int = HOURLY, window: int = WINDOW) -> Limit:
    """A constant threshold learned anew every hour from the last two weeks, as the operator does by default."""

    def limits(values: np.ndarray, rate: float) -> np.ndarray:
        learner = estimator(rate)
        found = np.full(len(values), np.nan)
        for row in range(288, len(values), every):
            past = values[max(row - window, 0) : row]
            times = ROW_SECONDS * np.arange(len(past))
            found[row : row + every] = learner.estimate(times, past, Bound.UPPER).value
        return found

    return limits


def delivered(limits: Limit, guards: Guards, every: int = 1) -> Limit:
    """What the chain of guardrails makes of ``limits``, one decision ``every`` so many rows."""

    def through(values: np.ndarray, rate: float) -> np.ndarray:
        wanted = limits(values, rate)
        times = ROW_SECONDS * np.arange(len(values))
        found = np.full(len(values), np.nan)
        current = changed_at = None
        for row in range(1, len(values)):
            if row % every == 0 and not math.isnan(wanted[row]):
                case = _case(times, values, row, float(wanted[row]), current, changed_at, guards)
                verdict = decide(case)
                if isinstance(verdict, Change):
                    current, changed_at = verdict.value, case.now
            found[row] = math.nan if current is None else current
        return found

    return through


def _case(
    times: np.ndarray,
    values: np.ndarray,
    row: int,
    suggested: float,
    current: float | None,
    changed_at: float | None,
    guards: Guards,
) -> Case:
    past = slice(max(row - WINDOW, 0), row)
    seen = Evaluations(times[past], values[past, None], ROW_SECONDS)
    span = float(times[row - 1] - times[past.start])
    estimate = Estimate(suggested, math.nan, math.nan, row, 1.0, ())
    firing = firing_at(current, Evidence({}, estimate, span, Bound.UPPER, 0.0, seen))
    return Case(
        suggested=suggested,
        samples=row,
        coverage=1.0,
        span=span,
        current=current,
        changed_at=changed_at,
        beyond=firing.series,
        now=float(times[row - 1]),
        guards=guards,
        firing_for=firing.seconds,
    )


def recommended() -> Guards:
    """The guardrails that the page of ``ExceedanceRate`` recommends; min and max are those of one metric."""
    spec = ThresholdPolicySpec.model_validate(yaml.safe_load(EXAMPLE.read_text())["spec"])
    return replace(guards_for(spec), min=None, max=None)


PERCENTILE = re_estimated(lambda rate: Percentile(100 * (1 - rate)))
CHECKED = ("ExceedanceRate", "ExceedanceRate, delivered as recommended")
LIMITS: dict[str, Limit] = {
    "ExceedanceRate": limit,
    "ExceedanceRate, delivered as recommended": delivered(limit, recommended()),
    "ExceedanceRate, delivered with default guardrails": delivered(limit, Guards()),
    "Percentile 99.9, hourly": PERCENTILE,
    "Percentile 99.9, hourly, delivered with default guardrails": delivered(PERCENTILE, Guards(), every=HOURLY),
    "DecayingHistogram, hourly": re_estimated(lambda rate: DecayingHistogram(100 * (1 - rate), 86400.0)),
    "PeaksOverThreshold, hourly": re_estimated(PeaksOverThreshold),
}


def judge(files: list[Labelled], limits: Limit, rate: float = RATE, show: bool = False) -> dict[str, float]:
    """The figures of one way to set limits."""
    rates, hits = [], []
    exceeded = rows = 0
    for file in files:
        found = limits(file.values, rate)
        used = (np.arange(len(file.values)) >= file.probation) & np.isfinite(found)
        beyond = used & (file.values > found)
        labelled = np.any(file.windows, axis=0) if file.windows else np.zeros(len(file.values), dtype=bool)
        hit = [bool((beyond & window).any()) for window in file.windows]
        hits += hit
        count, of = int((beyond & ~labelled).sum()), int((used & ~labelled).sum())
        if of:
            exceeded, rows = exceeded + count, rows + of
            rates.append(count / of / rate)
        if show:
            print(f"  {file.name}: {count} of {of}, windows {sum(hit)} of {len(hit)}")
    over = np.array(rates)
    return {
        "pooled": exceeded / rows / rate,
        "median": float(np.median(over)),
        "within 3x": float(np.mean((over <= 3) & (over >= 1 / 3))),
        "above 10x": float(np.mean(over > 10)),
        "windows hit": float(np.mean(hits)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="real", help="beginning of the names of the files to use")
    parser.add_argument("--files", action="store_true", help="print each file")
    parser.add_argument("--limits", nargs="*", default=list(LIMITS), choices=list(LIMITS))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    files = load(args.data, args.only)
    print(f"{len(files)} files, {sum(len(file.windows) for file in files)} windows, asked for {RATE:g}")
    missed = []
    for name in args.limits:
        start = time.process_time()
        figures = judge(files, LIMITS[name], show=args.files)
        took = time.process_time() - start
        print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()) + f" ({took:.1f} s)")
        if name in CHECKED:
            missed += [f"{name}: {key}" for key, (low, high) in GOALS.items() if not low <= figures[key] <= high]
    if args.check and missed:
        print(f"goals missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
