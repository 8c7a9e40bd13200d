"""A Kubernetes API client of a page, as administrator of the local cluster."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import http


def tls_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Trust the cluster's CA and come with a client certificate."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(str(certificate), str(key))
    return context


class KubeApi:
    """Requests to one API server."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self.url = url
        self.tls = tls

    def ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        return http.is_ok(f"{self.url}/readyz", self.tls)

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One call; ``body`` is an object, or the text of a manifest with its content type."""
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if data is not None else {})
        return json.loads(http.request(method, self.url + path, data, headers, self.tls))

    def exists(self, path: str) -> bool:
        """Whether an object is there."""
        try:
            self.call("GET", path)
        except http.HttpError as problem:
            if problem.status == 404:
                return False
            raise
        return True

    def watch(self, path: str, resource_version: str, seconds: int) -> Iterator[dict[str, Any]]:
        """Events after ``resource_version``, for so many seconds; ``path`` has a query already."""
        url = f"{self.url}{path}&watch=1&resourceVersion={resource_version}&timeoutSeconds={seconds}"
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls)
        )
        with opener.open(url, timeout=seconds + 10) as lines:
            for line in lines:
                yield json.loads(line)
