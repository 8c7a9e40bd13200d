"""What the process does about its own memory; in processes of their own, as it cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

LARGE = """
import threading
from opssight_operator.adapters import memory
{tuned}
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
def work():
    # small blocks that stay are what keeps a heap from shrinking
    for _ in range(12):
        large = [bytes(1_000_000) for _ in range(30)]
        kept.append(bytes(700))
        del large
kept, before = [], resident()
threads = [threading.Thread(target=work) for _ in range(6)]
for one in threads: one.start()
for one in threads: one.join()
print(resident() - before)
"""


def said(program: str) -> str:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is the C library's of Linux")
def test_what_threads_freed_goes_back_to_the_system() -> None:
    left = float(said(LARGE.format(tuned="assert memory.tune_allocator()")))
    assert left < 5, f"{left:.0f} MiB are left, {said(LARGE.format(tuned=''))} MiB without the tuning"


def test_what_is_loaded_is_not_walked_over_again() -> None:
    program = """
import gc
from opssight_operator import __main__
from opssight_operator.adapters import memory
before = len(gc.get_objects())
memory.tune_collector()
print(before, gc.get_freeze_count(), len(gc.get_objects()))
"""
    before, frozen, left = map(int, said(program).split())
    assert frozen > 0.8 * before
    assert left < 0.05 * before


def test_a_tls_connection_takes_a_quarter_of_what_it_would() -> None:
    program = """
import asyncio, ssl, tracemalloc
from asyncio.sslproto import SSLProtocol
from opssight_operator.adapters import memory
context = ssl.create_default_context()
async def taken():
    tracemalloc.start()
    kept = SSLProtocol(asyncio.get_running_loop(), asyncio.Protocol(), context, None)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size
before = asyncio.run(taken())
memory.tune_connections()
print(before, asyncio.run(taken()))
"""
    before, after = map(int, said(program).split())
    assert after < 0.5 * before
