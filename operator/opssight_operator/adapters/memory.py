"""How the process keeps its memory small and its pauses short: the C library's allocator and Python's collector."""

from __future__ import annotations

import ctypes
import gc

# mallopt(3), of glibc
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 128 * 1024
ARENAS = 2


def tune_allocator() -> bool:
    """Give large blocks back to the system as soon as they are free; False where the C library is another one.

    By itself glibc keeps up to 64 MiB of what was freed, and a heap for each thread. That saves time for programs whose
    threads allocate at once; ours take turns at the interpreter. Call it before there are threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, LARGE_BYTES), (M_ARENA_MAX, ARENAS))
    taken = [mallopt(option, value) == 1 for option, value in wanted]
    return all(taken)


def keep_what_is_loaded() -> None:
    """Tell the collector that all objects there are will stay: modules, classes, schemas.

    It would otherwise walk over them in each full collection, while everything stands still.
    """
    gc.collect()
    gc.freeze()
