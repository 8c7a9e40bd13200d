"""The API server of a person: the kubeconfig that kubectl uses, with a person's rights."""

from __future__ import annotations

import os
from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from .client import KubeApi
from .failures import ApiFailure


async def personal(context: str | None, *, seconds: float = 30.0) -> tuple[KubeApi, str]:
    """The connection of a context (of the current one for None) and the namespace that it is about.

    Raises ``ApiFailure`` with a sentence when there is no such context or no kubeconfig.
    """
    settings = Configuration()
    _look_for_kubeconfig()
    try:
        contexts, current = config.list_kube_config_contexts()
        chosen = current if context is None else next((one for one in contexts if one["name"] == context), None)
        if chosen is None:
            known = ", ".join(one["name"] for one in contexts)
            raise _nowhere(f"there is no context {context}; there are {known}")
        await config.load_kube_config(context=chosen["name"], client_configuration=settings)
    except (config.ConfigException, OSError, ValueError) as error:
        raise _nowhere(str(error)) from error
    namespace = str(chosen.get("context", {}).get("namespace") or "default")
    return KubeApi(ApiClient(settings), timeout=seconds, retries=0), namespace


def _look_for_kubeconfig() -> None:
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(file).is_file() for file in files.split(os.pathsep) if file):
        raise _nowhere(f"there is no kubeconfig at {files}; set KUBECONFIG")


def _nowhere(why: str) -> ApiFailure:
    return ApiFailure(0, "NoConfiguration", why, "find the API server")
