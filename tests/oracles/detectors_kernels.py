"""Slow and obvious versions of the detectors' kernels."""

import math
import statistics
from itertools import pairwise


def rolling_z(values, window, min_samples=2):
    """One series as a list."""
    out = []
    for row, x in enumerate(values):
        past = [v for v in values[max(0, row - window + 1) : row + 1] if not math.isnan(v)]
        if math.isnan(x) or len(past) < min_samples:
            out.append(math.nan)
            continue
        deviation = statistics.pstdev(past)
        out.append((x - statistics.fmean(past)) / deviation if deviation > 0 else 0.0)
    return out


def ewma(values, weight, start=0.0):
    """The exponential mean after each value."""
    out = []
    for x in values:
        if not math.isnan(x):
            start = weight * x + (1 - weight) * start
        out.append(start)
    return out


def cusum(values, slack, top):
    """Upper and lower sums after each value."""
    high = low = 0.0
    out = []
    for x in values:
        if not math.isnan(x):
            high = min(max(high + x - slack, 0.0), top)
            low = min(max(low - x - slack, 0.0), top)
        out.append((high, low))
    return out


def median_and_mad(values):
    """Of one series without NaN."""
    known = [v for v in values if not math.isnan(v)]
    if not known:
        return math.nan, math.nan
    middle = statistics.median(known)
    return middle, statistics.median(abs(v - middle) for v in known)


def isolation_score(forest, series, point):
    """One walk down every tree of one series."""
    lengths = []
    trees, nodes = forest.features.shape
    for tree in range(trees):
        node = 0
        while node < nodes:
            feature = forest.features[tree, node]
            right = point[feature] >= forest.splits[tree, node, series]
            node = 2 * node + 1 + int(right)
        lengths.append(float(forest.paths[tree, node - nodes, series]))
    return 2 ** (-statistics.fmean(lengths) / forest.normal_path)


def rule_fires(name, z):
    """Whether the Western Electric or Nelson rule is broken at the last point of ``z``."""

    def side(limit, of, needed):
        last = z[-of:]
        return len(z) >= of and max(sum(v > limit for v in last), sum(v < -limit for v in last)) >= needed

    steps = [b - a for a, b in pairwise(z)]
    turns = [a * b < 0 for a, b in pairwise(steps)]
    return {
        "BeyondThreeSigma": abs(z[-1]) > 3,
        "NineOnASide": side(0, 9, 9),
        "EightOnASide": side(0, 8, 8),
        "SixTrending": len(z) >= 6 and (all(s > 0 for s in steps[-5:]) or all(s < 0 for s in steps[-5:])),
        "FourteenAlternating": len(z) >= 14 and all(turns[-12:]),
        "TwoOfThreeBeyondTwoSigma": side(2, 3, 2),
        "FourOfFiveBeyondOneSigma": side(1, 5, 4),
        "FifteenWithinOneSigma": len(z) >= 15 and all(abs(v) < 1 for v in z[-15:]),
        "EightBeyondOneSigma": len(z) >= 8 and all(abs(v) > 1 for v in z[-8:]) and min(z[-8:]) < 0 < max(z[-8:]),
    }[name]
