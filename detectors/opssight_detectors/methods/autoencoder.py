"""Autoencoder on windows: what the code of ordinary windows cannot rebuild is strange.

Windows of the last 24 samples, standardised by the training window, go through a narrow code and back
(``kernels.network``). The measure is the root mean square of the rebuilding error over the window,
half of the weight on the newest four samples; ``calibration.tail_boundary`` turns it into a score.
``kind: Linear`` is closed form (principal axes, milliseconds a series), ``kind: Network`` is a small
trained network (some 100 ms a series: train it off the event loop). The expected value is the newest
sample of the rebuilt window.

Works for shapes: a beat that skips, a plateau where there was a peak. Needs several periods of
training; noise without shape leaves it nothing to code. After an anomaly the window holds it for 24
samples, so the score comes down slowly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base import FloatArray, Scores, as_block
from ..calibration import RATE_OF, calibrate, floored, states_of, tail_boundary
from ..kernels.moments import moments_of
from ..kernels.network import LinearCode, Network, fit_linear, fit_network
from ..parameters import check_parameters, parameter

NEWEST = 4
HIDDEN = 16
TRAINING_WINDOWS = 512
LEAST_DISTANCE = 0.1  # between median and boundary, in standard deviations of the series
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """Windows through a narrow code: linear in closed form, or a small network."""

    kind: str = parameter("Linear", "closed-form linear code or trained network", choices=("Linear", "Network"))
    window: int = parameter(24, "samples in a window", low=8, high=512)
    code: int = parameter(4, "width of the code", low=1, high=64)
    epochs: int = parameter(150, "passes over the training windows (Network)", low=1, high=10_000)
    seed: int = parameter(0, "seed of the initial weights (Network)", low=0, high=2**31)
    sensitivity: str = parameter("Medium", "how often ordinary windows may score above 1", choices=tuple(RATE_OF))
    min_samples: int = parameter(96, "how many samples a series needs before it is judged", low=16, high=1_000_000)

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.code >= self.window:
            raise ValueError(f"code must be less than window, not {self.code!r} and {self.window!r}")

    def fit(self, times: FloatArray, values: FloatArray) -> AutoencoderModel:
        _, values = as_block(times, values)
        moments = moments_of(values)
        spread = floored(moments.deviation(), moments.mean)
        start = np.zeros((self.window - 1, values.shape[1]))
        z, tail = _standardised(values, moments.mean, spread, start)
        rows = np.linspace(0, max(len(values) - 1, 0), min(len(values), TRAINING_WINDOWS)).astype(np.intp)
        windows = _windows(z, self.window)[:, rows] if len(values) else np.zeros((values.shape[1], 0, self.window))
        coder: LinearCode | Network
        if self.kind == "Linear":
            coder = fit_linear(windows, self.code)
        else:
            coder = fit_network(windows, HIDDEN, self.code, self.epochs, self.seed)
        raw = np.where(np.isnan(values[rows]), np.nan, _errors(windows, coder.rebuild(windows)))
        centre, boundary = tail_boundary(raw, RATE_OF[self.sensitivity])
        return AutoencoderModel(self, moments.mean, spread, coder, tail, centre, boundary, moments.count)


@dataclass(frozen=True, slots=True)
class AutoencoderModel:
    """Weights and the newest window: about 1 kB (Linear) or 8 kB (Network) a series.

    ``update`` follows the newest samples; the code itself is learned at ``fit``.
    """

    detector: Autoencoder
    mean: FloatArray
    spread: FloatArray
    coder: LinearCode | Network
    tail: FloatArray
    centre: FloatArray
    boundary: FloatArray
    count: FloatArray

    def score(self, times: FloatArray, values: FloatArray) -> Scores:
        _, values = as_block(times, values)
        z, _ = _standardised(values, self.mean, self.spread, self.tail)
        windows = _windows(z, self.detector.window)
        rebuilt = self.coder.rebuild(windows)
        score = calibrate(_errors(windows, rebuilt), self.centre, self.boundary, LEAST_DISTANCE)
        ready = self.count >= self.detector.min_samples
        expected = np.where(ready, self.mean + self.spread * rebuilt[:, :, -1].T, np.nan)
        nothing = np.full_like(values, np.nan)
        return Scores(
            score=np.where(ready & ~np.isnan(values), score, np.nan),
            expected=expected,
            lower=nothing,
            upper=nothing.copy(),
            state=states_of(values, ready),
        )

    def update(self, times: FloatArray, values: FloatArray) -> AutoencoderModel:
        _, values = as_block(times, values)
        _, tail = _standardised(values, self.mean, self.spread, self.tail)
        return replace(self, tail=tail, count=self.count + (~np.isnan(values)).sum(axis=0))


def _standardised(
    values: FloatArray, mean: FloatArray, spread: FloatArray, tail: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """``tail`` and the standardised values with gaps filled by the sample before, and the tail after them."""
    z = np.concatenate([tail, np.clip((values - mean) / spread, -_LARGEST, _LARGEST)])
    index = np.where(np.isnan(z), 0, np.arange(len(z))[:, None])
    filled = z[np.maximum.accumulate(index, axis=0), np.arange(z.shape[1])]
    return filled, filled[len(filled) - len(tail) :]


def _windows(z: FloatArray, width: int) -> FloatArray:
    """``[series, row, window]``, one window ending at each row after the tail."""
    if len(z) < width:
        return np.zeros((z.shape[1], 0, width))
    view = np.lib.stride_tricks.sliding_window_view(z, width, axis=0)
    return np.ascontiguousarray(view.transpose(1, 0, 2))


def _errors(windows: FloatArray, rebuilt: FloatArray) -> FloatArray:
    square = np.square(windows - rebuilt)
    return np.asarray(np.sqrt(0.5 * square.mean(axis=2) + 0.5 * square[:, :, -NEWEST:].mean(axis=2)).T)
