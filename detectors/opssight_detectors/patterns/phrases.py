"""Numbers and times as people say them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

import numpy as np

from .columns import Column
from .incidents import Incidents

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOSTLY = 0.8


def count(n: int, singular: str, plural: str = "") -> str:
    """``1 incident``, ``1,200 incidents``."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def percent(share: float) -> str:
    """A share of 1 as whole percents; never 0% or 100% unless it is."""
    value = 100.0 * share
    if 0.0 < value < 1.0:
        return "less than 1%"
    if 99.0 < value < 100.0:
        return "more than 99%"
    return f"{value:.0f}%"


def times_as_many(ratio: float) -> str:
    """``3.2 times as``; whole numbers from 10 on."""
    return f"{ratio:.0f} times as" if ratio >= 10 else f"{ratio:.1f} times as"


def duration(seconds: float) -> str:
    """The two largest units: ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    whole = round(seconds)
    for size, name, smaller, smaller_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    if whole >= 60:
        rest = whole % 60
        return f"{whole // 60} min" + (f" {rest} s" if rest and whole < 600 else "")
    return f"{whole} s"


def prometheus_duration(seconds: float, step: float = 60.0) -> str:
    """Rounded up to whole steps of a minute by default, as Prometheus writes it: ``5m``, ``1h30m``."""
    minutes = round(max(1.0, np.ceil(seconds / step)) * step / 60.0)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or not hours else "")


def clock(time: float, zone: tzinfo) -> str:
    """``02:10``."""
    return f"{datetime.fromtimestamp(time, zone):%H:%M}"


def moment(time: float, zone: tzinfo) -> str:
    """``Mon 2 Mar 02:10``."""
    at = datetime.fromtimestamp(time, zone)
    return f"{at:%a} {at.day} {at:%b %H:%M}"


def listing(words: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; beyond ``most``, ``a, b, c and 3 more``."""
    shown = list(words[:most])
    if len(words) > most:
        shown.append(f"{len(words) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def mostly(column: Column) -> str | None:
    """The value that at least four fifths of the rows have, if there is one."""
    counts = column.counts()
    if not counts.size or len(column) == 0:
        return None
    top = int(counts.argmax())
    return column.values[top] if counts[top] >= MOSTLY * len(column) else None


def where(incidents: Incidents) -> str:
    """`` in shop/checkout`` when the incidents agree on it, else empty."""
    parts = [part for part in (mostly(incidents.namespace), mostly(incidents.service)) if part]
    return f" in {'/'.join(dict.fromkeys(parts))}" if parts else ""
