"""The little HTTP that the cluster itself needs, on the standard library."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from .errors import ClusterError

_no_proxy = urllib.request.ProxyHandler({})


class HttpError(ClusterError):
    """An answer that is not 2xx."""

    def __init__(self, method: str, url: str, status: int, body: str) -> None:
        super().__init__(f"{method} {url}: {status} {body}")
        self.status = status
        self.body = body


def request(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = 30.0,
) -> bytes:
    """One request to a server of ours; raises ``HttpError`` for an answer that is not 2xx, ``OSError`` for none."""
    handlers: list[urllib.request.BaseHandler] = [_no_proxy]
    if tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=tls))
    message = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310
    try:
        with urllib.request.build_opener(*handlers).open(message, timeout=timeout) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as problem:
        with problem:
            raise HttpError(method, url, problem.code, problem.read().decode(errors="replace")[:2000]) from None


def is_ok(url: str, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a GET is answered with 2xx, now."""
    try:
        request("GET", url, tls=tls, timeout=5.0)
    except (ClusterError, OSError):
        return False
    return True


def get_json(url: str, timeout: float = 30.0) -> Any:
    """The JSON answer of a GET."""
    return json.loads(request("GET", url, timeout=timeout))
