"""Noise without a state: the value at a moment comes from hashing the moment, so any part can be computed alone."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]


def uniform(numbers: Cells, seed: int, stream: str) -> Floats:
    """Values in (0, 1), one for each number: the splitmix64 finaliser over (number, seed, stream)."""
    salt = (zlib.crc32(stream.encode()) << 32 | seed & 0xFFFF_FFFF) * 0xD1B54A32D192ED03 & 0xFFFF_FFFF_FFFF_FFFF
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def rough(numbers: Cells, seed: int, stream: str) -> Floats:
    """Independent standard normal values (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(uniform(numbers, seed, stream + "/radius")))
    return np.asarray(radius * np.cos(2 * np.pi * uniform(numbers, seed, stream + "/angle")))


def smooth(numbers: Cells, seed: int, stream: str, length: int) -> Floats:
    """Values that wander with unit variance: normal values every ``length`` numbers, blended on a quarter circle."""
    before = numbers // length
    angle = (numbers - before * length) * (np.pi / 2 / length)
    left, right = rough(before, seed, stream + "/path"), rough(before + 1, seed, stream + "/path")
    return np.asarray(left * np.cos(angle) + right * np.sin(angle))
