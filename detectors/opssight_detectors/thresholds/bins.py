"""Bins cut from the float's own bits.

The exponent and the first 7 bits of the mantissa of a float64 are its bin, so a bin is 1/128 of an
octave wide and its middle is at most 2**-8 = 0.39 % away from any value in it, for any magnitude and
either sign; zero has a bin of its own. The log-linear layout is that of HdrHistogram (Tene, 2012) and
DDSketch (Masson et al., VLDB 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

MANTISSA_BITS = 7
RELATIVE_ERROR = 2.0 ** -(MANTISSA_BITS + 1)
_SHIFT = 52 - MANTISSA_BITS
_KEYS_A_SIGN = 1 << (63 - _SHIFT)

Keys = NDArray[np.int32]


def keys_of(values: FloatArray) -> Keys:
    """The bin of each finite value: 0 for zero, growing with the value, mirrored for negative ones."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    keys = (values.view(np.int64) >> _SHIFT).astype(np.int32)
    if keys.min(initial=0) < 0:  # the sign bit came along with the shift
        negative = keys < 0
        keys[negative] = -(keys[negative] + _KEYS_A_SIGN) - 2
    keys += 1
    keys[values == 0] = 0
    return keys


def middles_of(keys: NDArray[np.integer]) -> FloatArray:
    """The value in the middle of each bin."""
    bits = (np.abs(keys).astype(np.int64) - 1 << _SHIFT) | (1 << (_SHIFT - 1))
    return np.where(keys == 0, 0.0, np.where(bits >= 0, bits, 0).view(np.float64) * np.sign(keys))
