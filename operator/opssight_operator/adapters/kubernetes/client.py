"""The one connection to the API server: JSON in, JSON out, with time limits and retries."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from .account import owner_of_token
from .failures import ApiFailure, failure_of, ours, worth_retrying

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json"
PAGE = 500  # items of a list that are asked for at once
IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


FIRST_PAUSE = 0.25  # seconds before the second try; doubles, with jitter
LONGEST_PAUSE = 5.0  # that a request waits for; a server that asks for more is left, and asked again by a later run


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: object
    content_type: str
    query: tuple[tuple[str, str], ...]
    accept: str
    what: str


class KubeApi:
    """Requests to the API server as ``(method, path, body) -> object``.

    Each request has ``timeout`` seconds and, where the server throttles, fails or is silent, ``retries`` more tries
    with growing, jittered pauses. Everything that fails is raised as ``ApiFailure`` by ``request`` and as one of
    our own errors by ``send``.
    """

    def __init__(self, client: ApiClient, *, timeout: float = 15.0, retries: int = 2) -> None:
        self._client = client
        self._timeout = timeout
        self._retries = retries
        self._jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = JSON,
        query: Sequence[tuple[str, str]] = (),
        accept: str = JSON,
        what: str = "",
    ) -> dict[str, Any]:
        """The answer as a mapping; raises ``ApiFailure``, or what the connection raised."""
        request = _Request(method, path, body, content_type, tuple(query), accept, what or f"{method} {path}")
        for attempt in range(self._retries + 1):
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._once(request)
            except Exception as error:
                asked = error.retry_after if isinstance(error, ApiFailure) else 0.0
                if attempt == self._retries or asked > LONGEST_PAUSE or not worth_retrying(error):
                    raise
                pause = max(FIRST_PAUSE * 2**attempt, asked)
            await asyncio.sleep(pause * (1 + self._jitter.random()))
        raise AssertionError("unreachable")

    async def send(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Like ``request``, but raises errors of ``opssight_operator.errors`` alone."""
        try:
            return await self.request(method, path, **arguments)
        except Exception as error:
            raise ours(error) from error

    async def pages(
        self, path: str, *, query: Sequence[tuple[str, str]] = (), accept: str = JSON, what: str = ""
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """The items of a list, page by page, so that a long one keeps nobody else on the loop waiting."""
        following = ""
        while True:
            asked = [("limit", str(PAGE)), *query, *([("continue", following)] if following else [])]
            page = await self.send("GET", path, query=asked, accept=accept, what=what)
            yield page.get("items") or []
            following = page.get("metadata", {}).get("continue", "")
            if not following:
                return

    def apart(self) -> KubeApi:
        """The same server by connections of its own, to be closed by whoever asked for them."""
        return KubeApi(ApiClient(self._client.configuration), timeout=self._timeout, retries=self._retries)

    async def _once(self, asked: _Request) -> dict[str, Any]:
        content = {"Content-Type": asked.content_type} if asked.body is not None else {}
        serialized = await self._client.param_serialize(
            asked.method,
            asked.path,
            query_params=list(asked.query),
            header_params={"Accept": asked.accept, **content},
            auth_settings=["BearerToken"],
        )
        verb, url, headers, _, *_ = serialized
        answer = await self._client.call_api(
            verb, url, header_params=headers, body=asked.body, _request_timeout=self._timeout
        )
        raw = await answer.read()
        if not 200 <= answer.status < 300:
            raise failure_of(answer.status, raw or b"", asked.what, answer.headers.get("Retry-After", ""))
        return dict(json.loads(raw)) if raw else {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


async def connect(request_seconds: float, environment: os._Environ[str] | dict[str, str]) -> KubeApi:
    """The API server of the pod's ServiceAccount, or of ``KUBECONFIG``."""
    return KubeApi(ApiClient(await configuration(environment)), timeout=request_seconds)


async def configuration(environment: os._Environ[str] | dict[str, str]) -> Configuration:
    """Where the API server is and who we are there: a kubeconfig if one is named, else the pod's ServiceAccount.

    Raises ``ApiFailure`` with a sentence for the person who starts us.
    """
    # The API server is reached directly, as kopf does it: no proxy and no .netrc of the environment.
    settings = Configuration(client_session_kwargs={"trust_env": False})
    named = environment.get("KUBECONFIG")
    try:
        if named:
            await config.load_kube_config(config_file=named, client_configuration=settings)
        elif IN_CLUSTER_TOKEN.exists():  # noqa: ASYNC240 - once, before the loop has work
            config.load_incluster_config(client_configuration=settings)
        else:
            raise _nowhere("set KUBECONFIG, or run in a pod with a ServiceAccount token")
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise _nowhere(f"KUBECONFIG is {named}: {error}" if named else str(error)) from error
    return settings


def own_account(environment: os._Environ[str] | dict[str, str], namespace: str) -> dict[str, Any] | None:
    """The ServiceAccount that we run as, as an owner reference; None outside of a pod in ``namespace``."""
    if environment.get("KUBECONFIG"):
        return None
    try:
        return owner_of_token(IN_CLUSTER_TOKEN.read_text(), namespace)
    except OSError:
        return None


def _nowhere(why: str) -> ApiFailure:
    return ApiFailure(0, "NoConfiguration", why, "find the API server")
