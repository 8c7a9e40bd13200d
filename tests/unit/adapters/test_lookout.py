"""What of a namespace becomes incidents, from the API server's answers."""

from __future__ import annotations

from aiohttp import web

from opssight_operator.adapters.kubernetes.lookout import Lookout
from opssight_operator.core.timing import seconds_of
from unit.adapters.kube_server import Asked, connected, serving

OLD = {
    "metadata": {"name": "cart.1"},
    "regarding": {"kind": "Pod", "name": "cart-1"},
    "reason": "BackOff",
    "note": "Back-off restarting failed container",
    "type": "Warning",
    "eventTime": None,
    "deprecatedSource": {"component": "kubelet"},
    "deprecatedFirstTimestamp": "2026-01-05T06:00:00Z",
    "deprecatedLastTimestamp": "2026-01-05T06:30:00Z",
    "deprecatedCount": 17,
}
NEW = {
    "regarding": {"kind": "Job", "name": "backup"},
    "reason": "Failed",
    "type": "Warning",
    "eventTime": "2026-01-05T07:00:00.000000Z",
    "series": {"count": 3, "lastObservedTime": "2026-01-05T07:10:00.000000Z"},
    "reportingController": "job-controller",
}
OURS = {**NEW, "reportingController": "opssight.dev/operator"}
TIMELESS = {"regarding": {"kind": "Job", "name": "backup"}, "reason": "Failed"}


async def test_events_of_both_versions_are_read_and_our_own_are_not():
    page = {"items": [OLD, NEW, OURS, TIMELESS]}
    async with serving(lambda _: web.json_response(page)) as server, connected(server) as api:
        events, more = await Lookout(api).warnings("shop", 100)
    assert not more
    assert server.asked[0].path == "/apis/events.k8s.io/v1/namespaces/shop/events"
    assert server.asked[0].query == {"limit": "500", "fieldSelector": "type=Warning"}
    old, new = events
    assert (old.kind, old.name, old.reason, old.count, old.component) == ("Pod", "cart-1", "BackOff", 17, "kubelet")
    assert (old.first, old.last) == (seconds_of("2026-01-05T06:00:00Z"), seconds_of("2026-01-05T06:30:00Z"))
    assert (new.first, new.last) == (seconds_of("2026-01-05T07:00:00Z"), seconds_of("2026-01-05T07:10:00Z"))
    assert (new.count, new.note, new.component) == (3, "", "job-controller")


async def test_pages_are_read_until_the_limit_and_no_further():
    def answer(asked: Asked) -> web.Response:
        number = int(asked.query.get("continue", "0"))
        return web.json_response({"items": [OLD] * 10, "metadata": {"continue": str(number + 1)}})

    async with serving(answer) as server, connected(server) as api:
        events, more = await Lookout(api).warnings("shop", 25)
    assert (len(events), more) == (25, True)
    assert [asked.query.get("continue") for asked in server.asked] == [None, "1", "2"]


async def test_detectors_are_chosen_by_label_and_what_cannot_be_read_is_passed_over():
    good = {"query": "p99", "labels": {}, "start": "2026-01-05T06:00:00Z", "peak": "9", "peakScore": "4"}
    good |= {"severity": "High", "explanation": "observed 9"}
    items = [{"metadata": {"name": "a"}, "status": {"anomalies": [good, {"query": "x"}]}}, {"metadata": {"name": "b"}}]
    async with serving(lambda _: web.json_response({"items": items})) as server, connected(server) as api:
        detectors, more = await Lookout(api).detectors("shop", {"team": "a", "app": "b"}, 10)
    assert not more
    assert server.asked[0].query["labelSelector"] == "app=b,team=a"
    assert [(one.name, [anomaly.query for anomaly in one.anomalies]) for one in detectors] == [
        ("a", ["p99"]),
        ("b", []),
    ]
