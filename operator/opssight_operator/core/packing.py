"""Values in few bytes: dataclasses of numbers, texts and arrays, written down and compressed.

What is written are the values alone. The classes stay beside the bytes as they are, so that no bytes, whatever they
hold, name code to import or to call; that is why this is no pickle. What comes back is equal to the last bit and shares
nothing with what was packed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum
from typing import Any, Literal

import msgspec
import numpy as np

PLAIN = (bool, int, float, str, bytes, type(None))
KINDS = "biuf"  # of arrays: numbers and nothing that points elsewhere
LEVEL = 1  # of zlib; a higher one takes three times as long for a tenth less


class _Kind(IntEnum):
    """What a written list stands for, its first item; a plain number, text or None stands for itself."""

    ARRAY = 0
    AGAIN = 1
    SCALAR = 2
    TUPLE = 3
    LIST = 4
    OBJECT = 5


@dataclass(frozen=True, slots=True)
class Parcel:
    """A value, written down."""

    data: bytes
    classes: tuple[type, ...]  # of the dataclasses in it, in the order in which they were met


def pack(value: object) -> Parcel:
    """Write a value down; TypeError names what is no dataclass, tuple, list, number, text or array of numbers."""
    writer = _Writer()
    data = msgspec.msgpack.encode(writer.written(value))
    return Parcel(zlib.compress(data, LEVEL), tuple(writer.classes))


def unpack(parcel: Parcel) -> Any:
    """What ``pack`` was given."""
    return _Reader(parcel.classes).read(msgspec.msgpack.decode(zlib.decompress(parcel.data)))


@dataclass(slots=True)
class _Writer:
    classes: dict[type, int] = field(default_factory=dict)
    arrays: dict[int, int] = field(default_factory=dict)  # by identity: one that several fields hold is written once

    def written(self, value: object) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is np.ndarray:
            assert isinstance(value, np.ndarray)
            return self._array(value)
        if isinstance(value, np.generic) and value.dtype.kind in KINDS:
            return [_Kind.SCALAR, value.dtype.str, value.tobytes()]
        if kind in (tuple, list):
            assert isinstance(value, tuple | list)
            return [_Kind.TUPLE if kind is tuple else _Kind.LIST, *map(self.written, value)]
        if is_dataclass(kind) and all(one.init for one in fields(kind)):
            number = self.classes.setdefault(kind, len(self.classes))
            return [_Kind.OBJECT, number, *(self.written(getattr(value, one.name)) for one in fields(kind))]
        raise TypeError(f"a {kind.__module__}.{kind.__qualname__} cannot be packed")

    def _array(self, array: np.ndarray[Any, Any]) -> list[Any]:
        if array.dtype.kind not in KINDS:
            raise TypeError(f"an array of {array.dtype} cannot be packed")
        if id(array) in self.arrays:
            return [_Kind.AGAIN, self.arrays[id(array)]]
        self.arrays[id(array)] = len(self.arrays)
        # The order in memory is part of the value: matrix products sum in it.
        order: Literal["F", "C"] = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        return [_Kind.ARRAY, array.dtype.str, order, array.shape, array.tobytes(order)]


@dataclass(slots=True)
class _Reader:
    classes: tuple[type, ...]
    arrays: list[Any] = field(default_factory=list)

    def read(self, written: Any) -> Any:
        if not isinstance(written, list):
            return written
        what, *rest = written
        match what:
            case _Kind.ARRAY:
                dtype, order, shape, data = rest
                flat: Any = np.frombuffer(bytearray(data), dtype)  # a bytearray, since models learn in place
                value = flat.reshape(shape, order=order)
                self.arrays.append(value)
            case _Kind.AGAIN:
                value = self.arrays[rest[0]]
            case _Kind.SCALAR:
                value = np.frombuffer(rest[1], rest[0])[0]
            case _Kind.TUPLE:
                value = tuple(map(self.read, rest))
            case _Kind.LIST:
                value = list(map(self.read, rest))
            case _:
                value = self.classes[rest[0]](*map(self.read, rest[1:]))
        return value
