"""``opssight serve`` under load: latency, throughput, processor time, and memory over many requests.

    python -m benchmarks.serving [--seconds 20] [--clients 1 2 4] [--requests 10000] [--workers 2]

A server process and its workers on this machine, and clients in a process of their own that keep their connections and
send the next request when the answer is there (closed loop). One request is 100 series of 1,440 points, a day at one
minute, with four decimals and some spikes. Memory is the resident set from /proc, server and workers together.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SERIES, POINTS = 100, 1440
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def body_of(method: str, series: int, points: int) -> bytes:
    """A request with spikes in one point of five hundred."""
    rng = np.random.default_rng(7)
    values = np.where(rng.random((series, points)) < 0.002, 100.0, 20.0) + rng.normal(0, 1, (series, points))
    lists = {
        f'http_request_seconds{{pod="shop-{i}"}}': [round(float(v), 4) for v in row] for i, row in enumerate(values)
    }
    return json.dumps({"method": method, "series": lists}).encode()


class Server:
    """The process under test."""

    def __init__(self, workers: int) -> None:
        environment = {
            **os.environ,
            "OPSSIGHT_SERVE_PORT": "0",
            "OPSSIGHT_SERVE_WORKERS": str(workers),
            "OPSSIGHT_SERVE_DRAIN_SECONDS": "0",
            "OPSSIGHT_SERVE_MAX_CONCURRENT": "64",
        }
        command = [sys.executable, "-c", "from opssight_operator.cli import main; main()", "serve"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        self.port = int(json.loads(self.process.stderr.readline())["port"])
        os.set_blocking(self.process.stderr.fileno(), False)
        while self.ask("GET", "/readyz") != 200 or len(self.pids()) < workers + 1:
            time.sleep(0.1)

    def ask(self, method: str, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path)
        status = connection.getresponse().status
        connection.close()
        return status

    def pids(self) -> list[int]:
        """The server first, then its workers."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [self.process.pid, *(int(p) for task in tasks for p in (task / "children").read_text().split())]

    def cpu(self) -> list[float]:
        """Seconds of processor time: of the server, and of all workers."""
        used = []
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
            used.append((int(fields[11]) + int(fields[12])) / TICK)
        return [used[0], sum(used[1:])]

    def memory(self) -> tuple[float, float]:
        """MiB: of the server, and of all workers."""
        resident = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20 for pid in self.pids()]
        return resident[0], sum(resident[1:])

    def forget_log(self) -> None:
        """Keep the pipe of the access log empty."""
        assert self.process.stderr is not None
        while self.process.stderr.read(65536):
            pass

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)


def client(port: int, body: bytes, seconds: float, most: int, results: Any) -> None:
    """Ask until the time is up or ``most`` answers are there; put the latencies and the number of refusals."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    latencies, refused, end = [], 0, time.perf_counter() + seconds
    while time.perf_counter() < end and len(latencies) < most:
        began = time.perf_counter()
        connection.request("POST", "/v1/detect_anomalies", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            latencies.append(time.perf_counter() - began)
        else:
            refused += 1
    results.put((latencies, refused))


def load(
    server: Server, body: bytes, clients: int, seconds: float, most: int = 2**62
) -> tuple[list[float], int, float]:
    """All latencies, the refusals, and how long it took."""
    results: Any = multiprocessing.Queue()
    began = time.perf_counter()
    running = [
        multiprocessing.Process(target=client, args=(server.port, body, seconds, most, results)) for _ in range(clients)
    ]
    for one in running:
        one.start()
    while any(one.is_alive() for one in running) and results.qsize() < clients:
        server.forget_log()
        time.sleep(0.02)
    told = [results.get() for _ in running]
    for one in running:
        one.join()
    return [x for latencies, _ in told for x in latencies], sum(r for _, r in told), time.perf_counter() - began


def measure_load(server: Server, methods: list[str], clients: list[int], seconds: float) -> None:
    print(
        f"{SERIES} series x {POINTS:,} points, {seconds:g} s each, load average {os.getloadavg()[0]:.1f} at the start"
    )
    print("| method | clients | requests/s | points/s | p50 ms | p99 ms | server CPU ms | worker CPU ms | refused |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for method in methods:
        body = body_of(method, SERIES, POINTS)
        load(server, body, 2, 2.0)
        for count in clients:
            before = server.cpu()
            latencies, refused, took = load(server, body, count, seconds)
            used = [after - was for after, was in zip(server.cpu(), before, strict=True)]
            rate, n = len(latencies) / took, len(latencies)
            p50, p99 = np.percentile(latencies, [50, 99]) * 1e3
            print(
                f"| {method} | {count} | {rate:.1f} | {rate * SERIES * POINTS:,.0f} | {p50:.0f} | {p99:.0f} "
                f"| {used[0] / n * 1e3:.1f} | {used[1] / n * 1e3:.1f} | {refused} |",
                flush=True,
            )


def measure_memory(server: Server, requests: int) -> None:
    small = json.dumps({"values": [10, 12, 11, 50, 13, 12]}).encode()
    print(f"\nmemory over {requests:,} small requests, MiB")
    print("| requests | server | workers |\n|--:|--:|--:|")
    done, step = 0, max(requests // 10, 1)
    while done <= requests:
        resident = server.memory()
        if done in (0, step) or done % (step * 3) == 0 or done == requests:
            print(f"| {done:,} | {resident[0]:.1f} | {resident[1]:.1f} |", flush=True)
        if done == requests:
            break
        latencies, refused, _ = load(server, small, 2, 600.0, most=step // 2)
        assert not refused
        done += len(latencies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=["ZScore", "RobustZScore"])
    arguments = parser.parse_args()
    server = Server(arguments.workers)
    try:
        measure_memory(server, arguments.requests)
        measure_load(server, arguments.methods, arguments.clients, arguments.seconds)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
