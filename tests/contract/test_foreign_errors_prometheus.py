"""Nothing foreign gets past the Prometheus adapter: every exception class of what it stands on has a meaning."""

from __future__ import annotations

import http.client
import importlib
import inspect
import pkgutil
import ssl
from collections.abc import Iterator

import msgspec
import prometheus_api_client
import pytest
import requests
import urllib3

from opssight_operator.adapters.prometheus.errors import ours
from opssight_operator.errors import OpsSightError, PrometheusUnreachable

PACKAGES = (requests, urllib3, prometheus_api_client)
HOMES = {"requests", "urllib3", "prometheus_api_client", "msgspec", "http", "ssl"}


def exceptions() -> Iterator[type[BaseException]]:
    seen = set()
    modules = [http.client, msgspec, ssl]
    for package in PACKAGES:
        modules.append(package)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            try:
                modules.append(importlib.import_module(module.name))
            except (ImportError, Warning):  # an extra that is not installed, such as proxies by SOCKS
                continue
    for module in modules:
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, BaseException) and kind.__module__.split(".")[0] in HOMES and kind not in seen:
                seen.add(kind)
                yield kind


FOUND = sorted(exceptions(), key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")


def test_the_packages_are_looked_through() -> None:
    names = {kind.__name__ for kind in FOUND}
    assert {"ChunkedEncodingError", "MaxRetryError", "PrometheusApiClientException", "ValidationError"} <= names
    assert len(FOUND) > 60


@pytest.mark.parametrize("kind", FOUND, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_every_foreign_exception_becomes_one_of_ours(kind: type[BaseException]) -> None:
    error = kind.__new__(kind)
    meant = ours(error)
    assert isinstance(meant, OpsSightError)
    assert str(meant).startswith("Prometheus cannot be asked: ")


def test_a_cause_says_more_than_what_it_is_wrapped_in() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = urllib3.exceptions.NewConnectionError(None, "secret")  # type: ignore[arg-type]
    wrapped.__cause__ = refused
    outer = requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/secret", wrapped))  # type: ignore[arg-type]
    assert str(ours(outer)) == "Prometheus cannot be asked: no connection (connection refused)"


SECRETIVE = {
    "a body": prometheus_api_client.PrometheusApiClientException("HTTP Status Code 500 (b'secret')"),
    "a status line": http.client.BadStatusLine("secret"),
    "an address": requests.exceptions.InvalidURL("http://user:secret@host"),
    "a validation": msgspec.ValidationError("secret"),
    "an incomplete body": http.client.IncompleteRead(b"secret"),
}


@pytest.mark.parametrize("case", SECRETIVE)
def test_what_was_sent_is_not_told(case: str) -> None:
    meant = ours(SECRETIVE[case])
    assert isinstance(meant, PrometheusUnreachable)
    assert "secret" not in str(meant)


def test_a_defect_of_ours_stays_one() -> None:
    assert ours(KeyError("x")) is None
    assert ours(AttributeError("x")) is None


def test_an_error_of_ours_stays_what_it_is() -> None:
    error = PrometheusUnreachable("x")
    assert ours(error) is error
