"""How many episodes are still within what a history predicts?

A history of ``weeks`` with ``episodes`` episodes leaves the true volume open. With a Jeffreys prior the
volume is gamma-distributed, and the number of episodes to come follows a negative binomial distribution
(Krishnamoorthy and Peng, *Journal of Statistical Planning and Inference* 141, 2011): a Poisson range,
widened by what the history itself leaves open.
"""

from __future__ import annotations

import math

_LARGE = 2000.0  # from this mean on the normal approximation is right to an episode in a hundred
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
        from statistics import NormalDist

        half = NormalDist().inv_cdf(1 - tail) * math.sqrt(mean * (1 + ahead / weeks))
        return max(math.floor(mean - half), 0), math.ceil(mean + half)
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
