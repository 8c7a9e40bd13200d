"""``opssight diff``: one number in somebody's file, and every other character as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from opssight_operator.cli.app import app
from opssight_operator.cli.errors import BadInput

FILE = """\
# rules of the shop
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: shop, labels: {{release: prom}}}}   # keep
spec:
  groups:
  - name: shop
    rules:
    - alert: Other
      expr: up == 0.05
    - alert: Errors   # 0.05 is agreed
      {expr}
      for:   5m
      labels: {{severity: "warning"}}
"""
FORMS = {
    "plain": "expr: errors / requests > 0.05",
    "plain over two lines": "expr: errors / requests\n        > 0.05  # limit 0.05",
    "single quotes": "expr: 'errors{a=\"0.05\"} > 0.05'",
    "double quotes with escapes": 'expr: "errors{a=\\"0.05\\"} > 0.05"',
    "literal block": 'expr: |\n        # not 0.05 for ever\n        errors{a="0.05"}\n          > 0.05 # here',
    "folded block": "expr: >-\n        errors\n        > 0.05\n        and requests > bool errors",
    "block with an indentation mark": "expr: |2-\n          errors > 0.05",
    "number that begins another": "expr: errors offset 5m > 0.05 and on () vector(0.055) > bool vector(10.05)",
    "a decimal without a zero": "expr: errors > .05",
}


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["diff", *arguments])
    if isinstance(done.exception, BadInput):
        return 2, str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def a_file(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_only_the_number_changes_in_every_form_of_yaml(form: str, ends: str, tmp_path: Path) -> None:
    text = FILE.format(expr=form).replace("\n", ends)
    path = a_file(tmp_path, text)
    options = ["--alert", "Errors", "--threshold", "0.125", "--metric", "errors"]
    code, said = run(str(path), *options, "--write")
    assert (code, said.count("\n-"), said.count("\n+")) == (1, 1, 2), said  # with the head
    after = path.read_bytes().decode()
    start = next(i for i, (old, new) in enumerate(zip(text, after, strict=False)) if old != new)
    tail = len(after) - after.rindex("0.125") - len("0.125")
    assert after[:start] == text[:start]
    assert tail == 0 or after[-tail:] == text[-tail:]
    rule = yaml.safe_load(after)["spec"]["groups"][0]["rules"][1]
    assert "> 0.125" in rule["expr"]
    assert run(str(path), *options) == (0, "")


def test_the_diff_is_one_that_git_applies(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(FILE.format(expr=FORMS["literal block"]).rstrip("\n"))
    code, said = run(str(tmp_path / "rules.yaml"), "--alert", "Errors", "--threshold", "0.125")
    assert code == 1
    said = said.replace(str(tmp_path)[1:] + "/", "")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-"], input=said.encode(), cwd=tmp_path, check=True)
    assert "> 0.125 # here" in (tmp_path / "rules.yaml").read_text()


POLICY = """\
apiVersion: opssight.dev/v1alpha1
kind: ThresholdPolicy
metadata: {name: errors}
spec:
  expr: errors
  alert: {name: Errors, labels: {severity: warning}}
status:
  thresholds: [{current: "0.08", reason: Changed, message: m}]
"""


def test_a_policy_from_the_cluster_has_everything(tmp_path: Path) -> None:
    path = a_file(tmp_path, FILE.format(expr=FORMS["plain"]))
    (tmp_path / "policy.yaml").write_text(POLICY)
    code, said = run(str(path), "--policy", str(tmp_path / "policy.yaml"))
    assert code == 1
    assert "-      expr: errors / requests > 0.05\n+      expr: errors / requests > 0.08\n" in said


def test_a_plain_rule_file_and_a_list_are_read_too(tmp_path: Path) -> None:
    plain = a_file(tmp_path, "groups:\n- name: a\n  rules:\n  - {alert: Errors, expr: errors > 1}\n")
    assert run(str(plain), "--alert", "Errors", "--threshold", "2")[0] == 1
    rule = FILE.format(expr=FORMS["plain"]).replace("\n", "\n  ").rstrip()
    listed = a_file(tmp_path, f"kind: List\nitems:\n-\n  {rule}\n")
    assert run(str(listed), "--alert", "Errors", "--threshold", "2")[0] == 1


def test_a_rule_with_a_merge_key_and_an_expression_of_its_own_is_changed(tmp_path: Path) -> None:
    text = "base: &b {for: 5m, expr: b > 1}\ngroups:\n- name: a\n  rules:\n  - {<<: *b, alert: Errors, expr: a > 1}\n"
    path = a_file(tmp_path, text)
    assert run(str(path), "--alert", "Errors", "--threshold", "3", "--write")[0] == 1
    assert path.read_text() == text.replace("a > 1", "a > 3")


BAD = {
    "no such alert": (FILE.format(expr=FORMS["plain"]), ["--alert", "Nobody", "--threshold", "1"], "no alert Nobody"),
    "no threshold": (FILE.format(expr=FORMS["plain"]), ["--alert", "Errors"], "give --threshold"),
    "no alert named": (FILE.format(expr=FORMS["plain"]), ["--threshold", "1"], "name the alert"),
    "a template of Helm": (
        "{{- if .Values.x }}\na: b\n{{ end }}",
        ["--alert", "A", "--threshold", "1"],
        "rendered first",
    ),
    "several numbers": (
        FILE.format(expr="expr: a > 1 and b > 2"),
        ["--alert", "Errors", "--threshold", "3"],
        "occurrence 1",
    ),
    "a label of another alert": (
        FILE.format(expr=FORMS["plain"]),
        ["--alert", "Errors", "--label", "severity=page", "--threshold", "3"],
        "with severity=page",
    ),
    "an anchor that another alert shares": (
        "groups:\n- name: a\n  rules:\n  - {alert: Errors, expr: &e a > 1}\n  - {alert: B, expr: *e}\n",
        ["--alert", "Errors", "--threshold", "3"],
        "without changing more",
    ),
    "an expression that is merged in": (
        "base: &b {expr: a > 1, for: 5m}\ngroups:\n- name: a\n  rules:\n  - {alert: Errors, <<: *b}\n",
        ["--alert", "Errors", "--threshold", "3"],
        "its expr comes from a merge key (<<), where other rules may read it too; write it by hand: a > 3",
    ),
    "a rule that is merged in": (
        "base: &b {rules: [{alert: Errors, expr: a > 1}]}\ngroups:\n- {name: a, <<: *b}\n",
        ["--alert", "Errors", "--threshold", "3"],
        "comes from a merge key (<<)",
    ),
    "a label without a value": (
        FILE.format(expr=FORMS["plain"]),
        ["--alert", "Errors", "--label", "severity", "--threshold", "3"],
        "severity=warning",
    ),
    "a threshold that is none": (
        FILE.format(expr=FORMS["plain"]),
        ["--alert", "Errors", "--threshold", "nan"],
        "finite number",
    ),
}


@pytest.mark.parametrize(("text", "options", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_a_sentence_and_changes_nothing(text: str, options: list[str], says: str, tmp_path: Path) -> None:
    path = a_file(tmp_path, text)
    code, said = run(str(path), *options, "--write")
    assert code == 2
    assert says in said
    assert path.read_text() == text
