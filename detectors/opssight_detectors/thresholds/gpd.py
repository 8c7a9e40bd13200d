"""The generalised Pareto distribution of what exceeds a high level.

``P(excess > x) = (1 + shape * x / scale) ** (-1 / shape)``: a shape above 0 is a heavy tail, 0 an
exponential one, below 0 a tail with an end. Fitted by the likelihood-weighted mean of Zhang and Stephens
(*Technometrics* 51, 2009), which needs no iteration and no starting point; the interval of a return level
is that of the profile likelihood (Coles, *An Introduction to Statistical Modeling of Extreme Values*,
2001, section 4.3.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base import FloatArray

_CHI2_95 = 3.841458820694124
_SHAPES = np.linspace(-0.95, 1.45, 73)  # below -1 the likelihood has no maximum
_LEVELS = 48  # return levels tried on either side of the best
_MOST_EXCESSES = 400  # for the profile; more are thinned evenly, and the likelihood scaled up


@dataclass(frozen=True, slots=True)
class Tail:
    """A fitted tail: shape (no unit) and scale (the unit of the metric)."""

    shape: float
    scale: float

    def exceeded_by(self, share: float) -> float:
        """The excess that a ``share`` (0 to 1) of all excesses is beyond."""
        if abs(self.shape) < 1e-6:
            return -self.scale * math.log(share)
        return self.scale * math.expm1(-self.shape * math.log(share)) / self.shape

    def share_below(self, excess: FloatArray) -> FloatArray:
        """The distribution function."""
        if abs(self.shape) < 1e-6:
            return -np.expm1(-excess / self.scale)
        base = np.maximum(1.0 + self.shape * excess / self.scale, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 - base ** (-1.0 / self.shape))


def fit(excesses: FloatArray) -> Tail:
    """Fit ascending excesses (above 0, at least 5 of them)."""
    n = len(excesses)
    grid = 20 + math.isqrt(n)
    quartile = float(excesses[int(n / 4 + 0.5) - 1])
    theta = 1.0 / float(excesses[-1]) + (1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3.0 * quartile)
    shape = np.log1p(-theta[:, None] * excesses).mean(axis=1)
    likelihood = n * (np.log(-theta / shape) - shape - 1.0)
    weight = np.exp(likelihood - likelihood.max())
    best = float((theta * weight).sum() / weight.sum())
    fitted = float(np.log1p(-best * excesses).mean())
    return Tail(shape=fitted, scale=-fitted / best)


def distance(excesses: FloatArray, tail: Tail) -> float:
    """Largest difference between the empirical and the fitted distribution function (Kolmogorov and Smirnov)."""
    n = len(excesses)
    fitted = tail.share_below(excesses)
    above, below = np.arange(1, n + 1) / n - fitted, fitted - np.arange(n) / n
    return float(max(above.max(), below.max()))


def return_level_interval(excesses: FloatArray, tail: Tail, share: float, evidence: float) -> tuple[float, float]:
    """The 95 % interval of the excess that a ``share`` of excesses is beyond; NaN for an end that is not in reach.

    ``evidence`` is how many independent excesses the data is worth, at most as many as there are.
    """
    if len(excesses) > _MOST_EXCESSES:
        excesses = excesses[np.linspace(0, len(excesses) - 1, _MOST_EXCESSES).astype(np.intp)]
    best = tail.exceeded_by(share)
    factors = np.exp(np.linspace(0.0, math.log(20.0), _LEVELS + 1))[1:]
    levels = np.concatenate((best / factors[::-1], [best], best * factors))
    profile = _profile(excesses, levels, share) * (evidence / len(excesses))
    enough = profile >= profile.max() - _CHI2_95 / 2.0
    inside = np.flatnonzero(enough)
    low, high = int(inside[0]), int(inside[-1])
    lower = _crossing(levels, profile, low - 1, low) if low > 0 else math.nan
    upper = _crossing(levels, profile, high + 1, high) if high < len(levels) - 1 else math.nan
    return lower, upper


def _profile(excesses: FloatArray, levels: FloatArray, share: float) -> FloatArray:
    """Log-likelihood of each return level with the best shape for it."""
    shapes = np.where(np.abs(_SHAPES) < 1e-6, 1e-6, _SHAPES)
    scales = levels[:, None] * shapes / np.expm1(-shapes * math.log(share))
    best = np.full(len(levels), -np.inf)
    for index, shape in enumerate(shapes):
        scale = scales[:, index]
        base = 1.0 + shape * excesses[None, :] / scale[:, None]
        possible = base[:, -1] > 0
        value = np.full(len(levels), -np.inf)
        terms = np.log(base[possible]).sum(axis=1)
        value[possible] = -len(excesses) * np.log(scale[possible]) - (1.0 + 1.0 / shape) * terms
        best = np.maximum(best, value)
    return best


def _crossing(levels: FloatArray, profile: FloatArray, outside: int, inside: int) -> float:
    """Where the profile crosses the limit of confidence, between two neighbouring levels."""
    limit = profile.max() - _CHI2_95 / 2.0
    if not math.isfinite(profile[outside]):
        return float(levels[outside])
    share = (profile[inside] - limit) / (profile[inside] - profile[outside])
    return float(levels[inside] + share * (levels[outside] - levels[inside]))
