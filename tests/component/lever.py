"""A metric whose value a test decides."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from localcluster import Cluster

STEP = 2.0


class Lever:
    """A live exporter of ``lever{case="..."}`` gauges whose values the test sets."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        lever = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                lines = [f'lever{{case="{case}"}} {value}' for case, value in sorted(lever.values.items())]
                body = ("\n".join(lines) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def give(self, cluster: Cluster, case: str, past: Sequence[float]) -> None:
        """A series that ends now: ``past`` every two seconds, and from now on its last value."""
        began = time.time() - STEP * len(past)
        samples = [(began + STEP * i, value) for i, value in enumerate(past)]
        cluster.remote_write([({"__name__": "lever", "case": case, "job": "lever", "instance": "lever"}, samples)])
        self.values[case] = past[-1]

    def give_quiet(self, cluster: Cluster, case: str) -> None:
        """Ten minutes of quiet history around 10."""
        dice = random.Random(case)
        self.give(cluster, case, [*(10 + dice.gauss(0, 0.2) for _ in range(299)), 10.0])


@contextmanager
def scraped_lever(cluster: Cluster) -> Iterator[Lever]:
    """One that Prometheus scrapes every second."""
    running = Lever()
    cluster.add_scrape_target("lever", f"127.0.0.1:{running.port}", interval="1s")
    yield running
    cluster.remove_scrape_target("lever")
    running.close()
