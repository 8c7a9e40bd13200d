"""The dashboard of the ThresholdPolicies."""

from __future__ import annotations

from .parts import Json, dashboard, panel, query, variable


def thresholds() -> Json:
    """What thresholds promise, and what came of it."""
    chosen = 'namespace=~"$namespace",policy=~"$policy"'
    return dashboard(
        "opssight-thresholds",
        "OpsSight: thresholds",
        "Current and proposed thresholds, the alerts that they would have raised, and those that they did raise.",
        [
            variable("namespace", "Namespace", "label_values(opssight_threshold, namespace)"),
            variable("policy", "Policy", 'label_values(opssight_threshold{namespace=~"$namespace"}, policy)'),
        ],
        [
            panel(
                "Current and proposed",
                "The proposal is what history suggests before the guardrails; where the two stay apart, status says "
                "which guardrail holds.",
                query(f"opssight_threshold{{{chosen}}}", "current {{namespace}}/{{policy}}"),
                query(f"opssight_threshold_proposed{{{chosen}}}", "proposed {{namespace}}/{{policy}}"),
                width=24,
                height=9,
                dashed=["proposed"],
            ),
            panel(
                "Simulated episodes a week",
                "How often the alert would have fired over the history, with the current and with the proposed "
                "threshold.",
                query(
                    f"opssight_threshold_simulated_episodes_per_week{{{chosen}}}", "current {{namespace}}/{{policy}}"
                ),
                query(
                    f"opssight_threshold_proposed_simulated_episodes_per_week{{{chosen}}}",
                    "proposed {{namespace}}/{{policy}}",
                ),
                dashed=["proposed"],
            ),
            panel(
                "Observed against predicted",
                "Episodes since the delivery. Beyond the dashed range the threshold goes back to the last good one, "
                "unless the policy only reports.",
                query(f"opssight_threshold_observed_episodes{{{chosen}}}", "observed {{namespace}}/{{policy}}"),
                query(f"opssight_threshold_predicted_episodes_fewest{{{chosen}}}", "fewest {{namespace}}/{{policy}}"),
                query(f"opssight_threshold_predicted_episodes_most{{{chosen}}}", "most {{namespace}}/{{policy}}"),
                dashed=["fewest", "most"],
            ),
            panel(
                "Not as predicted",
                "Thresholds whose alerts are outside of the predicted range.",
                query(
                    f"opssight_threshold_observed_episodes{{{chosen}}} > opssight_threshold_predicted_episodes_most "
                    f"or opssight_threshold_observed_episodes{{{chosen}}} "
                    "< opssight_threshold_predicted_episodes_fewest",
                    instant=True,
                ),
                kind="table",
            ),
            panel(
                "Age of the thresholds",
                "Since the threshold was last changed.",
                query(f"time() - opssight_threshold_changed_timestamp_seconds{{{chosen}}}", "{{namespace}}/{{policy}}"),
                unit="s",
            ),
        ],
    )
