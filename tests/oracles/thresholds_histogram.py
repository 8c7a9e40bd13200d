"""A decaying histogram as a dictionary of bins, one sample at a time."""

import math
from collections import defaultdict


def bin_of(value, per_octave=128):
    """(sign, octave, part of the octave) of a value."""
    if value == 0:
        return (0, 0, 0)
    mantissa, exponent = math.frexp(abs(value))  # mantissa in [0.5, 1)
    return (int(math.copysign(1, value)), exponent, int((mantissa - 0.5) * 2 * per_octave))


def middle_of(key, per_octave=128):
    sign, exponent, part = key
    return sign * math.ldexp(0.5 + (part + 0.5) / (2 * per_octave), exponent)


def histogram(times, values, half_life, now):
    """Weight of each bin."""
    weights = defaultdict(float)
    for t, value in zip(times, values, strict=True):
        if math.isfinite(value):
            weights[bin_of(value)] += 0.5 ** ((now - t) / half_life)
    return dict(weights)


def quantile(weights, p):
    """Middle of the first bin at or below which a share ``p`` of the weight lies."""
    total, reached = sum(weights.values()), 0.0
    if not total:
        return math.nan
    for key in sorted(weights, key=middle_of):
        reached += weights[key]
        if reached >= p * total * (1 - 1e-9):
            return middle_of(key)
    return middle_of(max(weights, key=middle_of))
