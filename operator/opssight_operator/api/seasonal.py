"""One threshold for each hour of the week."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .base import KubeModel
from .validation import Form, Rule

SEASONAL_ESTIMATORS = ("Percentile", "DecayingHistogram", "PeaksOverThreshold")
SEASONAL_MODES = ("Recommend", "Record")

TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Form("^[A-Za-z0-9_+/-]+$", "the name of a time zone such as UTC or Europe/Berlin"),
]


class Seasonal(KubeModel):
    """Hours of the week in a time zone, and how much history each needs of its own."""

    time_zone: TimeZone = "UTC"
    """timeZone of the hours, daylight saving included; the default is UTC."""
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """minSamples that an hour needs; with fewer it learns from its neighbours, then from the same hour of other
    working or weekend days, then from all hours. The default is 100."""
    min_weeks: Annotated[int, Field(ge=1, le=52)] = 2
    """minWeeks is from how many different weeks the samples must come; the default is 2."""


def _listed(words: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


SEASONAL_RULES = (
    Rule(
        f"!has(self.seasonal) || self.estimator.type in {_listed(SEASONAL_ESTIMATORS)}",
        f"seasonal works with the estimators {', '.join(SEASONAL_ESTIMATORS)}",
        "seasonal is set and estimator.type is {{self.estimator.type}}; "
        f"it works with {', '.join(SEASONAL_ESTIMATORS)}",
        field=".seasonal",
    ),
    Rule(
        f"!has(self.seasonal) || self.delivery.mode in {_listed(SEASONAL_MODES)}",
        f"seasonal works with the modes {', '.join(SEASONAL_MODES)}",
        "seasonal is set and delivery.mode is {{self.delivery.mode}}; "
        f"it works with {', '.join(SEASONAL_MODES)}, because a literal cannot follow the hour",
        field=".seasonal",
    ),
)
