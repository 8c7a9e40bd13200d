"""The pages of the detectors are what the code says, and what they show can be applied."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from opssight_detectors.registry import METHODS
from opssight_operator.api.anomaly_detector import AnomalyDetectorSpec

PAGES = Path(__file__).parents[2] / "docs" / "detectors"


def test_every_page_is_what_the_code_would_write() -> None:
    done = subprocess.run([sys.executable, PAGES / "build.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", METHODS)
def test_the_resource_of_a_page_is_that_method_with_its_defaults(method: str) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (PAGES / f"{method}.md").read_text(), re.S)
    shown = AnomalyDetectorSpec.model_validate(yaml.safe_load(block)["spec"])
    assert shown.method.type == method
    plain = AnomalyDetectorSpec.model_validate(
        {"queries": [{"name": "p99", "expr": "service:latency:p99"}], "method": {"type": method}}
    )
    assert shown.method.block() == plain.method.block()
