"""Autoencoders for many series at once: principal axes in closed form, and a small network.

Linear: the projection on the first principal axes of the windows is the best linear autoencoder
(P. Baldi & K. Hornik, 1989). Network: one tanh layer in, a narrow code, one tanh layer out, trained by
Adam (D. Kingma & J. Ba, 2015) on whole batches; all series train together in one batched product and
from the same initial weights, so the result depends on the series and the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..base import FloatArray

Weights = tuple[FloatArray, ...]  # W1, b1, W2, b2, ... each [series, in, out] or [series, 1, out]


@dataclass(frozen=True, slots=True)
class LinearCode:
    """``axes [series, window, code]``, orthonormal columns."""

    axes: FloatArray

    def rebuild(self, windows: FloatArray) -> FloatArray:
        """``windows [series, row, window]`` seen through the code."""
        return np.asarray(windows @ self.axes @ self.axes.transpose(0, 2, 1))


def fit_linear(windows: FloatArray, code: int) -> LinearCode:
    """Principal axes of ``windows [series, row, window]``, which are centred already."""
    covariance = windows.transpose(0, 2, 1) @ windows / max(windows.shape[1], 1)
    power, axes = np.linalg.eigh(covariance)
    carries = power > 1e-9 * np.maximum(power[:, -1:], 1e-9)  # an axis that nothing varied along codes nothing
    axes = axes * carries[:, None]
    return LinearCode(np.ascontiguousarray(axes[:, :, ::-1][:, :, :code]))


@dataclass(frozen=True, slots=True)
class Network:
    """Window -> hidden -> code -> hidden -> window."""

    weights: Weights

    def rebuild(self, windows: FloatArray) -> FloatArray:
        """``windows [series, row, window]`` seen through the code."""
        return _forward(self.weights, windows)[-1]


def fit_network(windows: FloatArray, hidden: int, code: int, epochs: int, seed: int, rate: float = 0.01) -> Network:
    """Train on ``windows [series, row, window]``; deterministic."""
    series, _, width = windows.shape
    rng = np.random.default_rng(seed)
    sizes = (width, hidden, code, hidden, width)
    weights: list[FloatArray] = []
    for inputs, outputs in pairwise(sizes):
        start = rng.normal(0.0, np.sqrt(2.0 / (inputs + outputs)), (inputs, outputs))
        weights += [np.tile(start, (series, 1, 1)), np.zeros((series, 1, outputs))]
    slow = [np.zeros_like(weight) for weight in weights]
    squares = [np.zeros_like(weight) for weight in weights]
    for epoch in range(1, epochs + 1):
        for at, gradient in enumerate(_gradients(tuple(weights), windows)):
            slow[at] = 0.9 * slow[at] + 0.1 * gradient
            squares[at] = 0.999 * squares[at] + 0.001 * gradient * gradient
            step = (slow[at] / (1 - 0.9**epoch)) / (np.sqrt(squares[at] / (1 - 0.999**epoch)) + 1e-8)
            weights[at] = weights[at] - rate * step
    return Network(tuple(weights))


def _forward(weights: Weights, windows: FloatArray) -> list[FloatArray]:
    """The activations of every layer, the input first; tanh in the hidden layers, linear code and output."""
    layers = [windows]
    for at in range(0, len(weights), 2):
        linear = layers[-1] @ weights[at] + weights[at + 1]
        layers.append(np.tanh(linear) if at in (0, 4) else linear)
    return layers


def _gradients(weights: Weights, windows: FloatArray) -> list[FloatArray]:
    layers = _forward(weights, windows)
    error = 2.0 * (layers[-1] - windows) / (windows.shape[1] * windows.shape[2])
    gradients: list[FloatArray] = []
    for at in range(len(weights) - 2, -1, -2):
        if at in (0, 4):
            error = error * (1.0 - layers[at // 2 + 1] ** 2)
        gradients = [
            layers[at // 2].transpose(0, 2, 1) @ error,
            error.sum(axis=1, keepdims=True),
            *gradients,
        ]
        error = error @ weights[at].transpose(0, 2, 1)
    return gradients
