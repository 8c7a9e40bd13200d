"""The limit that tracks its own exceedances, one row at a time and from scratch."""

import math

LAST_VALUE, GAIN, MOST_SAVED = 0.25, 0.25, 4.0


def known(values):
    return [value for value in values if not math.isnan(value)]


def limits(values, allowed, recent, hold):
    """The limit of each row and of the next one; rows of one series."""
    found, rises, exceeded, judged = [], [], 0, 0
    for row in range(len(values) + 1):
        past = values[:row]
        near = known(past[-recent:])
        if not near:
            level = math.nan
        elif math.isnan(past[-1]):
            level = min(near)
        else:
            level = min(near) + LAST_VALUE * (past[-1] - min(near))
        held = known(rises[-hold:])
        seen = known(rises)
        if len(seen) < hold or math.isnan(level):
            limit = math.nan
        else:
            records = [
                rise
                for index, rise in enumerate(rises)
                if not math.isnan(rise) and all(not rise <= other for other in rises[max(index - hold, 0) : index])
            ]
            balance = min(allowed * judged - exceeded, MOST_SAVED)
            rarity = allowed * math.exp(GAIN * balance)
            larger = int(rarity * len(seen)) if rarity * len(seen) >= 1 else 0  # how many records may be larger
            ordered = sorted(records, reverse=True)
            rare = ordered[larger] if larger < len(ordered) else -math.inf
            limit = level + max([rare, *held[-1:], *held])
        found.append(limit)
        if row < len(values):
            rises.append(values[row] - level)
            if not math.isnan(limit) and not math.isnan(values[row]):
                judged += 1
                exceeded += values[row] - level > limit - level
    return found, exceeded, judged
