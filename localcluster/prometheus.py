"""One Prometheus: its configuration, its life, and the ways to put samples into it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import http, remote_write, servers
from .errors import ClusterError
from .supervision import Supervision

OUT_OF_ORDER = "30d"
RELOAD_AGAIN = 0.5  # seconds


@dataclass(frozen=True)
class ScrapeTarget:
    """One job with one target."""

    job: str
    address: str
    """``host:port``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    interval: str | None = None
    honor_labels: bool = False
    tls: Mapping[str, str] | None = None
    """``ca_file``, ``cert_file``, ``key_file``; None for plain HTTP."""

    def config(self) -> dict[str, Any]:
        """The entry of ``scrape_configs``. The instance is the job, so that a new port is not a new series."""
        labels = {"instance": self.job} | dict(self.labels)
        entry: dict[str, Any] = {
            "job_name": self.job,
            "honor_labels": self.honor_labels,
            "static_configs": [{"targets": [self.address], "labels": labels}],
        }
        if self.interval is not None:
            entry |= {"scrape_interval": self.interval, "scrape_timeout": self.interval}
        if self.tls is not None:
            entry |= {"scheme": "https", "tls_config": dict(self.tls)}
        return entry


@dataclass(frozen=True)
class Intervals:
    """How often Prometheus scrapes and evaluates rules, unless a job or a rule group says so itself."""

    scrape: str = "2s"
    evaluation: str = "1s"


class Prometheus:
    """A Prometheus under a supervisor. ``url`` and the data stay the same over ``stop`` and ``start``."""

    def __init__(
        self,
        supervision: Supervision,
        name: str,
        programs: tuple[Path, Path],
        port: int,
        rules: Path,
        intervals: Intervals,
        flags: Sequence[str] = (),
    ) -> None:
        self.supervision = supervision
        self.name = name
        self.program, self.promtool_program = programs
        self.port = port
        self.rules = rules
        self.intervals = intervals
        self.flags = tuple(flags)
        self.folder = supervision.state / name
        self.data = self.folder / "data"
        self.config_file = self.folder / "prometheus.yaml"
        self.targets: dict[str, ScrapeTarget] = {}

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{servers.HOST}:{self.port}"

    def write_config(self) -> None:
        """Write the configuration file (JSON, which is YAML)."""
        config = {
            "global": {
                "scrape_interval": self.intervals.scrape,
                "scrape_timeout": self.intervals.scrape,
                "evaluation_interval": self.intervals.evaluation,
            },
            "rule_files": [f"{self.rules}/*.yaml"],
            "scrape_configs": [target.config() for target in self.targets.values()],
            "storage": {"tsdb": {"out_of_order_time_window": OUT_OF_ORDER}},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.config_file.with_suffix(".new")
        scratch.write_text(json.dumps(config, indent=2))
        scratch.replace(self.config_file)

    def start(self) -> None:
        """Start it and wait until it answers queries."""
        self.write_config()
        self.rules.mkdir(parents=True, exist_ok=True)
        argv = servers.prometheus(self.program, self.config_file, self.data, self.port, self.flags)
        self.supervision.spawn(self.name, argv)
        self.supervision.wait_for(f"{self.name} to be ready", self.ready, [self.name])

    def stop(self, grace: float = 10.0) -> None:
        """Stop it; with ``grace`` 0 by SIGKILL."""
        self.supervision.stop(self.name, grace)

    def ready(self) -> bool:
        """Whether it answers queries now."""
        return http.is_ok(f"{self.url}/-/ready")

    def reload(self, tries: int = 5) -> None:
        """Read the configuration and the rule files anew; again where a rule file went while it was read."""
        for last in (n == tries - 1 for n in range(tries)):
            try:
                http.request("POST", f"{self.url}/-/reload", b"")
                return
            except http.HttpError as error:
                if last or error.status != 500:
                    raise
            time.sleep(RELOAD_AGAIN)

    def add_scrape_target(self, target: ScrapeTarget) -> None:
        """Add a job, or replace the one of that name; takes effect at once when it runs."""
        self.targets[target.job] = target
        self._apply_targets()

    def remove_scrape_target(self, job: str) -> None:
        """Forget a job."""
        self.targets.pop(job, None)
        self._apply_targets()

    def _apply_targets(self) -> None:
        self.write_config()
        if self.ready():
            self.reload()

    def remote_write(self, series: Iterable[remote_write.Series]) -> int:
        """Write samples, as old as 30 days; returns how many."""
        return remote_write.send(f"{self.url}/api/v1/write", series)

    def backfill(self, openmetrics: Path) -> None:
        """Turn an OpenMetrics file into blocks of its data. Before ``start``, or followed by a restart."""
        # promtool reads the whole file once for each block, so few large ones: 486 h is a size that Prometheus knows
        blocks = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h"]
        argv = [str(self.promtool_program), *blocks, str(openmetrics), str(self.data)]
        self.supervision.run(f"{self.name}-backfill", argv)

    def promtool(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run promtool of the same version; returns what it printed, raises ``ClusterError`` when it fails."""
        done = subprocess.run(
            [str(self.promtool_program), *arguments], capture_output=True, text=True, cwd=cwd, check=False
        )
        if done.returncode != 0:
            raise ClusterError(f"promtool {' '.join(arguments[:2])} failed:\n{done.stdout}{done.stderr}".rstrip())
        return done.stdout

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query."""
        return list(self._get("query", query=expr, **({} if at is None else {"time": repr(at)}))["result"])

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The result of a range query; seconds."""
        answer = self._get("query_range", query=expr, start=repr(start), end=repr(end), step=repr(step))
        return list(answer["result"])

    def rule_groups(self) -> list[dict[str, Any]]:
        """The rule groups that it has loaded."""
        return list(self._get("rules")["groups"])

    def wait_until(self, expr: str, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The result of an instant query as soon as it has one; raises ``ClusterError`` when it stays empty."""
        deadline = time.monotonic() + seconds
        while not (result := self.query(expr)):
            if time.monotonic() > deadline:
                raise ClusterError(f"no result within {seconds:.0f} s: {expr}")
            time.sleep(0.1)
        return result

    def _get(self, path: str, **parameters: str) -> Any:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return http.get_json(f"{self.url}/api/v1/{path}{query}", timeout=60.0)["data"]
