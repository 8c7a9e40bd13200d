"""What an answer other than 200 means."""

from __future__ import annotations

import json

import pytest

from opssight_operator.adapters.prometheus.errors import ERROR_LENGTH, one_line, refused
from opssight_operator.errors import InvalidQuery, OpsSightError, PrometheusOverloaded, PrometheusUnreachable, Throttled


def said(kind: str, error: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": error}).encode()


CASES: dict[str, tuple[int, bytes, type[OpsSightError], str]] = {
    "a typo": (400, said("bad_data", "1:3: parse error: x"), InvalidQuery, "refuses the query: 1:3: parse error: x"),
    "too many samples": (
        422,
        said("execution", "query processing would load too many samples into memory in query execution"),
        PrometheusOverloaded,
        "too many samples",
    ),
    "a limit of Mimir": (
        422,
        said("execution", "the query exceeded the maximum number of chunks (limit: 5 chunks)"),
        PrometheusOverloaded,
        "chunks",
    ),
    "a store of Thanos": (
        422,
        said("execution", "expanding series: proxy Series(): rpc error: code = Unavailable"),
        PrometheusOverloaded,
        "expanding series",
    ),
    "two series for one": (
        422,
        said("execution", "found duplicate series for the match group {} on the right hand-side of the operation"),
        InvalidQuery,
        "cannot execute the query: found duplicate series",
    ),
    "the same labels twice": (
        422,
        said("execution", "vector cannot contain metrics with the same labelset"),
        InvalidQuery,
        "same labelset",
    ),
    "a time-out": (503, said("timeout", "query timed out in expression evaluation"), PrometheusOverloaded, "timed out"),
    "a query that was cut": (503, said("canceled", "query was canceled"), PrometheusOverloaded, "canceled"),
    "throttling": (429, b"", Throttled, "(429)"),
    "throttling as Mimir says it": (
        422,
        said("too_many_requests", "too many outstanding requests"),
        Throttled,
        "(422)",
    ),
    "a gateway that waited too long": (504, b"<html>", PrometheusOverloaded, "(504)"),
    "a page with 422": (422, b"<html>secret", PrometheusOverloaded, "(422)"),
    "an internal error": (500, said("internal", "secret"), PrometheusUnreachable, "type internal (500)"),
    "a page with 400": (400, b"<html>secret", PrometheusUnreachable, "not one of Prometheus (400)"),
    "another path": (404, b"404 page not found", PrometheusUnreachable, "no API of Prometheus at the url (404)"),
    "a redirect": (308, b"secret", PrometheusUnreachable, "redirect"),
    "no credentials": (401, b"secret", PrometheusUnreachable, "credentials"),
    "credentials that do not suffice": (403, said("forbidden", "secret"), PrometheusUnreachable, "credentials"),
    "other types in it": (400, b'{"status":"error","errorType":[],"error":"secret"}', PrometheusUnreachable, "(400)"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_refusal_has_its_meaning(case: str) -> None:
    status, body, kind, fragment = CASES[case]
    error = refused(status, body)
    assert type(error) is kind
    assert fragment in str(error)
    assert "secret" not in str(error)


def test_what_prometheus_says_is_one_line_of_bounded_length() -> None:
    assert one_line("a\n\x1b[31mb\t c") == "a [31mb c"
    assert len(one_line("x" * 1000)) == ERROR_LENGTH
