"""Control charts: Shewhart with run rules, EWMA, and two-sided CUSUM.

With ``z = (x - mean) / sigma`` of the training window, sigma from moving ranges (``kernels.charts``):

    Shewhart  the selected rules on z (``kernels.run_rules``); score = the worst of them
    EWMA      s = s + lambda (z - s);  score = |s| / (limit * sqrt(lambda / (2 - lambda)))
              S. W. Roberts, "Control Chart Tests Based on Geometric Moving Averages" (1959)
    CUSUM     s+ = max(0, s+ + z - slack), s- likewise;  score = max(s+, s-) / decision
              E. S. Page, "Continuous Inspection Schemes" (1954)

Shewhart sees large single deviations at once, EWMA and CUSUM sum up small ones that last. They expect
a steady mean and independent points: a season or a trend looks like a shift to all three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base import FloatArray, IntArray, Scores, as_block
from ..calibration import ABSOLUTE_FLOOR, RELATIVE_FLOOR, floored, states_of
from ..kernels.charts import Baseline, baseline_of, cusum, ewma, extend
from ..kernels.run_rules import RULES, TAIL, WESTERN_ELECTRIC
from ..parameters import check_parameters, parameter

_SUM_TOP = 2.0  # a CUSUM stops growing at twice its decision limit, so that it comes back in finite time


@dataclass(frozen=True, slots=True)
class Shewhart:
    """Control chart of single values with Western Electric or Nelson rules."""

    rules: tuple[str, ...] = parameter(WESTERN_ELECTRIC, "rules that make a point anomalous", choices=tuple(RULES))
    sensitivity: float = parameter(3.0, "sigmas that count as the three sigma of the rules", low=1e-6, high=100)
    min_samples: int = parameter(20, "how many samples a series needs before it is judged", low=3, high=1_000_000)

    def __post_init__(self) -> None:
        check_parameters(self)
        if not self.rules:
            raise ValueError(f"rules must name at least one of {', '.join(RULES)}")

    def fit(self, times: FloatArray, values: FloatArray) -> ShewhartModel:
        _, values = as_block(times, values)
        baseline = baseline_of(values)
        tail = np.concatenate([np.full((TAIL, values.shape[1]), np.nan), values])[-TAIL:]
        return ShewhartModel(self, baseline, tail)


@dataclass(frozen=True, slots=True)
class ShewhartModel:
    """Baseline and the newest 14 samples: about 180 bytes a series."""

    detector: Shewhart
    baseline: Baseline
    tail: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        sigma = _sigma(self.baseline) * self.detector.sensitivity / 3.0
        z = (np.concatenate([self.tail, values]) - self.baseline.values.mean) / sigma
        by_rule = np.stack([RULES[name](z) for name in self.detector.rules])
        worst = by_rule.argmax(axis=0).astype(np.int8)
        return _scores(self.baseline, values, by_rule.max(axis=0), 3.0 * sigma, self.detector, worst)

    def update(self, times: FloatArray, values: FloatArray) -> ShewhartModel:
        _, values = as_block(times, values)
        tail = np.concatenate([self.tail, values])[-TAIL:]
        return ShewhartModel(self.detector, extend(self.baseline, values), tail)


@dataclass(frozen=True, slots=True)
class EWMA:
    """Exponentially weighted moving average chart: small shifts that last."""

    weight: float = parameter(0.2, "lambda, the weight of the newest point", low=1e-4, high=1)
    sensitivity: float = parameter(3.0, "limit in standard deviations of the average", low=1e-6, high=100)
    min_samples: int = parameter(20, "how many samples a series needs before it is judged", low=3, high=1_000_000)

    def __post_init__(self) -> None:
        check_parameters(self)

    def fit(self, times: FloatArray, values: FloatArray) -> EWMAModel:
        _, values = as_block(times, values)
        return EWMAModel(self, baseline_of(values), np.zeros(values.shape[1]))


@dataclass(frozen=True, slots=True)
class EWMAModel:
    """Baseline and the average so far, in sigmas: about 70 bytes a series."""

    detector: EWMA
    baseline: Baseline
    average: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        average = ewma(_standardised(self.baseline, values), self.detector.weight, self.average)
        weight = self.detector.weight
        limit = self.detector.sensitivity * np.sqrt(weight / (2.0 - weight))
        return _scores(self.baseline, values, np.abs(average) / limit, limit * _sigma(self.baseline), self.detector)

    def update(self, times: FloatArray, values: FloatArray) -> EWMAModel:
        _, values = as_block(times, values)
        model = self
        for row in values:
            average = ewma(_standardised(model.baseline, row[None]), self.detector.weight, model.average)[-1]
            model = replace(model, baseline=extend(model.baseline, row[None]), average=average)
        return model


@dataclass(frozen=True, slots=True)
class CUSUM:
    """Two-sided cumulative sum chart: the quickest way to a shift of known size."""

    slack: float = parameter(0.5, "deviation in sigmas that is let pass, half the shift to find", low=0, high=100)
    decision: float = parameter(5.0, "sum of excesses in sigmas that is anomalous", low=1e-6, high=1e6)
    min_samples: int = parameter(20, "how many samples a series needs before it is judged", low=3, high=1_000_000)

    def __post_init__(self) -> None:
        check_parameters(self)

    def fit(self, times: FloatArray, values: FloatArray) -> CUSUMModel:
        _, values = as_block(times, values)
        return CUSUMModel(self, baseline_of(values), np.zeros((2, values.shape[1])))


@dataclass(frozen=True, slots=True)
class CUSUMModel:
    """Baseline and both sums, in sigmas: about 80 bytes a series."""

    detector: CUSUM
    baseline: Baseline
    sums: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        sums = self._advance(values)
        side = sums.argmax(axis=1).astype(np.int8)
        score = sums.max(axis=1) / self.detector.decision
        width = (self.detector.slack + self.detector.decision) * _sigma(self.baseline)
        return replace(
            _scores(self.baseline, values, score, width, self.detector, side),
            causes=("sum of high values", "sum of low values"),
        )

    def update(self, times: FloatArray, values: FloatArray) -> CUSUMModel:
        _, values = as_block(times, values)
        model = self
        for row in values:
            sums = model._advance(row[None])[-1]
            model = replace(model, baseline=extend(model.baseline, row[None]), sums=sums)
        return model

    def _advance(self, values: FloatArray) -> FloatArray:
        it = self.detector
        return cusum(_standardised(self.baseline, values), it.slack, _SUM_TOP * it.decision, self.sums)


def _sigma(baseline: Baseline) -> FloatArray:
    return floored(baseline.sigma(), baseline.values.mean, ABSOLUTE_FLOOR, RELATIVE_FLOOR)


def _standardised(baseline: Baseline, values: FloatArray) -> FloatArray:
    return np.asarray((values - baseline.values.mean) / _sigma(baseline))


def _scores(
    baseline: Baseline,
    values: FloatArray,
    score: FloatArray,
    half_width: FloatArray,
    detector: Shewhart | EWMA | CUSUM,
    cause: IntArray | None = None,
) -> Scores:
    ready = baseline.values.count >= detector.min_samples
    known = ready & ~np.isnan(values)
    expected = np.broadcast_to(np.where(ready, baseline.values.mean, np.nan), values.shape).copy()
    return Scores(
        score=np.where(known, score, np.nan),
        expected=expected,
        lower=expected - half_width,
        upper=expected + half_width,
        state=states_of(values, ready),
        cause=None if cause is None else np.where(known, cause, -1).astype(np.int8),
        causes=detector.rules if isinstance(detector, Shewhart) else (),
    )
