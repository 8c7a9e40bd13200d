"""The shop, live: ``/metrics`` goes on where the history ends, and faults can be injected.

``POST /fault?service=checkout&kind=latency`` (kinds: latency, errors, cpu; ``strength=1``) and ``DELETE /fault``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

from .history import counters_at, incidents
from .shop_model import CELL, KINDS, SERVICES, WEEK, Column, Floats, Incident, columns, rates

RAMP = 5.0
"""Seconds until an injected fault is felt in full; nobody wants to wait for a minute in a demo."""


class Shop:
    """Counters that advance with time. The clock is an argument; moments must not go back."""

    def __init__(self, seed: int, now: float) -> None:
        self.seed = seed
        self.columns: tuple[Column, ...] = columns()
        self._cumulative = np.array([column.cumulative for column in self.columns])
        self._faults: tuple[Incident, ...] = ()
        self._now = float(math.floor(now / CELL) * CELL)
        past = incidents(self._now - 2 * WEEK, self._now, seed)
        self._values: Floats = counters_at(np.array([self._now]), seed, past)[0]
        self.advance(now)

    def advance(self, now: float) -> Floats:
        """Count up to ``now``; returns every series, ``[columns]``."""
        if now > self._now:
            cells = np.arange(int(self._now // CELL), int(now // CELL) + 1, dtype=np.int64)
            edges = np.clip(np.append(cells, cells[-1] + 1) * float(CELL), self._now, now)
            level = rates(cells, self.seed, self._faults)
            counted = (level * np.diff(edges)[:, None]).sum(axis=0)
            self._values = np.where(self._cumulative, self._values + counted, level[-1])
            self._now = now
        return self._values

    def inject(self, service: str, kind: str, strength: float, now: float) -> None:
        """Let a fault begin; it lasts until ``heal``. Raises ``ValueError`` with a sentence."""
        names = [known.name for known in SERVICES]
        if service not in names:
            raise ValueError(f"service is {service!r}; it must be one of {', '.join(names)}")
        known = next((known for known in KINDS if known == kind), None)
        if known is None:
            raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
        if not 0 < strength <= 10:
            raise ValueError(f"strength is {strength}; it must be above 0 and at most 10")
        self.advance(now)
        self._faults = (*self._faults, Incident(service, known, now, math.inf, strength, RAMP))

    def heal(self, now: float) -> None:
        """End all faults."""
        self.advance(now)
        self._faults = ()

    def exposition(self, now: float) -> str:
        """The text format of Prometheus."""
        lines, family = [], ""
        values = self.advance(now)
        for number in sorted(range(len(self.columns)), key=lambda number: self.columns[number].family):
            column = self.columns[number]
            if column.family != family:
                family = column.family
                name = f"{family}_total" if column.kind == "counter" else family
                lines.append(f"# TYPE {name} {column.kind}")
            labels = ",".join(f'{name}="{value}"' for name, value in column.labels)
            value = math.floor(values[number]) if column.whole else round(float(values[number]), 4)
            lines.append(f"{column.sample}{{{labels}}} {value}")
        return "\n".join(lines) + "\n"

    def faults(self) -> list[dict[str, str | float]]:
        """What is broken now."""
        return [{"service": f.service, "kind": f.kind, "since": f.start, "strength": f.strength} for f in self._faults]


def server(shop: Shop, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """An HTTP server around the shop."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            with lock:
                if path == "/metrics":
                    self._answer(200, shop.exposition(time.time()), "text/plain; version=0.0.4; charset=utf-8")
                elif path in ("/", "/fault"):
                    self._answer(200, json.dumps({"faults": shop.faults()}) + "\n", "application/json")
                else:
                    self._answer(404, "there are /metrics and /fault\n")

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            if parts.path != "/fault":
                self._answer(404, "there are /metrics and /fault\n")
                return
            with lock:
                try:
                    strength = float(query.get("strength", "1"))
                    shop.inject(query.get("service", ""), query.get("kind", ""), strength, time.time())
                except ValueError as problem:
                    self._answer(400, f"{problem}\n")
                    return
                self._answer(200, json.dumps({"faults": shop.faults()}) + "\n", "application/json")

        def do_DELETE(self) -> None:
            with lock:
                shop.heal(time.time())
                self._answer(200, json.dumps({"faults": []}) + "\n", "application/json")

        def _answer(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every few seconds is no news."""

    return ThreadingHTTPServer((host, port), Handler)


def main() -> int:
    """``python -m localcluster.shop --port PORT [--host ADDRESS] [--seed SEED]``."""
    parser = argparse.ArgumentParser(prog="python -m localcluster.shop", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with server(Shop(chosen.seed, time.time()), chosen.port, chosen.host) as open_shop:
        try:
            open_shop.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
