"""What to do about a reason that is not good, for the page on troubleshooting."""

from __future__ import annotations

from .conditions import Reason

REMEDY: dict[Reason, str] = {
    Reason.PENDING: (
        "Wait for one interval. If it stays, the operator is not running or does not watch this namespace: "
        "look at its Deployment and its log."
    ),
    Reason.SUSPENDED: "Set spec.suspend to false.",
    Reason.INVALID_SPEC: "Change the field that the message names; the resource is tried again at once.",
    Reason.INVALID_QUERY: "Try the expression in Prometheus and correct it; the resource is tried again at once.",
    Reason.NOT_ALLOWED: (
        "Ask the owner of the MetricsSource to add the namespace to spec.tenancy.allowedNamespaces, or take the "
        "matcher that reaches out of the namespace from the query. Where the message names a value of the chart, ask "
        "whoever runs the operator."
    ),
    Reason.NO_DATA: (
        "Run the expression in Prometheus over the window. Empty there too: a metric or label has another name, or its "
        "target is not scraped. Not empty there: the source enforces matchers (spec.tenancy) that filter it out."
    ),
    Reason.INSUFFICIENT_HISTORY: (
        "Wait until there is enough, or ask for less: history.minDuration and history.minCoverage of a policy, "
        "minTrainingSamples of a detector. Compare the window with the retention of Prometheus."
    ),
    Reason.TOO_MANY_SERIES: (
        "Aggregate in the expression (sum by (...)), or let the owner of the source raise limits.maxSeries."
    ),
    Reason.TOO_MUCH_DATA: (
        "Shorten the window, lengthen the step, aggregate in the expression, or let the owner of the source raise "
        "limits.maxBytes."
    ),
    Reason.TARGET_NOT_FOUND: "Create the object that the message names, or correct the reference.",
    Reason.PROMETHEUS_UNREACHABLE: (
        "Look at the Reachable condition of the MetricsSource: address, network policy, certificate, token. Nothing is "
        "lost meanwhile; it recovers by itself."
    ),
    Reason.PROMETHEUS_OVERLOADED: (
        "Nothing at once: it is tried again with a smaller window. If it stays, make the expression cheaper with a "
        "recording rule, or lengthen step and interval."
    ),
    Reason.THROTTLED: (
        "Nothing at once: it is tried again when the server wants it. If it stays, raise its limits for the operator, "
        "lower limits.concurrency of the MetricsSource, or lengthen intervals."
    ),
    Reason.SOURCE_MISSING: (
        "Create the MetricsSource, or name one that exists in spec.sourceRef; without it the name is default."
    ),
    Reason.KUBERNETES_UNAVAILABLE: "Nothing at once. If it stays, look at the API server and the log of the operator.",
    Reason.FIELD_CONFLICT: (
        "See who else writes the object (kubectl get --show-managed-fields) and let one of the two stop; "
        "take the object out of the sync of a GitOps tool."
    ),
    Reason.NAME_CONFLICT: "Rename the resource, or the object that is in its way.",
    Reason.INTERNAL_ERROR: "Report it with the traceback from the log. It is tried again with growing pauses.",
    Reason.PARTIAL_DATA: "See which series have state NoData in the status; if they are gone for good, nothing.",
    Reason.WARMING_UP: (
        "Wait until the series have enough samples, or lower minTrainingSamples. Such a series never alarms."
    ),
    Reason.NOT_LOADED: (
        "Wait a minute. If it stays: does the ruleSelector of the Prometheus resource match (set ruleLabels, often "
        "release)? Does its ruleNamespaceSelector match the namespace? Is prometheus-operator running?"
    ),
    Reason.RULE_REJECTED: (
        "Correct what the message names, labels or annotations of the alert in most cases; with a rule that Prometheus "
        "would take, look at the version and the flags of prometheus-operator."
    ),
    Reason.RULE_UNHEALTHY: "The message has the error of Prometheus; often two series match where one may.",
    Reason.SCORES_NOT_SCRAPED: (
        "Let Prometheus scrape the operator: serviceMonitor.enabled of the chart, with the labels that your Prometheus "
        "selects, or a scrape of your own with honor_labels: true. Where they arrive with exported_namespace, see "
        "overrideHonorLabels and enforcedNamespaceLabel in install.md."
    ),
    Reason.PATCH_DISABLED: ("Let whoever runs the operator set OPSSIGHT_ALLOW_PATCH=true, or choose Record or Render."),
    Reason.CONSENT_MISSING: (
        "Ask whoever owns the PrometheusRule to allow it: kubectl label prometheusrule NAME opssight.dev/patch=allowed."
    ),
    Reason.MANAGED_ELSEWHERE: (
        "Change the number where the object comes from (opssight diff prints the change), or choose Record or Render."
    ),
    Reason.AMBIGUOUS_TARGET: "Set patch.group, patch.labels or patch.literal so that one of the listed ones is left.",
    Reason.TARGET_TAKEN: "Delete one of the two policies, or let this one name another alert or number.",
    Reason.TARGET_REVERTED: (
        "Find who else writes the PrometheusRule (kubectl get --show-managed-fields). Any change of the policy's spec "
        "makes it try again."
    ),
    Reason.HELD: "Nothing, unless the guardrail is wrong; status.thresholds names it.",
    Reason.NOT_JUDGED: "Nothing, it takes outcome.after; a policy in the mode Recommend delivers nothing to judge.",
    Reason.TOO_MANY_EPISODES: (
        "Look whether there are incidents. If not, the metric has changed: widen the estimator or wait until history "
        "has seen it. With outcome.action RollBack the threshold goes back by itself, unless there is no last good one."
    ),
    Reason.TOO_FEW_EPISODES: (
        "Look whether the alert uses the threshold and alert.name is its name. If so, things are calmer than before, "
        "and history will show it."
    ),
    Reason.ROLLED_BACK: (
        "Compare predicted and observed in status.history. It is tried again after outcome.hold; to keep it, "
        "set guardrails.min or guardrails.max."
    ),
    Reason.INPUT_CUT: (
        "Read the message. Where Prometheus has nothing of the namespace, give the alerts the label that the source "
        "enforces. A limit of the operator can be raised (OPSSIGHT_REPORT_MAX_EVENTS, "
        "OPSSIGHT_REPORT_MAX_DETECTORS); spec.inputs says what is read."
    ),
}
