"""The first answers of Prometheus may come to several threads at once."""

from __future__ import annotations

import ast
import subprocess
import sys

from pages import ROOT

MANY_AT_ONCE = """
import sys, threading
from opssight_operator.adapters.prometheus import answers

sys.setswitchinterval(1e-6)
together = threading.Barrier(8)
BODY = b'{"status": "success", "data": {"groups": [{"name": "g", "rules": [{"name": "r", "type": "alerting"}]}]}}'

def read():
    together.wait()
    (group,) = answers.read_rule_groups(BODY).data.groups
    answers.read_rules(group.rules)
    answers.read_failure(BODY)

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_read_the_first_answer_together_do_not_end_the_process() -> None:
    for _ in range(3):  # about one in three ended, while each thread made its own decoder
        done = subprocess.run([sys.executable, "-c", MANY_AT_ONCE], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_no_decoder_is_made_while_an_answer_is_read() -> None:
    for path in (ROOT / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decode":
                assert "type" not in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"
