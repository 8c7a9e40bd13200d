"""What kopf is asked to do: watch, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from opssight_operator.api import GROUP, VERSION
from opssight_operator.core.sharding import selector_of
from opssight_operator.settings import Settings

from .kinds import KINDS
from .runtime import Runtime

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SETTLED_SECONDS = 0.3
LOGIN_SECONDS = 600  # the projected token is read again after this
BACKOFFS = (1.0, 1.0, 2.0, 3.0, *(5.0,) * 60)  # a server that comes back is seen within seconds
CHUNK = 50  # resources of one page of a list, 12 kB each as Python objects; the last page stays as long as the watch
IDLE_SECONDS = 0.1  # after which kopf forgets the body of an event; it is a task for each resource until then


class NoMemories(ResourceMemories):
    """kopf's memory of each resource, a kilobyte, is for timers, daemons and indices, none of which we have."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """A new one each time, kept by nobody."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def build_registry(
    runtime: Runtime,
    namespace_labels: MutableMapping[str, Mapping[str, str]],
    *,
    clusterwide: bool,
    in_cluster: bool,
    started: Callable[[], None],
) -> kopf.OperatorRegistry:
    """Event handlers for our kinds (and for namespaces, cluster-wide), and the login. No finalizer, no annotation.

    ``started`` is called once kopf has set itself up, its own handlers of signals included.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, id="started", errors=kopf.ErrorsMode.PERMANENT)
    async def _(**_: Any) -> None:
        # kopf takes the signals a moment after it has called this.
        asyncio.get_running_loop().call_later(SETTLED_SECONDS, started)

    for kind in KINDS.values():
        kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id=f"watch-{kind.plural}")(
            _watch(runtime, kind.name)
        )
    if clusterwide:
        kopf.on.event("", "v1", "namespaces", registry=registry, id="watch-namespaces")(
            _watch_namespaces(runtime, namespace_labels)
        )
    login = _service_account if in_cluster else kopf.login_with_kubeconfig
    kopf.on.login(registry=registry, id="login", errors=kopf.ErrorsMode.PERMANENT)(login)
    return registry


def kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """kopf's own settings: no Events of its own, short time limits, no scan of namespaces we may not list."""
    own = kopf.OperatorSettings()
    own.posting.enabled = False
    own.scanning.disabled = bool(settings.namespaces)
    own.networking.request_timeout = 30
    own.networking.connect_timeout = 5
    own.networking.error_backoffs = BACKOFFS
    own.watching.server_timeout = 300
    own.watching.client_timeout = 310
    own.watching.reconnect_backoff = 1
    own.watching.chunk_size = CHUNK
    own.queueing.idle_timeout = IDLE_SECONDS
    for kind in KINDS.values():
        if selector := shard_selector(kind.name, settings):
            own.watching.shard_selectors[GROUP, VERSION, kind.plural] = selector
    return own


def shard_selector(kind: str, settings: Settings) -> str:
    """What the API server is asked for of a kind; empty: everything. An older one ignores it and sends everything."""
    if settings.shards == 1 or not settings.offer_shard_selector or kind == "MetricsSource":  # which all shards use
        return ""
    return selector_of(settings.shard, settings.shards)


def _watch(runtime: Runtime, kind: str) -> Callable[..., Any]:
    async def watch(event: Mapping[str, Any], **_: Any) -> None:
        if event["type"] == "DELETED":
            runtime.gone(kind, event["object"])
        else:
            runtime.seen(kind, event["object"])

    return watch


def _watch_namespaces(runtime: Runtime, labels: MutableMapping[str, Mapping[str, str]]) -> Callable[..., Any]:
    async def watch(event: Mapping[str, Any], **_: Any) -> None:
        metadata = event["object"]["metadata"]
        name = metadata["name"]
        if event["type"] == "DELETED":
            labels.pop(name, None)
            return
        new = dict(metadata.get("labels") or {})
        if labels.get(name) != new:
            labels[name] = new
            runtime.namespace_changed(name)

    return watch


def _service_account(**_: Any) -> kopf.ConnectionInfo:
    """The pod's own account; kopf asks again when it expires, so that a rotated token is picked up."""
    import os

    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return kopf.ConnectionInfo(
        server=server,
        ca_path=str(ACCOUNT / "ca.crt"),
        token=(ACCOUNT / "token").read_text().strip(),
        expiration=datetime.now(UTC) + timedelta(seconds=LOGIN_SECONDS),
    )
