"""One sentence that says what was seen, what was expected, how far off, which rule spoke, since when."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from .base import Scores
from .episodes import Episode
from .severity import severity_of


def number(value: float) -> str:
    """A number for people: four significant digits, no exponent where it can be avoided."""
    if not math.isfinite(value):
        return "unknown"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:.{max(0, 3 - math.floor(math.log10(abs(value))))}f}" if value else "0"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.4g}"


def moment(time: float) -> str:
    """Seconds since the epoch as UTC, to the second."""
    return datetime.fromtimestamp(time, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def explain_point(
    *,
    value: float,
    expected: float,
    lower: float,
    upper: float,
    score: float,
    unit: str = "",
    cause: str = "",
    since: float | None = None,
) -> str:
    """The sentence for one judged point; ``unit`` is appended to values, ``since`` is seconds since the epoch."""
    suffix = f" {unit}" if unit else ""
    parts = [f"observed {number(value)}{suffix}"]
    if math.isfinite(expected):
        deviation = value - expected
        side = "above" if deviation >= 0 else "below"
        far = f"{number(abs(deviation))}{suffix}"
        if expected != 0:
            far += f" ({number(abs(deviation / expected) * 100)} %)"
        parts.append(f"expected {number(expected)}{suffix}{_normal_range(lower, upper)}")
        parts.append(f"{far} {side}")
    parts.append(f"score {number(score)} ({severity_of(score).label})")
    if cause:
        parts.append(f"by {cause}")
    if since is not None:
        parts.append(f"since {moment(since)}")
    return ", ".join(parts)


def explain_episode(episode: Episode, scores: Scores, *, unit: str = "", has_times: bool = True) -> str:
    """The sentence for the peak of an episode of the block that ``scores`` judges.

    Without times the sentence does not say since when.
    """
    row, column = episode.peak_row, episode.series
    return explain_point(
        value=episode.peak,
        expected=episode.expected,
        lower=float(scores.lower[row, column]),
        upper=float(scores.upper[row, column]),
        score=episode.peak_score,
        unit=unit,
        cause=scores.cause_at(row, column),
        since=episode.start if has_times else None,
    )


def _normal_range(lower: float, upper: float) -> str:
    if math.isfinite(lower) and math.isfinite(upper):
        return f" (normal {number(lower)} to {number(upper)})"
    if math.isfinite(upper):
        return f" (normal up to {number(upper)})"
    return f" (normal from {number(lower)})" if math.isfinite(lower) else ""
