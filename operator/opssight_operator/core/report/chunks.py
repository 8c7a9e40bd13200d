"""Bytes cut into pieces that fit into ConfigMaps, at line ends where possible and never inside a character."""

from __future__ import annotations

from collections.abc import Sequence

CHUNK_BYTES = 900 * 1024


def split(data: bytes, limit: int = CHUNK_BYTES) -> tuple[bytes, ...]:
    """``data`` as one or more pieces of at most ``limit`` bytes (at least 4), each of them UTF-8 if ``data`` is.

    A piece ends after the last line end in its second half, else before the character that would not fit.
    """
    if limit < 4:
        raise ValueError(f"limit must be at least 4 bytes, the longest character, not {limit}")
    pieces = []
    start = 0
    while len(data) - start > limit:
        end = start + limit
        newline = data.rfind(b"\n", start + limit // 2, end)
        if newline >= 0:
            end = newline + 1
        else:
            cut = end
            while cut > end - 3 and data[cut] & 0xC0 == 0x80:  # a continuation byte: its character began earlier
                cut -= 1
            end = cut if data[cut] & 0xC0 != 0x80 else end  # more than three are no UTF-8: any cut will do
        pieces.append(data[start:end])
        start = end
    pieces.append(data[start:])
    return tuple(pieces)


def join(pieces: Sequence[bytes]) -> bytes:
    """What ``split`` was given."""
    return b"".join(pieces)
