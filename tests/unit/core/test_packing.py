"""Values in few bytes: what comes back is the same to the last bit, and no bytes can call anything."""

from __future__ import annotations

import gc
import pickle
import weakref
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest

from opssight_detectors.base import Model
from opssight_detectors.methods.adaptive import Adaptive
from opssight_detectors.methods.autoencoder import Autoencoder
from opssight_detectors.methods.isolation_forest import IsolationForest
from opssight_detectors.methods.peer_outlier import PeerOutlier
from opssight_detectors.methods.robust_zscore import RobustZScore
from opssight_detectors.methods.seasonal import Seasonal
from opssight_detectors.methods.spc import CUSUM, EWMA, Shewhart
from opssight_detectors.methods.zscore import ZScore
from opssight_operator.core.models import Learned
from opssight_operator.core.packing import Parcel, pack, unpack

DETECTORS: dict[str, Any] = {
    "Adaptive": Adaptive(),
    "Autoencoder, linear": Autoencoder(),
    "Autoencoder, a network": Autoencoder(kind="Network", epochs=5),
    "IsolationForest": IsolationForest(),
    "Seasonal": Seasonal(),
    "RobustZScore": RobustZScore(),
    "ZScore": ZScore(),
    "Shewhart": Shewhart(),
    "EWMA": EWMA(),
    "CUSUM": CUSUM(),
    "PeerOutlier": PeerOutlier(),
}
TIMES = 1.7e9 + np.arange(400) * 60.0


def values(series: int = 3) -> Any:
    """A wave with noise and gaps."""
    dice = np.random.default_rng(2)
    made = 10 + 3 * np.sin(TIMES / 13_000)[:, None] + dice.normal(0, 1, (len(TIMES), series))
    made[50:60, 0] = np.nan
    return made


def learned(method: str) -> Learned:
    """A model that was fitted, and brought up to date by twenty rows that it keeps on their own."""
    fitted: Model = DETECTORS[method].fit(TIMES[:380], values()[:380])
    return Learned("key", float(TIMES[-1]), (fitted.update(TIMES[380:], values()[380:]),), 3)


def as_the_peer_sees_it(value: object) -> bytes:
    """Every bit of a value, by the library that this one replaces."""
    return pickle.dumps(value, 5)


@pytest.mark.parametrize("method", DETECTORS)
def test_a_model_of_every_method_comes_back_to_the_last_bit(method: str) -> None:
    before = learned(method)
    once = unpack(pack(before))
    assert type(once) is Learned
    # Equal constants are one object in a value that was built here and two in one that was read, so compare both read.
    assert as_the_peer_sees_it(once) == as_the_peer_sees_it(pickle.loads(as_the_peer_sees_it(before)))


@pytest.mark.parametrize("method", DETECTORS)
def test_a_packed_model_is_about_as_small_as_by_the_peer(method: str) -> None:
    before = learned(method)
    peer = len(zlib.compress(as_the_peer_sees_it(before), 1))
    assert len(pack(before).data) <= 1.02 * peer + 50


@dataclass(frozen=True, slots=True)
class Pair:
    """Two things."""

    one: Any
    other: Any = None


@dataclass(frozen=True)
class Derived:
    """What its constructor does not take."""

    half: float = field(init=False, default=0.5)


RING = np.arange(6.0)
VALUES: dict[str, Any] = {
    "nothing": None,
    "numbers and texts": (True, -7, 2**63, 0.1, "Größe", b"\0\xff", ""),
    "a list is no tuple": [1, (2, [3]), ()],
    "no rows": np.empty((0, 4)),
    "no axis": np.array(3.5),
    "half precision and flags": (np.arange(3, dtype=np.float32), np.array([True, False]), np.arange(3, dtype=np.int8)),
    "the other byte order": np.arange(3, dtype=">f8"),
    "what is not finite, and a zero with a sign": np.array([np.nan, np.inf, -np.inf, -0.0]),
    "a number of an array": np.float64(0.1),
    "columns first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "a part of an array": np.arange(12.0).reshape(3, 4)[:, 1:3],
    "backwards": np.arange(5.0)[::-1],
    "one number for all": np.broadcast_to(np.float64(2.0), (3, 2)),
    "the newest array twice": Pair(RING, RING),
    "an array again after another": (RING, np.zeros(2), RING),
    "a pair within a pair": Pair(Pair(1, (2, 3)), [Pair(RING)]),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_with_type_order_and_bits(name: str) -> None:
    read = unpack(pack(VALUES[name]))
    assert as_the_peer_sees_it(read) == as_the_peer_sees_it(pickle.loads(as_the_peer_sees_it(VALUES[name])))


def test_what_comes_back_shares_nothing_with_what_was_packed_and_can_be_written_to() -> None:
    mine = Pair(np.zeros(3), [1])
    read = unpack(pack(mine))
    read.one[0], read.other[0] = 5.0, 9
    assert mine.one[0] == 0.0 and mine.other == [1]
    again = unpack(parcel := pack(read))
    again.one[0] = 6.0
    assert unpack(parcel).one[0] == 5.0


def test_a_parcel_keeps_no_array_alive() -> None:
    array = np.zeros(3)
    gone = weakref.ref(array)
    parcel = pack(Pair(array))
    del array
    gc.collect()
    assert gone() is None and unpack(parcel).one.size == 3


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.array([print], dtype=object), "an array of object"),
        (np.array(["x"]), "an array of <U1"),
        (np.array([(1, 2.0)], dtype="i4,f8"), "an array of"),
        (Pair(print), "builtins.builtin_function_or_method"),
        ({"a": 1}, "builtins.dict"),
        (Derived(), "Derived"),
    ],
)
def test_what_is_no_value_is_refused_by_name(value: object, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        pack(value)


def test_bytes_name_no_class_but_those_beside_them() -> None:
    stranger = zlib.compress(msgspec.msgpack.encode([5, 1, "x"]))
    with pytest.raises(IndexError):
        unpack(Parcel(stranger, (Pair,)))
