"""What can go wrong around the operator, each under the name that the table of ``docs/operations.md`` has for it."""

from __future__ import annotations

import json
import re

from component.faulty_door import Fault, api_failure


def watches(method: str, path: str) -> bool:
    """The long requests of kopf."""
    return "watch=true" in path


def writes(method: str, path: str) -> bool:
    """Everything but reading, and but the lease."""
    return method not in ("GET", "HEAD") and not is_lease(path)


def reads(method: str, path: str) -> bool:
    """Lists and single objects."""
    return method == "GET" and not watches(method, path)


def is_lease(path: str) -> bool:
    """Whether a request is about a Lease."""
    return "/leases" in path


TOO_OLD = {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old"}
ENDED = json.dumps({"type": "ERROR", "object": TOO_OLD}).encode() + b"\n"
UNAVAILABLE = "KubernetesUnavailable"
KUBERNETES: dict[str, tuple[Fault, str]] = {
    "429 for everything, with a time to come back": (
        api_failure(429, "TooManyRequests", retry_after="1"),
        "Throttled",
    ),
    "500 for every write": (api_failure(500, "InternalError", writes), UNAVAILABLE),
    "503 for everything": (api_failure(503, "ServiceUnavailable"), UNAVAILABLE),
    "every watch ends as too old (410 Gone)": (Fault("refuse", 200, ENDED, hits=watches), ""),
    "every watch is refused as too old (410 Gone)": (api_failure(410, "Expired", watches), ""),
    "every connection is cut": (Fault("cut"), UNAVAILABLE),
    "half of each answer": (Fault("half", hits=reads), UNAVAILABLE),
    "a second and a half for each answer": (Fault("slow", seconds=1.5), ""),
    "writes that are never answered": (Fault("hang", hits=writes), ""),
    "HTML instead of JSON": (Fault("refuse", 200, b"<html>sign in first</html>", hits=reads), UNAVAILABLE),
}
"""Of the API server, from the first request to the last, and the outcome with which runs end soon."""

CONTROL_PLANE = ("etcd is gone", "the API server restarts", "nobody listens where the API server was")

TOO_MANY = json.dumps(
    {"status": "error", "errorType": "execution", "error": "query processing would load too many samples"}
).encode()
PROMETHEUS: dict[str, tuple[Fault, str]] = {
    "nobody is there": (Fault("cut"), "PrometheusUnreachable"),
    "no answer in time": (Fault("hang"), "PrometheusUnreachable"),
    "answers that come just too late": (Fault("slow", seconds=2.5), "PrometheusUnreachable"),
    "half an answer": (Fault("half"), "PrometheusUnreachable"),
    "422, too many samples": (Fault("refuse", 422, TOO_MANY), "PrometheusOverloaded"),
    "503, timed out": (Fault("refuse", 503, TOO_MANY), "PrometheusOverloaded"),
    "500": (Fault("refuse", 500, b"oops"), "PrometheusUnreachable"),
    "a login page": (Fault("refuse", 200, b"<html>sign in</html>"), "PrometheusUnreachable"),
    "another kind of JSON": (Fault("refuse", 200, b'{"status":"success","data":[1,2]}'), "PrometheusUnreachable"),
}
"""Of Prometheus, and the reason that is seen meanwhile; the time limit of a request is 2 s."""

SLOW_IN_TIME = Fault("slow", seconds=1.5)

WITH_A_TEST_OF_THEIR_OWN = {
    "watches are cut again and again": (
        "test_faults.py",
        "test_watches_that_are_cut_again_and_again_miss_no_change",
    ),
    "slow answers that come in time": (
        "test_faults.py",
        "test_a_prometheus_whose_answers_come_just_in_time_is_slow_and_no_more",
    ),
    "the clock jumps by an hour, ahead or back": (
        "test_clock.py",
        "test_a_clock_that_jumps_costs_no_threshold_and_no_life",
    ),
    "the operator is killed (`kill -9`)": ("test_crash.py", "test_kills_at_any_moment_lose_nothing"),
    "the leader dies beside a standby": ("test_crash.py", "test_of_two_replicas_one_works_and_the_other_takes_over"),
    "a rolling update": (
        "test_crash.py",
        "test_an_update_leaves_no_gap_in_the_scores_that_is_longer_than_two_intervals",
    ),
}
"""The file of this folder and the test in it."""


def slug(name: str) -> str:
    """A name as the id of a test and as the name of an object."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
