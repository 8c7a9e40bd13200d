"""What the product can be put on: a node of ours, or a cluster by kind. Nothing else knows which of them it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from node import Node, images, kind
from node.__main__ import state

OUR_OWN_NODE = "a node of our own"
API_SERVER_STOPS = "an API server that can be stopped"
POLICIES_ENFORCED = "something that enforces NetworkPolicy"


class Platform(Protocol):
    """A cluster with one node, as the tests use it."""

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        ...

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """What kubectl prints; raises ``ClusterError`` with what it said."""
        ...

    def url_of(self, namespace: str, service: str, port: int) -> str:
        """Where the tests reach a Service; it stays the same."""
        ...

    def keep_folder(self, folder: Path, user: int) -> str:
        """Bring a folder to where pods can mount it by ``hostPath``, owned by ``user``; its path there."""
        ...

    def loaded(self, archive: Path) -> None:
        """Wait until the image of an archive can be run."""
        ...

    def stop_apiserver(self) -> None:
        """Nobody answers for the API any more; pods go on."""
        ...

    def start_apiserver(self) -> None:
        """Somebody does, with the same data."""
        ...


@dataclass(frozen=True)
class Choice:
    """A platform by its name; ``can`` is what tests may need of it."""

    name: str
    can: frozenset[str]
    archives: Callable[[], Sequence[images.Archive]]
    build: str
    """The command that builds its images."""
    start: Callable[[Sequence[Path], Callable[[str], None]], AbstractContextManager[Platform]]
    attach: Callable[[], Platform] | None = None
    """The one that runs already and stays."""


CHOICES = {
    choice.name: choice
    for choice in (
        Choice(
            "node",
            frozenset({OUR_OWN_NODE, API_SERVER_STOPS}),
            images.archives,
            "python -m node images",
            lambda archives, say: Node(archives[:-2], say=say, later=archives[-2:]),  # those of the operator are large
            lambda: Node.attach(state()),
        ),
        Choice(
            "kind",
            frozenset({API_SERVER_STOPS, POLICIES_ENFORCED}),
            kind.archives,
            "python -m node.kind images",
            lambda archives, say: kind.KindCluster(archives, say=say),
        ),
    )
}


def chosen(environment: Mapping[str, str] = os.environ) -> Choice:
    """What ``OPSSIGHT_E2E_ON`` names; a node of ours by default."""
    name = environment.get("OPSSIGHT_E2E_ON") or "node"
    if name not in CHOICES:
        raise ValueError(f"OPSSIGHT_E2E_ON is {name!r}; it must be one of {', '.join(CHOICES)}")
    return CHOICES[name]
