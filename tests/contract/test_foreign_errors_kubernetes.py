"""Nothing that the Kubernetes client or aiohttp can raise gets past the adapter as a foreign error."""

from __future__ import annotations

import asyncio
import inspect
import json
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client import exceptions as kubernetes_exceptions
from kubernetes.aio.client.exceptions import ApiException

from opssight_operator.adapters.kubernetes.failures import MESSAGE_LIMIT, ApiFailure, failure_of, ours, worth_retrying
from opssight_operator.api.conditions import Reason
from opssight_operator.errors import (
    ConflictError,
    DependencyError,
    FieldConflict,
    InvalidSpec,
    KubernetesUnavailable,
    NameConflict,
    OpsSightError,
    TargetNotFound,
)

STATUSES = [status.value for status in HTTPStatus if status >= 300] + [299, 499, 529, 599]


def classes_of(module: Any, base: type[BaseException]) -> list[type[BaseException]]:
    found = {item for _, item in inspect.getmembers(module, inspect.isclass) if issubclass(item, base)}
    return sorted(found, key=lambda item: item.__name__)


def made(kind: type[BaseException]) -> BaseException:
    """An instance, however its constructor looks."""
    error = kind.__new__(kind)
    error.args = ("https://user:password@10.0.0.1/secret",)
    return error


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_the_api_server_is_ours(status: int) -> None:
    body = json.dumps({"kind": "Status", "reason": "Because", "message": "a sentence"}).encode()
    error = ours(failure_of(status, body, "write x"))
    assert isinstance(error, OpsSightError)
    assert type(error) is not OpsSightError and error.reason in set(Reason)
    assert str(error) == "write x: a sentence"


@pytest.mark.parametrize("kind", classes_of(aiohttp, aiohttp.ClientError), ids=lambda kind: kind.__name__)
def test_every_error_of_aiohttp_is_ours_and_hides_what_it_carries(kind: type[BaseException]) -> None:
    error = ours(made(kind))
    assert type(error) is KubernetesUnavailable
    assert "secret" not in str(error)
    assert kind.__name__ in str(error) or "did not answer in time" in str(error)
    assert worth_retrying(made(kind))


@pytest.mark.parametrize("kind", classes_of(kubernetes_exceptions, Exception), ids=lambda kind: kind.__name__)
def test_every_error_of_the_kubernetes_client_is_ours(kind: type[BaseException]) -> None:
    error = kind(status=503, reason="Busy") if issubclass(kind, ApiException) else made(kind)  # type: ignore[call-arg]
    assert type(ours(error)) is KubernetesUnavailable
    assert "secret" not in str(ours(error))


@pytest.mark.parametrize(
    "kind", [TimeoutError, asyncio.TimeoutError, ConnectionResetError, OSError, ValueError, KeyError]
)
def test_what_else_a_request_can_raise_is_ours_too(kind: type[BaseException]) -> None:
    assert type(ours(made(kind))) is KubernetesUnavailable


def test_the_table_says_what_a_person_can_do() -> None:
    def error(status: int, reason: str = "") -> type[OpsSightError]:
        return type(ours(ApiFailure(status, reason, "a sentence", "write x")))

    assert error(404) is TargetNotFound
    assert error(422) is error(400) is InvalidSpec
    assert error(409, "Conflict") is FieldConflict
    assert error(409, "AlreadyExists") is NameConflict
    assert issubclass(error(409), ConflictError)
    for status in (401, 403, 429, 500, 503, 504):
        assert issubclass(error(status), DependencyError), f"{status} is none of the user's business"


def test_our_own_errors_pass_unchanged() -> None:
    error = NameConflict("somebody else's")
    assert ours(error) is error


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"message": 7}', b"{}" * 100_000], ids=str
)
def test_a_body_that_is_no_status_is_survived_and_never_shown(body: bytes) -> None:
    failure = failure_of(500, body, "write x")
    assert "<html>" not in failure.message
    assert len(failure.message) <= MESSAGE_LIMIT


def test_a_long_message_is_cut() -> None:
    failure = failure_of(422, json.dumps({"message": "x" * 10_000}).encode(), "write x")
    assert len(failure.message) == MESSAGE_LIMIT
    assert len(str(ours(failure))) < 2 * MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("-1", 0.0)]
)
def test_a_server_says_in_seconds_how_long_to_stay_away(header: str, seconds: float) -> None:
    assert failure_of(429, b"", "write x", header).retry_after == seconds
