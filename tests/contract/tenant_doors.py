"""Every field in which a tenant writes PromQL or matchers, and the ways to look out of one's namespace through it.

``OWN`` stands for the tenant's namespace and ``BANK`` for another one, which has a ``till`` too, and a ``vault``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
SECRET = 424242.5
"""The value of everything in the other namespace: where it is seen, something leaked."""
COSTLY = "till{" + ",".join(["a=~`(.{60}){60}`"] * 200) + "}"


@dataclass(frozen=True)
class Door:
    """A resource, and what becomes of it: the reason of Ready, and words of its message."""

    kind: str
    spec: Spec
    reason: str
    says: str = ""

    @property
    def refused(self) -> bool:
        """Whether nothing may be written for it. Without data the alert on our own score stands ready all the same."""
        return self.reason not in ("Reconciled", "NoData")


def looks_at(expr: str, reason: str = "Reconciled", says: str = "", **query: Any) -> Door:
    """A detector with an alert."""
    spec = {
        "queries": [{"name": "q", "expr": expr, **query}],
        "step": "2s",
        "interval": "1m",
        "trainingWindow": "10m",
        "method": {"type": "ZScore"},
        "alert": {"for": "1s"},
    }
    return Door("AnomalyDetector", spec, reason, says)


def learns(expr: str = "till", reason: str = "Reconciled", says: str = "", **more: Any) -> Door:
    """A policy that records its threshold, or what ``delivery`` says."""
    history = {"window": "10m", "step": "2s", "minDuration": "1m", "minCoverage": "0.5", **more.pop("history", {})}
    return Door(
        "ThresholdPolicy",
        {"expr": expr, "history": history, "interval": "1m", "delivery": {"mode": "Record"}, **more},
        reason,
        says,
    )


def renders(reason: str = "Reconciled", says: str = "", **render: Any) -> Door:
    """A policy that writes the whole alert."""
    return learns(reason=reason, says=says, alert={"name": "Till"}, delivery={"mode": "Render", "render": render})


def reports(matcher: str, reason: str, says: str) -> Door:
    """A report of the alerts that match."""
    spec = {"schedule": {"type": "Once"}, "history": "0s", "inputs": {"alerts": {"matchers": [matcher]}}}
    return Door("PatternReport", spec, reason, says)


ONLY = 'may only read namespace="OWN"'
SPEAK = 'may only speak of namespace="OWN"'
HIDDEN = "cannot be confined"
FORGED = 'label_replace(till, "namespace", "BANK", "", "")'

DOORS: dict[str, Door] = {
    # AnomalyDetector: queries[].expr
    "a name alone": looks_at("till"),
    "another namespace": looks_at('till{namespace="BANK"}', "NotAllowed", ONLY),
    "all namespaces": looks_at('till{namespace=~".*"}', "NotAllowed", ONLY),
    "all namespaces but one": looks_at('till{namespace!="x"}', "NotAllowed", ONLY),
    "another namespace in a raw string": looks_at("till{namespace=`BANK`}", "NotAllowed", ONLY),
    "another namespace by the number of a letter": looks_at('till{namespace="\\x42ANK"}', "NotAllowed", ONLY),
    "another namespace by a label in quotes": looks_at('{"till","namespace"="BANK"}', "NotAllowed", ONLY),
    "a name in quotes": looks_at('{"till"}'),
    "a name by its label": looks_at('{__name__=~"till|vault"}'),
    "a label whose name needs quotes": looks_at('{"till", "größe"=""}'),
    "what only others have": looks_at("vault", "NoData"),
    "or": looks_at("till or vault"),
    "or between matchers": looks_at('till{namespace="OWN" or namespace="BANK"}', "InvalidQuery", "query q: "),
    "a subquery": looks_at("max_over_time((till or vault)[5m:2s])"),
    "a subquery of another namespace": looks_at('max_over_time(till{namespace="BANK"}[5m:2s])', "NotAllowed", ONLY),
    "an offset": looks_at("till offset 2s or vault offset 2s"),
    "an offset of another namespace": looks_at('till{namespace="BANK"} offset 2s', "NotAllowed", ONLY),
    "a comment with a brace": looks_at("till # {\n or vault # }\n"),
    "a comment that ends for some": looks_at("till # \r or vault", "NotAllowed", HIDDEN),
    "a label that is replaced": looks_at(FORGED, "NotAllowed", SPEAK),
    "a label that is counted": looks_at('count_values("namespace", till > bool 0)', "NotAllowed", SPEAK),
    "a join with all": looks_at("till * on () group_left () (sum(vault) or vector(1))"),
    "what is absent for us": looks_at("absent(vault)"),
    "patterns that are made to be costly": looks_at(COSTLY, "InvalidQuery", "query q: the patterns of the expression"),
    # AnomalyDetector: queries[].volume.expr
    "a volume of another namespace": looks_at(
        "till", "NotAllowed", "query q: volume.expr: ", volume={"expr": 'vault{namespace="BANK"}', "min": "1"}
    ),
    "a volume that is forged": looks_at("till", "NotAllowed", SPEAK, volume={"expr": FORGED, "min": "1"}),
    "a volume that others have": looks_at("till", volume={"expr": "sum(vault)", "min": "1"}),
    # ThresholdPolicy: expr
    "a policy of one's own": learns(),
    "a policy of another namespace": learns('till{namespace="BANK"}', "NotAllowed", "expr: the query asks for"),
    "a policy for another namespace": learns(FORGED, "NotAllowed", SPEAK, perLabels=["namespace"]),
    "a policy of what others have": learns("vault", "NoData"),
    # ThresholdPolicy: history.exclude
    "alerts of another namespace": learns(
        reason="NotAllowed",
        says="history.exclude: the query asks for",
        history={"exclude": {"alerts": [{"name": "Vault", "labels": {"namespace": "BANK"}}]}},
    ),
    "alerts of all namespaces": learns(history={"exclude": {"alerts": [{"name": "Vault"}]}}),
    # ThresholdPolicy: delivery.render
    "an alert of one's own": renders(expr="till > $threshold or (till > $threshold and on () vault)"),
    "an alert on another namespace": renders(
        "NotAllowed", "delivery.render.expr: the query asks for", expr='till{namespace="BANK"} > $threshold'
    ),
    "an alert in the name of another": renders(expr=f"{FORGED} > $threshold", recover={"margin": "0.1"}),
    "an alert that is guarded by others": renders(
        "NotAllowed",
        "delivery.render.volumeGuard.expr: the query asks for",
        volumeGuard={"expr": 'vault{namespace="BANK"}', "min": "1"},
    ),
    "an alert that is guarded by what only others have": renders(volumeGuard={"expr": "vault", "min": "1"}),
    # PatternReport: inputs.alerts.matchers
    "alerts of another": reports('namespace="BANK"', "NotAllowed", "inputs.alerts: the query asks for"),
    "alerts of everybody": reports('namespace=~".+"', "NotAllowed", "inputs.alerts: the query asks for"),
    "a matcher that seems to close the brace": reports('a="b\\"} or vault{a=\\"b"', "Reconciled", ""),
    "a matcher that is costly": reports('a=~"(.{90}){90}(.{90}){90}"', "InvalidSpec", "inputs.alerts.matchers[0]"),
}


def manifests(own: str, bank: str, source: str) -> list[dict[str, Any]]:
    """All of them, for a tenant."""
    return [
        {
            "apiVersion": "opssight.dev/v1alpha1",
            "kind": door.kind,
            "metadata": {"name": f"door-{number}", "namespace": own},
            "spec": {**json.loads(filled(json.dumps(door.spec), own, bank)), "sourceRef": {"name": source}},
        }
        for number, door in enumerate(DOORS.values())
    ]


def filled(text: str, own: str, bank: str) -> str:
    """The text with the names of the namespaces."""
    return text.replace("OWN", own).replace("\\\\x42ANK", f"\\\\x{ord(bank[0]):02x}{bank[1:]}").replace("BANK", bank)
