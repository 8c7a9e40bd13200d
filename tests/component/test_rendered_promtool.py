"""promtool evaluates rendered alerts: gaps, joins by label, the guard for low volume, and the two levels."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster.build import program

from builders import a_policy
from opssight_operator.core.rendering import rendered_rule

Series = dict[str, str]


def says(
    version: str,
    folder: Path,
    series: Series,
    fires: dict[str, set[str]],
    thresholds: list[tuple[dict[str, str], float]],
    **spec: Any,
) -> str:
    """What promtool has against it; ``fires`` are the services that fire by moment."""
    render = spec.pop("render", {})
    policy = a_policy(
        expr="ratio",
        alert={"name": "High", "for": spec.pop("lasting", "0s"), "keepFiringFor": "0s"},
        delivery={"mode": "Render", "render": {"labels": {"severity": "warning"}, **render}},
        **spec,
    )
    rule = rendered_rule(policy, thresholds, {})
    assert rule is not None
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [dict(group) for group in rule.groups]}))
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {
                    "eval_time": moment,
                    "alertname": "High",
                    "exp_alerts": [
                        {"exp_labels": {"severity": "warning", **({"service": s} if s else {})}} for s in sorted(alerts)
                    ],
                }
                for moment, alerts in fires.items()
            ],
        }
    ]
    suite = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "test.yaml").write_text(yaml.safe_dump(suite))
    argv = [str(program(version)), "test", "rules", "test.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=folder, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


A, B, C = 'ratio{service="a"}', 'ratio{service="b"}', 'ratio{service="c"}'
CASES: dict[str, dict[str, Any]] = {
    "one threshold for all": {
        "series": {A: "0.1 0.3 0.1", B: "0.3 0.1 0.1"},
        "thresholds": [({}, 0.2)],
        "fires": {"0m": {"b"}, "1m": {"a"}, "2m": set()},
    },
    "a lower bound": {
        "series": {A: "5 1 5"},
        "thresholds": [({}, 2.0)],
        "bound": "Lower",
        "fires": {"0m": set(), "1m": {"a"}, "2m": set()},
    },
    "each label value has its own, and a new one the default": {
        "series": {A: "0.3 0.3", B: "0.3 0.5", C: "0.3 0.1"},
        "thresholds": [({"service": "a"}, 0.1), ({"service": "b"}, 0.4)],
        "perLabels": ["service"],
        "render": {"default": "0.2"},
        "fires": {"0m": {"a", "c"}, "1m": {"a", "b"}},
    },
    "each label value has a lower bound of its own, and a new one the default": {
        "series": {A: "5 1 3", B: "5 3 5", C: "5 3 1"},
        "thresholds": [({"service": "a"}, 2.0), ({"service": "b"}, 4.0)],
        "perLabels": ["service"],
        "bound": "Lower",
        "render": {"default": "2"},
        "fires": {"0m": set(), "1m": {"a", "b"}, "2m": {"c"}},
    },
    "a value that is not a number leaves the default of the others": {
        "series": {A: "NaN NaN", C: "0.3 0.3"},
        "thresholds": [],
        "perLabels": ["service"],
        "render": {"default": "0.2"},
        "fires": {"0m": {"c"}, "1m": {"c"}},
    },
    "between the levels what fires goes on and what does not stays quiet": {
        "series": {A: "0.3 0.18 0.17 0.15 0.18", B: "0.18 0.18 0.18 0.18 0.18"},
        "thresholds": [({}, 0.2)],
        "render": {"recover": {"margin": "0.2"}},
        "fires": {"0m": {"a"}, "1m": {"a"}, "2m": {"a"}, "3m": set(), "4m": set()},
    },
    "a pending alert is not held by the second level": {
        "series": {A: "0.3 0.3 0.18 0.18 0.18 0.3 0.3 0.3 0.3 0.18 0.18 0.1"},
        "thresholds": [({}, 0.2)],
        "lasting": "3m",
        "render": {"recover": {"margin": "0.2"}},
        "fires": {"3m": set(), "4m": set(), "7m": set(), "8m": {"a"}, "9m": {"a"}, "10m": {"a"}, "11m": set()},
    },
    "after a gap an alert has to begin anew": {
        "series": {A: "0.3 stale stale 0.18 0.3"},
        "thresholds": [({}, 0.2)],
        "render": {"recover": {"margin": "0.2"}},
        "fires": {"0m": {"a"}, "1m": set(), "2m": set(), "3m": set(), "4m": {"a"}},
    },
    "a sample that is late does not end an alert": {
        "series": {A: "0.3 _ _ 0.18 0.1"},
        "thresholds": [({}, 0.2)],
        "render": {"recover": {"margin": "0.2"}},
        "fires": {"0m": {"a"}, "1m": {"a"}, "2m": {"a"}, "3m": {"a"}, "4m": set()},
    },
    "two levels below a lower bound": {
        "series": {A: "1 2.2 2.5 2.2"},
        "thresholds": [({}, 2.0)],
        "bound": "Lower",
        "render": {"recover": {"margin": "0.2"}},
        "fires": {"0m": {"a"}, "1m": {"a"}, "2m": set(), "3m": set()},
    },
    "two levels for each label value": {
        "series": {A: "0.3 0.18 0.15", B: "0.5 0.38 0.18", C: "0.18 0.18 0.18"},
        "thresholds": [({"service": "a"}, 0.2), ({"service": "b"}, 0.4)],
        "perLabels": ["service"],
        "render": {"default": "0.2", "recover": {"margin": "0.2"}},
        "fires": {"0m": {"a", "b"}, "1m": {"a", "b"}, "2m": set()},
    },
    "two levels below a lower bound for each label value": {
        "series": {A: "1 2.2 2.5 2.2", B: "3 4.5 4.7 4.9", C: "2.2 2.2 1.9 2.3"},
        "thresholds": [({"service": "a"}, 2.0), ({"service": "b"}, 4.0)],
        "perLabels": ["service"],
        "bound": "Lower",
        "render": {"default": "2", "recover": {"margin": "0.2"}},
        "fires": {"0m": {"a", "b"}, "1m": {"a", "b"}, "2m": {"b", "c"}, "3m": {"c"}},
    },
    "another severity of the same name holds nothing": {
        "series": {A: "0.18 0.18", 'ALERTS{alertname="High",alertstate="firing",service="a",severity="page"}': "1 1"},
        "thresholds": [({}, 0.2)],
        "render": {"recover": {"margin": "0.2"}},
        "fires": {"0m": set(), "1m": set()},
    },
    "little traffic is quiet, by label": {
        "series": {
            A: "0.9 0.9",
            B: "0.9 0.9",
            'requests{service="a",pod="1"}': "6 3",
            'requests{service="a",pod="2"}': "6 3",
            'requests{service="b",pod="1"}': "1 20",
        },
        "thresholds": [({"service": "a"}, 0.2), ({"service": "b"}, 0.2)],
        "perLabels": ["service"],
        "render": {"default": "0.2", "volumeGuard": {"expr": "requests", "min": "10"}},
        "fires": {"0m": {"a"}, "1m": {"b"}},
    },
    "a volume that is missing silences nothing": {
        "series": {A: "0.9 0.9", 'requests{service="b"}': "1 1"},
        "thresholds": [({"service": "a"}, 0.2)],
        "perLabels": ["service"],
        "render": {"default": "0.2", "volumeGuard": {"expr": "requests", "min": "10"}},
        "fires": {"0m": {"a"}, "1m": {"a"}},
    },
    "a guard for all together is the sum": {
        "series": {A: "0.9 0.9", 'requests{pod="1"}': "6 1", 'requests{pod="2"}': "6 1"},
        "thresholds": [({}, 0.2)],
        "render": {"volumeGuard": {"expr": "requests", "min": "10"}},
        "fires": {"0m": {"a"}, "1m": set()},
    },
    "a guard and two levels together": {
        "series": {A: "0.3 0.18 0.18 0.18", 'requests{pod="1"}': "20 20 1 20"},
        "thresholds": [({}, 0.2)],
        "render": {"recover": {"margin": "0.2"}, "volumeGuard": {"expr": "requests", "min": "10"}},
        "fires": {"0m": {"a"}, "1m": {"a"}, "2m": set(), "3m": set()},
    },
}


@pytest.mark.parametrize("version", ["promtool", "promtool-old"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_rendered_alert_fires_when_it_should(version: str, case: dict[str, Any], tmp_path: Path) -> None:
    assert says(version, tmp_path, **case) == ""
