"""How the process keeps its memory small and its pauses short: the C library's allocator and Python's collector."""

from __future__ import annotations

import ctypes
import gc
import linecache
from asyncio.sslproto import SSLProtocol

# mallopt(3), of glibc
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE_BYTES = 128 * 1024
ARENAS = 2
TLS_BYTES = 65_536  # four records
COLLECT_AFTER = 2_000, 20, 10  # objects more than before, young collections, middle ones; 700, 10, 10 by default


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


def tune_connections() -> None:
    """Let a TLS connection read into 64 KiB instead of 256, all of which is taken when it is made.

    There is one for each kind that is watched, and they are idle nearly always.
    """
    SSLProtocol.max_size = TLS_BYTES


def tune_collector() -> None:
    """Make full collections rare and short, as everything stands still for them.

    All objects that there are will stay (modules, classes, schemas), so that none walks over them again. And a run's
    objects should be gone before the young are looked at: those that are found alive in the middle of it are kept for a
    full collection, which walks over all resources. The lines of source that models took their descriptions from go.
    """
    linecache.clearcache()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
