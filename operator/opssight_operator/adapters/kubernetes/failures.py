"""What can go wrong at the API server, and which of our errors it becomes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from opssight_operator.core.timing import pause_asked
from opssight_operator.errors import (
    FieldConflict,
    InvalidSpec,
    KubernetesUnavailable,
    NameConflict,
    OpsSightError,
    TargetNotFound,
    Throttled,
)

MESSAGE_LIMIT = 300


class ApiFailure(Exception):
    """An answer of the API server that is no success; ``message`` is its own sentence."""

    def __init__(self, status: int, reason: str, message: str, what: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{what}: {message} ({status})")
        self.status = status
        self.reason = reason
        self.message = message[:MESSAGE_LIMIT]
        self.what = what
        self.retry_after = retry_after


def failure_of(status: int, body: bytes, what: str, retry_after: str = "") -> ApiFailure:
    """The failure that a response body (a ``Status`` object, if it is one) tells of; ``retry_after`` is the header."""
    try:
        said = json.loads(body)
        reason, message = str(said.get("reason", "")), str(said.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", ""
    asked = pause_asked(retry_after, time.time())
    return ApiFailure(status, reason, message or f"the API server answered {status}", what, asked)


BY_STATUS: dict[int, Callable[[str], OpsSightError]] = {
    400: InvalidSpec,
    401: KubernetesUnavailable,
    403: KubernetesUnavailable,
    404: TargetNotFound,
    405: TargetNotFound,
    409: FieldConflict,
    413: InvalidSpec,
    415: InvalidSpec,
    422: InvalidSpec,
}


def ours(error: BaseException) -> OpsSightError:
    """Our error for anything that a request can raise; whatever is not known is the client's fault."""
    if isinstance(error, OpsSightError):
        return error
    if isinstance(error, ApiFailure):
        if error.status == 409 and error.reason == "AlreadyExists":
            return NameConflict(f"{error.what}: {error.message}")
        if error.status == 429 or (error.status == 503 and error.retry_after):
            return Throttled(f"{error.what}: {error.message}", retry_after=error.retry_after)
        return BY_STATUS.get(error.status, KubernetesUnavailable)(f"{error.what}: {error.message}")
    return KubernetesUnavailable(_unavailable(error))


def conflict(failure: ApiFailure) -> OpsSightError:
    """Somebody else has the field, or was faster; also where two of ours make one object at once."""
    return FieldConflict(f"{failure.what}: {failure.message}")


@contextmanager
def mapped(special: Mapping[int, Callable[[ApiFailure], OpsSightError]]) -> Iterator[None]:
    """Turns what a request inside raises into our errors: some statuses as ``special`` says, all else as ``ours``."""
    try:
        yield
    except ApiFailure as failure:
        raise special.get(failure.status, ours)(failure) from failure
    except Exception as error:
        raise ours(error) from error


def _unavailable(error: BaseException) -> str:
    if isinstance(error, ApiException):
        return f"the API server answered {error.status} {error.reason}"
    if isinstance(error, TimeoutError):
        return "the API server did not answer in time"
    if isinstance(error, aiohttp.ClientError | OSError):
        return f"the API server cannot be reached ({type(error).__name__})"
    return f"the Kubernetes client failed ({type(error).__name__})"


def worth_retrying(error: BaseException) -> bool:
    """Throttling, a server fault or no answer: the same request may succeed a moment later."""
    if isinstance(error, ApiFailure):
        return error.status == 429 or error.status >= 500
    return isinstance(error, TimeoutError | aiohttp.ClientError | OSError)
