"""``python -m node missing | images | up | exec | down``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from localcluster.build import build
from localcluster.errors import ClusterError

from . import images, preconditions
from .node import Node, remove_remains

COMPONENTS = ("node", "coredns", "helm")


def state() -> Path:
    """Where the command line keeps its node: ``OPSSIGHT_NODE_STATE`` or ``~/.local/state/opssight-node``."""
    chosen = os.environ.get("OPSSIGHT_NODE_STATE")
    return Path(chosen) if chosen else Path.home() / ".local" / "state" / "opssight-node"


def say(text: str) -> None:
    """Progress, for a person."""
    print(text, file=sys.stderr, flush=True)


def missing() -> int:
    """0 when nothing is missing; else each thing by name, and 1."""
    lacking = preconditions.missing()
    for one in lacking:
        print(f"missing: {one.name} ({one.cure})")
    return 1 if lacking else 0


def images_built() -> list[Path]:
    """The archives of all images, programs built first."""
    build(COMPONENTS)
    return images.build(say, images.archives())


def up() -> None:
    """Start a node and leave it running."""
    node = Node(images_built(), state(), say)
    node.start()
    node.detach()
    print("up; for example: python -m node exec kubectl get pods --all-namespaces")


def execute(command: list[str]) -> None:
    """Become a command inside the node's network, as administrator."""
    node = Node.attach(state())
    from localcluster.build import program

    folders = [str(program(name).parent) for name in ("kubectl", "helm", "kubelet")]
    environment = {"KUBECONFIG": str(node.kubeconfig), "PATH": ":".join([*folders, os.environ.get("PATH", "")])}
    os.execvpe(command[0], command, os.environ | environment)  # noqa: S606


def down() -> None:
    """End the node, or remove what a crash left of it."""
    try:
        Node.attach(state()).stop()
        print("down")
    except ClusterError:
        remove_remains(state())
        print("no node was running")


def main() -> int:
    """Run one command; exit status 1 with a message when it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m node", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("missing", help="name what this machine lacks; exit status 1 if anything")
    commands.add_parser("images", help="build the images that are missing")
    commands.add_parser("up", help="start a node and leave it running")
    commands.add_parser("exec", help="run a command inside").add_argument("words", nargs=argparse.REMAINDER)
    commands.add_parser("down", help="end it and remove all of it")
    chosen = parser.parse_args()
    try:
        match chosen.command:
            case "missing":
                return missing()
            case "images":
                images_built()
            case "up":
                up()
            case "exec":
                execute(chosen.words)
            case "down":
                down()
    except ClusterError as problem:
        print(f"node: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
