"""What the decision on one threshold rests on, and what it may be; ``chain`` decides."""

from __future__ import annotations

from dataclasses import dataclass

from ..api.threshold_reasons import ThresholdReason

WHOLE = 0.95  # of the window, from which on a history has not lost its beginning


@dataclass(frozen=True, slots=True)
class Guards:
    """The guardrails as numbers; fractions are of the current threshold, times are seconds.

    ``max_step`` is that of a full ``window`` of history; less history allows more (``allowed_step``).
    """

    min: float | None = None
    max: float | None = None
    max_step: float = 0.25
    dead_band: float = 0.05
    cooldown: float = 3600.0
    freeze_while_firing: bool = True
    freeze_at_most: float = 86400.0
    min_coverage: float = 0.8
    min_duration: float = 86400.0
    window: float = 14 * 86400.0
    hold_after_roll_back: float = 86400.0

    def __post_init__(self) -> None:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min is {self.min:g} and max is {self.max:g}; min must be less than max")
        if self.max_step <= 0:
            raise ValueError(f"maxStep is {self.max_step:g}; it must be above 0")
        if not 0 <= self.dead_band < self.max_step:
            raise ValueError(
                f"deadBand is {self.dead_band:g}; it must be 0 or more and less than maxStep {self.max_step:g}, "
                "or no change could ever be made"
            )

    @property
    def longest_freeze(self) -> float:
        """Seconds of firing after which it is the new level; no history shows more than its window."""
        return min(self.freeze_at_most, WHOLE * self.window)

    def inside(self, value: float) -> float:
        """``value``, or the limit that it passes."""
        if self.min is not None:
            value = max(value, self.min)
        if self.max is not None:
            value = min(value, self.max)
        return value


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that the decision on one threshold rests on.

    ``suggested`` is what history suggests (NaN: nothing), ``span`` the seconds from the first sample to the
    last, ``coverage`` the share of points that were there, ``beyond`` how many series are beyond the current
    threshold now, ``alerting`` whether its alert fires, ``firing_for`` the seconds for which either was so.
    ``current`` is None before the first threshold. ``back_to`` is set when it proved wrong.
    """

    suggested: float
    samples: int
    coverage: float
    span: float
    current: float | None
    changed_at: float | None
    beyond: int
    now: float
    guards: Guards
    rolled_back_at: float | None = None
    back_to: RollBack | None = None
    alerting: bool = False
    firing_for: float = 0.0


@dataclass(frozen=True, slots=True)
class RollBack:
    """The current threshold raised another number of alerts than was predicted; ``value`` was the last good one."""

    value: float
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """The threshold shall become ``value``. ``at_limit``: guardrails.min or max cut what history suggests.

    ``forced``: the current threshold stands outside of min and max, so that nothing may hold it there.
    """

    value: float
    why: str
    at_limit: bool = False
    forced: bool = False
    rolled_back: bool = False

    @property
    def reason(self) -> ThresholdReason:
        """Changed, or rolled back."""
        return ThresholdReason.ROLLED_BACK if self.rolled_back else ThresholdReason.CHANGED


@dataclass(frozen=True, slots=True)
class Hold:
    """The threshold stays as it is (or stays unknown)."""

    reason: ThresholdReason
    message: str
