"""``python -m localcluster build | up | status | kubeconfig | down``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from .build import build
from .cluster import Cluster
from .components import COMPONENTS
from .errors import ClusterError
from .options import Options
from .supervision import Supervision, clean_up


def state_root() -> Path:
    """Where clusters keep their state: ``OPSSIGHT_LOCALCLUSTER_STATE`` or ``~/.local/state/opssight-localcluster``."""
    chosen = os.environ.get("OPSSIGHT_LOCALCLUSTER_STATE")
    return Path(chosen) if chosen else Path.home() / ".local" / "state" / "opssight-localcluster"


def up(state: Path, options: Options, with_shop: bool, extra: list[str]) -> None:
    """Build what is missing, start a cluster, and leave it running."""
    build(extra)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {text}", file=sys.stderr, flush=True)

    cluster = Cluster(state, options, say)
    cluster.start()
    try:
        if with_shop:
            say(f"the shop is at {cluster.start_shop()}")
    except BaseException:
        cluster.stop()
        raise
    cluster.detach()
    say("up")
    print(f"export KUBECONFIG={cluster.kubeconfig}\nPrometheus: {cluster.prometheus_url}")


def down(state: Path, keep_logs: bool) -> None:
    """End a cluster, or what a crash left of it."""
    if Supervision(state).reachable():
        Supervision(state).end(keep_logs)
        print("down" + (f"; the logs are in {state / 'logs'}" if keep_logs else ""))
    else:
        left = clean_up(state, keep_logs)
        print(f"nothing was running; {left} left-over processes ended")


def status(state: Path) -> int:
    """Print a table of the servers; exit status 1 when one is not healthy."""
    rows = Cluster.attach(state).status()
    print(f"{'SERVER':<26}{'PID':>8}{'PORT':>8}  HEALTH")
    for row in rows:
        print(f"{row.name:<26}{row.pid:>8}{row.port or '-':>8}  {row.health}")
    return 0 if all(row.health in ("ok", "running") for row in rows) else 1


def parse() -> argparse.Namespace:
    """The command line."""
    optional = [component.name for component in COMPONENTS if component.optional]
    extra = argparse.ArgumentParser(add_help=False)
    extra.add_argument("--with", dest="extra", action="append", default=[], metavar="NAME", help=", ".join(optional))
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="default", help="which cluster (default: %(default)s)")
    parser = argparse.ArgumentParser(prog="python -m localcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", parents=[extra], help="build the servers that are missing")
    starter = commands.add_parser("up", parents=[extra, named], help="start a cluster and leave it running")
    starter.add_argument("--history", type=float, default=14.0, metavar="DAYS", help="days of history; 0: none")
    starter.add_argument("--scrape-interval", default="5s", metavar="DURATION")
    starter.add_argument("--evaluation-interval", default="5s", metavar="DURATION")
    starter.add_argument("--no-shop", action="store_true", help="without the live shop that continues the history")
    commands.add_parser("status", parents=[named], help="show the servers of a cluster")
    config = commands.add_parser("kubeconfig", parents=[named], help="print the path of the administrator's kubeconfig")
    config.add_argument("--content", action="store_true", help="print the kubeconfig itself")
    ender = commands.add_parser("down", parents=[named], help="end a cluster and remove all of it")
    ender.add_argument("--keep-logs", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Run one command; exit status 1 with a message when it could not be done."""
    chosen = parse()
    try:
        if chosen.command == "build":
            build(chosen.extra)
            return 0
        state = state_root() / chosen.name
        match chosen.command:
            case "up":
                options = Options(
                    scrape_interval=chosen.scrape_interval,
                    evaluation_interval=chosen.evaluation_interval,
                    history_days=chosen.history,
                )
                up(state, options, not chosen.no_shop, chosen.extra)
            case "status":
                return status(state)
            case "kubeconfig":
                path = Cluster.attach(state).kubeconfig
                print(path.read_text() if chosen.content else path)
            case "down":
                down(state, chosen.keep_logs)
    except ClusterError as problem:
        print(f"localcluster: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
