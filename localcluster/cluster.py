"""A whole local cluster: real servers on loopback, for tests, for the demo, and for ``python -m localcluster up``."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from . import http, monitoring
from .build import program
from .controlplane import ControlPlane, Ports
from .doors import KubernetesDoor, PrometheusDoor
from .errors import ClusterError
from .health import ServerStatus, statuses
from .history import Span, incidents, series_after, write_openmetrics
from .options import Options, Places
from .ports import free_port, free_ports
from .prometheus import Intervals, Prometheus, ScrapeTarget
from .servers import HOST
from .shop_model import Incident
from .supervision import SOURCE_ROOT, Supervision

NOTE = "cluster.json"


@dataclass
class Cluster(KubernetesDoor, PrometheusDoor):
    """A context manager: servers start on entry and are gone after exit, or when this process dies by any death.

    ``state`` is an empty or missing directory, removed at the end; None: a temporary one.
    """

    state: Path | None = None
    options: Options = field(default_factory=Options)
    say: Callable[[str], None] = lambda _: None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    @classmethod
    def demo(cls, state: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Self:
        """The cluster of ``make demo``: two weeks of history, scrapes every 5 s."""
        return cls(state, Options(scrape_interval="5s", history_days=14.0), say)

    @classmethod
    def attach(cls, state: Path) -> Self:
        """A cluster that runs already, started by ``up`` or by another process."""
        try:
            note = json.loads((state / NOTE).read_text())
        except (OSError, ValueError):
            raise ClusterError(f"no cluster runs with the state directory {state}") from None
        cluster = cls(state, Options(**note["options"]))
        cluster._supervision = Supervision(state)
        cluster._supervision.servers()
        cluster._assemble(Ports(**note["ports"]), Places(**note["places"]), note["began"])
        return cluster

    def start(self) -> None:
        """Start every server and wait until all of them work; on failure nothing is left."""
        self.state = self.state.resolve() if self.state else Path(tempfile.mkdtemp(prefix="opssight-localcluster-"))
        self._supervision = Supervision.start(self.state)
        try:
            numbers = free_ports(9)
            self._assemble(Ports(*numbers[:4]), Places(*numbers[4:]), time.time())
            self._write_note()
            self._start_all()
            if self._span is not None:  # the seconds that the start took are part of the past
                self.remote_write(series_after(self._span, time.time(), self.options.seed))
        except BaseException:
            self.stop()
            shutil.rmtree(self.state, ignore_errors=True)  # it was empty before
            raise

    def _start_all(self) -> None:
        # Threads may give orders: the supervisor, not the thread, is the parent of the servers.
        with ThreadPoolExecutor(2) as pool:
            parts = [pool.submit(self._start_prometheus_first_time), pool.submit(self._start_kubernetes)]
            try:
                done, _ = wait(parts, return_when=FIRST_EXCEPTION)
                for part in done:
                    part.result()
            except BaseException:
                self._supervision.end()  # so that the other part fails now, not when it is ready
                raise

    def stop(self, keep_logs: bool = False) -> None:
        """End every server and remove the state directory."""
        self._supervision.end(keep_logs)

    def detach(self) -> None:
        """Let the cluster outlive this process."""
        self._supervision.detach()

    def _assemble(self, ports: Ports, places: Places, began: float) -> None:
        self._places, self._began = places, began
        options = self.options
        self._span = Span.ending_at(began, options.history_days, options.history_step) if options.history_days else None
        self._control_plane = ControlPlane(
            self._supervision, ports, self.options.apiserver_flags, self.options.feature_gates
        )
        self.prometheus = self._new_prometheus("prometheus", "", places.prometheus, self.options.prometheus_flags)
        self.prometheus_old: Prometheus | None = None
        """Prometheus 2.42, once ``start_prometheus_old`` was called."""

    def _write_note(self) -> None:
        note = {
            "options": asdict(self.options),
            "ports": asdict(self._control_plane.ports),
            "places": asdict(self._places),
            "began": self._began,
        }
        (self._supervision.state / NOTE).write_text(json.dumps(note))

    def _new_prometheus(self, name: str, suffix: str, port: int, flags: Sequence[str]) -> Prometheus:
        intervals = Intervals(self.options.scrape_interval, self.options.evaluation_interval)
        programs = (program(f"prometheus{suffix}"), program(f"promtool{suffix}"))
        rules = self._supervision.state / "rules"
        return Prometheus(self._supervision, name, programs, port, rules, intervals, flags)

    def _start_prometheus_first_time(self) -> None:
        options = self.options
        if options.control_plane and options.scrape_apiserver is not None:
            pki = self._control_plane.pki
            files = {"ca_file": pki.ca, "cert_file": pki.certificate("admin"), "key_file": pki.key("admin")}
            tls = {name: str(path) for name, path in files.items()}
            address = f"{HOST}:{self._control_plane.ports.apiserver}"
            target = ScrapeTarget("apiserver", address, interval=options.scrape_apiserver, tls=tls)
            self.prometheus.targets[target.job] = target
        if self._span is not None:
            self.say(f"writing {options.history_days:g} days of history")
            file = self._supervision.state / "history.om"
            write_openmetrics(file, self._span, options.seed)
            self.prometheus.backfill(file)
            file.unlink()
        self.prometheus.start()
        self.say("prometheus is ready")

    def _start_kubernetes(self) -> None:
        if not self.options.control_plane:
            return
        self._control_plane.start()
        self.say("kube-apiserver is ready")
        monitoring.start_operator(self._control_plane, self._places.operator)
        rules = self.prometheus.rules
        rules.mkdir(exist_ok=True)
        monitoring.start_rule_path(
            self._control_plane, rules, self.prometheus.url, self._places.reloader, "config-reloader"
        )
        self.say("prometheus-operator is ready")
        self._control_plane.wait_for_service_account()
        self.say("kube-controller-manager is ready")

    def start_prometheus_old(self) -> Prometheus:
        """Prometheus 2.42 beside the other: own data, no history, the same rules. Started once, then returned."""
        if self.prometheus_old is None:
            old = self._new_prometheus("prometheus-old", "-old", self._places.prometheus_old, ())
            old.start()
            if self.options.control_plane:
                monitoring.start_rule_path(
                    self._control_plane, old.rules, old.url, self._places.reloader_old, "config-reloader-old"
                )
            self.prometheus_old = old
        return self.prometheus_old

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What went wrong in the history: service, kind, start and end in seconds."""
        return incidents(self._span.start, self._span.end, self.options.seed) if self._span else ()

    def start_shop(self, port: int | None = None) -> str:
        """Start the shop as a server of this cluster, let Prometheus scrape it, and return its address."""
        port = port or free_port()
        argv = [sys.executable, "-m", "localcluster.shop", "--port", str(port), "--seed", str(self.options.seed)]
        self._supervision.spawn("shop", argv, {"PYTHONPATH": str(SOURCE_ROOT)})
        url = f"http://{HOST}:{port}"
        self._supervision.wait_for("the shop to open", lambda: http.is_ok(f"{url}/metrics"), ["shop"])
        self.add_scrape_target("shop", f"{HOST}:{port}", {"namespace": "shop"})
        return url

    @staticmethod
    def binary(name: str) -> Path:
        """The path of a program, such as ``promtool`` or ``kubectl``."""
        return program(name)

    def log(self, server: str) -> Path:
        """The log of a server, by its name in ``status``."""
        return self._supervision.log(server)

    def status(self) -> list[ServerStatus]:
        """Every server with its health now."""
        return statuses(self._supervision, self._control_plane, self._places, tls=self.options.control_plane)
