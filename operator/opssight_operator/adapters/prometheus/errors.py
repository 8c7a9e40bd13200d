"""Everything that a request to Prometheus can end with, as errors of ours.

A sentence says what failed in general words and never carries what a server sent, with one exception: the ``error``
field of an answer in Prometheus' own form, shortened to one line, because its author needs to see what is wrong
with the query.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl

import msgspec
import prometheus_api_client.exceptions
import requests.cookies
import requests.exceptions
import urllib3.exceptions
from urllib3.util.ssl_match_hostname import CertificateError

from opssight_operator.errors import (
    InvalidQuery,
    OpsSightError,
    PrometheusOverloaded,
    PrometheusUnreachable,
    Throttled,
    TooMuchData,
)

from .answers import Failure, read_failure

ERROR_LENGTH = 200
_TOO_HEAVY = re.compile(
    r"too many|too large|limit|exceed|max[A-Z_-]|timed? ?out|deadline|canceled|expanding series|rpc "
)
_STATUSES_OF_CREDENTIALS = frozenset({401, 403})
_STATUSES_OF_LOAD = frozenset({422, 503, 504})
_TYPES_OF_LOAD = frozenset({"timeout", "canceled", "unavailable"})
_TYPE_OF_THROTTLING = "too_many_requests"

FOREIGN: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), "a proxy stood in the way, and none is used"),
    (
        (requests.exceptions.SSLError, urllib3.exceptions.SSLError, CertificateError, ssl.SSLError),
        "its TLS certificate is not trusted, or TLS failed; tls.caSecretRef names the certificates to trust",
    ),
    ((urllib3.exceptions.NameResolutionError, socket.gaierror), "its host name cannot be resolved"),
    ((urllib3.exceptions.NewConnectionError,), "no connection"),
    (
        (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
        "no connection could be made in time",
    ),
    ((requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError), "it did not answer in time"),
    (
        (
            requests.exceptions.TooManyRedirects,
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.URLRequired,
            urllib3.exceptions.LocationValueError,
            urllib3.exceptions.ProxySchemeUnsupported,
        ),
        "its url cannot be used",
    ),
    (
        (
            requests.exceptions.InvalidJSONError,
            requests.exceptions.ContentDecodingError,
            requests.cookies.CookieConflictError,
            urllib3.exceptions.DecodeError,
            prometheus_api_client.exceptions.PrometheusApiClientException,
            prometheus_api_client.exceptions.MetricValueConversionError,
            msgspec.MsgspecError,
            RecursionError,
            UnicodeError,
        ),
        "the answer is not one of Prometheus; is the url that of its API?",
    ),
    (
        (
            requests.exceptions.ChunkedEncodingError,
            urllib3.exceptions.IncompleteRead,
            urllib3.exceptions.InvalidChunkLength,
            http.client.IncompleteRead,
        ),
        "the answer broke off",
    ),
    (
        (requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader),
        "a header of the request or of the answer is not a header",
    ),
    ((requests.exceptions.RequestsWarning, urllib3.exceptions.HTTPWarning), "the connection is not as it should be"),
    (
        (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError),
        "no connection",
    ),
)
"""Foreign errors and what they mean, the special ones first; those that are not here are defects of ours."""


def ours(error: BaseException) -> OpsSightError | None:
    """What a foreign error means to us; None for one that is no failure of a request."""
    if isinstance(error, OpsSightError):
        return error
    chain = chain_of(error)
    for kinds, sentence in FOREIGN:
        # a cause says more than what it was wrapped in, so that the most special meaning wins
        if any(isinstance(link, kinds) for link in chain):
            return PrometheusUnreachable(f"Prometheus cannot be asked: {sentence}{_system_says(chain)}")
    return None


def too_late(seconds: float) -> PrometheusUnreachable:
    """The whole time for a request is over."""
    return PrometheusUnreachable(f"Prometheus did not answer within {seconds:g} s (limits.timeout)")


def too_long(limit: int) -> TooMuchData:
    """The answer is longer than it may be."""
    return TooMuchData(
        f"the answer is longer than {limit} bytes, which is the limit of the source (limits.maxBytes); "
        "use a shorter window, a longer step, or fewer series"
    )


def refused(status: int, body: bytes, asked: float = 0.0) -> OpsSightError:
    """What an answer other than 200 means; ``body`` is its beginning, ``asked`` the seconds of its Retry-After."""
    failure = _failure(body)
    said = f": {one_line(failure.error)}" if failure.error else ""
    if status == 400 and failure.error_type == "bad_data":
        return InvalidQuery(f"Prometheus refuses the query{said}")
    if status == 422 and failure.error and not _TOO_HEAVY.search(failure.error):
        return InvalidQuery(f"Prometheus cannot execute the query{said}")
    if status == 429 or failure.error_type == _TYPE_OF_THROTTLING or (status == 503 and asked):
        return Throttled(f"Prometheus gets too many requests just now ({status}){said}", retry_after=asked)
    if status in _STATUSES_OF_LOAD or failure.error_type in _TYPES_OF_LOAD:
        return PrometheusOverloaded(f"Prometheus finds the query too heavy just now ({status}){said}")
    said = f"Prometheus cannot be asked: {_meaning(status, failure)} ({status})"
    return PrometheusUnreachable(said, answered=True, credentials=status in _STATUSES_OF_CREDENTIALS)


def _meaning(status: int, failure: Failure) -> str:
    if 300 <= status < 400:
        return "the answer is a redirect, and none is followed; correct the url"
    if status in _STATUSES_OF_CREDENTIALS:
        return "it refuses the credentials of the source"
    if failure.error_type:
        return f"it has an error of type {one_line(failure.error_type)}"
    return "there is no API of Prometheus at the url" if status == 404 else "the answer is not one of Prometheus"


def one_line(text: str) -> str:
    """At most 200 printable characters in one line."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= ERROR_LENGTH else line[: ERROR_LENGTH - 3] + "..."


def _failure(body: bytes) -> Failure:
    try:
        failure = read_failure(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return Failure()
    return failure if failure.status == "error" else Failure()


def chain_of(error: BaseException) -> list[BaseException]:
    """The error with everything that it was raised from or wraps."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(found) < 20:
        link = todo.pop()
        if isinstance(link, BaseException) and link not in found:
            found.append(link)
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return found


def _system_says(chain: list[BaseException]) -> str:
    for link in chain:
        if isinstance(link, OSError) and link.errno and not isinstance(link, socket.gaierror | ssl.SSLError):
            return f" ({os.strerror(link.errno).lower()})"
    return ""
