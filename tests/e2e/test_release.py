"""A release is changed by Helm while it works: another version under load, more shards, fewer shards."""

from __future__ import annotations

import functools
import time

from demo.sights import wait_for
from node import images

from e2e.conftest import VALUES, detector
from e2e.place import Place
from opssight_operator.core.sharding import shard_of

LOAD = 60
INTERVAL = 10.0


def test_an_upgrade_under_load_leaves_no_gap_longer_than_two_intervals(place: Place, resources: int) -> None:
    names = [f"load-{number}" for number in range(LOAD)]
    codes = ("200", "400", "500")
    expr = 'sum by (service) (rate(http_requests_total{{code="{}"}}[5m]))'
    load = [detector(name, f"{INTERVAL:.0f}s", expr.format(codes[k % 3])) for k, name in enumerate(names)]
    place.kubectl("apply", "-f", "-", input="---\n".join(load))
    selector = 'opssight_anomaly_score{detector=~"load-.+"}'

    def all_scored() -> bool | None:
        return len(place.query(f"count by (detector) ({selector})")) == LOAD or None

    wait_for("the load", all_scored, 180)
    place.has_image(images.next_image())
    began = time.time()
    place.release("upgrade", VALUES | {"image": {"tag": "next"}, "settings": {"allowPatch": True, "fetchThreads": 6}})
    took = time.time() - began

    def new_everywhere() -> bool | None:
        pods = place.pods()
        fresh = [pod["spec"]["containers"][0]["image"] == images.next_image() for pod in pods]
        rows = place.query("opssight_build_info and on (pod) opssight_leader == 1")
        leading = [row["metric"]["version"] for row in rows]
        return (len(pods) == 2 and all(fresh) and leading == [images.NEXT_VERSION]) or None

    def scored_anew() -> bool | None:
        return len(place.query(f"count by (detector) ({selector} and on (pod) opssight_leader == 1)")) == LOAD or None

    wait_for("the new version alone, and leading", new_everywhere, 90)
    wait_for("its scores", scored_anew, 90)  # or a gap at the end could not be seen
    gaps = place.longest_gap(selector, "detector", began, time.time())
    worst = max(gaps, key=gaps.__getitem__)
    print(f"upgrade in {took:.0f} s, longest gap {gaps[worst]:.1f} s of {len(gaps)} detectors ({worst})")
    assert gaps.keys() == set(names)
    assert gaps[worst] <= 2 * INTERVAL, f"{worst}: no score for {gaps[worst]:.1f} s"
    place.kubectl("delete", "anomalydetectors", "-n", "shop", *names, "--timeout=60s")


def shards_by_detector(place: Place) -> set[tuple[str, int]]:
    """Each detector with the shard of the pod that exports its scores."""
    shards = {row["metric"]["instance"]: int(row["value"][1]) for row in place.query("opssight_shard")}
    scores = place.query("count by (detector, instance) (opssight_anomaly_score)")
    return {(row["metric"]["detector"], shards.get(row["metric"]["instance"], -1)) for row in scores}


def test_two_shards_share_the_resources_and_a_single_one_serves_them_all_again(place: Place, resources: int) -> None:
    uids = {d["metadata"]["name"]: d["metadata"]["uid"] for d in place.objects("anomalydetectors", "-n", "shop")}
    names = {name for name, _ in shards_by_detector(place)} & uids.keys()
    assert len(names) >= 2

    def settled(shards: int) -> bool | None:
        """A leader for each shard, and every score from its shard alone."""
        leaders = place.query("opssight_shard and on (pod) opssight_leader == 1")
        wanted = {(name, shard_of(uids[name], shards)) for name in names}
        led = sorted(int(row["value"][1]) for row in leaders)
        return (led == [*range(shards)] and shards_by_detector(place) == wanted) or None

    for shards in (2, 1):
        began = time.monotonic()
        place.release("upgrade", VALUES | {"shards": shards, "replicas": 1})
        wait_for(f"all scores of {shards} shards", functools.partial(settled, shards), 180)
        print(f"{len(names)} detectors in {shards} shards after {time.monotonic() - began:.0f} s")
