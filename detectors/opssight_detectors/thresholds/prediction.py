"""How many episodes are still within what a history predicts?

A history of ``weeks`` with ``episodes`` episodes leaves the true volume open. With a Jeffreys prior the
volume is gamma-distributed, and the number of episodes to come follows a negative binomial distribution
(Krishnamoorthy and Peng, *Journal of Statistical Planning and Inference* 141, 2011): a Poisson range,
widened by what the history itself leaves open.
"""

from __future__ import annotations

import math

_LARGE = 2000.0  # from this mean on an expansion is right to an episode in a hundred
_PRIOR = 0.5


def predicted_range(episodes: float, weeks: float, ahead: float, confidence: float = 0.99) -> tuple[int, int]:
    """The fewest and the most episodes to expect in ``ahead`` weeks, after ``episodes`` in ``weeks`` weeks.

    Each end is passed by chance with probability ``(1 - confidence) / 2`` at most.
    """
    if not (episodes >= 0 and weeks > 0 and ahead >= 0):
        raise ValueError(
            f"episodes and ahead must be 0 or more and weeks more than 0, not {episodes:g}, {ahead:g} and {weeks:g}"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1, not {confidence:g}")
    shape, share = episodes + _PRIOR, ahead / (weeks + ahead)
    tail = (1 - confidence) / 2
    mean = shape * ahead / weeks
    if mean > _LARGE:
        low_end, high_end = (_expanded(end, shape, ahead / weeks) for end in (tail, 1 - tail))
        return max(math.floor(low_end), 0), math.ceil(high_end)
    count, low = 0, -1
    log_mass = shape * math.log1p(-share)
    total = math.exp(log_mass)
    while True:
        if low < 0 and total > tail:
            low = count
        if total >= 1 - tail or share == 0:
            return max(low, 0), count
        log_mass += math.log((shape + count) / (count + 1) * share)
        count += 1
        total += math.exp(log_mass)


def _expanded(probability: float, shape: float, ratio: float) -> float:
    """A quantile of the negative binomial of mean ``shape * ratio``, by Cornish and Fisher's expansion."""
    from statistics import NormalDist

    mean = shape * ratio
    deviation = math.sqrt(mean * (1 + ratio))
    skew = (1 + 2 * ratio) / deviation
    excess = 6 / shape + 1 / deviation**2
    z = NormalDist().inv_cdf(probability)
    bent = z + (z * z - 1) * skew / 6 + (z**3 - 3 * z) * excess / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
    return mean + deviation * bent
