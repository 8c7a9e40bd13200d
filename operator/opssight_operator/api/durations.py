"""Durations as Prometheus writes them (``30s``, ``1h30m``, ``7d``), in Python and in CEL."""

from __future__ import annotations

import re
from functools import lru_cache

# Digits are bounded so that no sum of the units overflows a 64-bit number of nanoseconds; it may be a century.
DURATION_PATTERN = "^([0-9]{1,3}w)?([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?([0-9]{1,12}ms)?$"

_ANY_DURATION = re.compile(r"([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?")
_UNITS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@lru_cache(maxsize=1024)
def seconds(duration: str) -> float:
    """Seconds of a Prometheus duration string; ``ValueError`` names a string that is none."""
    if not duration or not _ANY_DURATION.fullmatch(duration):
        raise ValueError(f"{duration!r} is not a duration; write it like 30s, 5m, 1h30m or 7d")
    return sum(float(n) * _UNITS[u] for n, u in re.findall(r"([0-9]+)(ms|[wdhms])", duration))


def duration(total: float) -> str:
    """The shortest Prometheus duration string of ``total`` seconds (whole milliseconds)."""
    rest = round(total * 1000)
    if rest <= 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def seconds_in_cel(value: str) -> str:
    """CEL for the whole seconds of the duration string ``value``; CEL's own ``duration`` knows no days and weeks."""

    def count(unit: str) -> str:
        return f'int("0" + {value}.find("[0-9]+{unit}").replace("{unit}", ""))'

    below_a_day = f'duration("0s" + {value}.find("([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")).getSeconds()'
    return f"({below_a_day} + 86400 * {count('d')} + 604800 * {count('w')})"
