"""The command line: what it prints, where it prints it, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from command_line import Answer, Opssight
from opssight_detectors.registry import METHODS


def test_the_fifty_is_found(opssight: Opssight) -> None:
    answer = opssight("detect", "10", "12", "11", "50", "13", "12")
    assert answer == Answer(0, "index  value  score  severity\n    3     50   1.12  Low\n", "")


def test_json_and_yaml_say_the_same(opssight: Opssight) -> None:
    values = ("10", "12", "11", "50", "13", "12")
    as_json = json.loads(opssight("detect", *values, "-o", "json").out)
    as_yaml = yaml.safe_load(opssight("detect", "--output", "YAML", *values).out)
    assert as_json == as_yaml
    (anomaly,) = as_json["anomalies"]
    assert (anomaly["index"], anomaly["value"], anomaly["score"], anomaly["severity"]) == (3, 50, 1.1157, "Low")
    assert 2 * anomaly["score"] == pytest.approx(2.23, abs=0.005), "the textbook's z-score of the list itself"
    assert anomaly["expected"] == 18
    assert "observed 50, expected 18" in anomaly["explanation"]
    assert (as_json["samples"], as_json["state"]) == (6, "Scored")


WAYS_IN = {
    "arguments": (["1", "1", "2", "1", "40", "1", "2"], ""),
    "arguments after a double dash": (["--", "1", "1", "2", "1", "40", "1", "2"], ""),
    "lines on stdin": ([], "1\n1\n2\n1\n40\n1\n2\n"),
    "commas on stdin": (["-"], "1, 1, 2, 1, 40, 1, 2"),
    "JSON on stdin": ([], "[1, 1, 2, 1, 40, 1, 2]"),
    "a JSON file that is stdin": (["--json", "-"], '["1", 1, 2, 1, 40, 1, 2]'),
    "a CSV file that is stdin": (["--csv", "-"], "p99\n1\n1\n2\n1\n40\n1\n2\n"),
    "a CSV column": (["--csv", "-", "--column", "b"], "a,b\n9,1\n8,1\n7,2\n6,1\n5,40\n4,1\n3,2\n"),
    "the only column with numbers": (["--csv", "-"], "name,b\nx,1\ny,1\nz,2\nx,1\ny,40\nz,1\nx,2\n"),
}


@pytest.mark.parametrize(("arguments", "stdin"), WAYS_IN.values(), ids=WAYS_IN.keys())
def test_values_come_in_by_many_ways(arguments: list[str], stdin: str, opssight: Opssight) -> None:
    answer = opssight("detect", *arguments, stdin=stdin)
    assert answer.code == 0, answer.err
    assert "    4     40" in answer.out


def test_negative_numbers_are_numbers(opssight: Opssight) -> None:
    assert "    3    -40   1.12  Low" in opssight("detect", "-1", "-2.5", "0", "-40", "1", "-1e-3").out
    assert opssight("detect", "--", "-1", "-2.5", "0", "-40", "1", "-1e-3").code == 0


def test_a_missing_sample_is_not_zero(opssight: Opssight) -> None:
    found = json.loads(opssight("detect", "10", "nan", "11", "50", "13", "12", "12", "-o", "json").out)
    assert (found["samples"], [a["index"] for a in found["anomalies"]]) == (6, [3])
    nulls = json.loads(opssight("detect", "-o", "json", stdin="[10, null, 11, 50, 13, 12, 12]").out)
    assert nulls == found


def test_several_series_are_told_apart(opssight: Opssight) -> None:
    text = json.dumps({"cpu": [1, 2, 1, 2, 30, 1], "memory": [5, 5, 5, 5, 5, 5]})
    assert opssight("detect", stdin=text).out.splitlines()[1].split() == ["cpu", "4", "30", "1.12", "Low"]
    found = json.loads(opssight("detect", "-o", "json", stdin=text).out)
    assert found["series"]["memory"]["anomalies"] == []


def test_a_saved_range_query_can_be_read(opssight: Opssight) -> None:
    values = [[t, v] for t, v in enumerate(["1", "2", "1", "+Inf", "NaN", "2", "30", "1", "1"])]
    result = [{"metric": {"__name__": "up", "job": "a"}, "values": values}]
    text = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})
    assert opssight("detect", stdin=text).out.splitlines()[1].split()[:3] == ['up{job="a"}', "6", "30"]


def test_options_change_the_answer(opssight: Opssight) -> None:
    values = ("10", "12", "11", "50", "13", "12")
    assert opssight("detect", *values, "--sensitivity", "3").out == "no anomalies in 6 values\n"
    assert opssight("detect", *values, "--direction", "below").out == "no anomalies in 6 values\n"
    robust = json.loads(opssight("detect", *values, "--method", "robust-z-score", "-o", "json").out)
    assert robust["method"] == "RobustZScore"
    assert robust["anomalies"][0]["severity"] == "Critical"


def test_findings_fail_a_pipeline_only_when_asked_to(opssight: Opssight) -> None:
    values = ("10", "12", "11", "50", "13", "12")
    assert opssight("detect", *values).code == 0
    assert opssight("detect", *values, "--exit-code").code == 1
    assert opssight("detect", "10", "11", "10", "11", "--exit-code").code == 0


def test_too_few_values_are_said_and_no_anomaly(opssight: Opssight) -> None:
    answer = opssight("detect", "1", "50", "--exit-code")
    assert (answer.code, answer.err) == (0, "2 values are too few to judge\n")
    assert json.loads(opssight("detect", "1", "50", "-o", "json").out)["state"] == "WarmingUp"


BAD = {
    "a word": (["detect", "1", "2", "x"], "", "value 3 is 'x'; it must be a number, or nan for a missing sample"),
    "infinity": (["detect", "1", "inf"], "", "value 2 is 'inf'"),
    "a word on stdin": (["detect"], "1 2\nthree", "value 3 of stdin is 'three'"),
    "no values": (["detect"], "", "there are no values; give numbers as arguments"),
    "an unknown option": (["detect", "--sensitvity", "3"], "", "there is no option --sensitvity"),
    "an unknown method": (["detect", "1", "--method", "magic"], "", "--method is 'magic'; it must be one of"),
    "a word where a number is needed": (
        ["detect", "1", "2", "--sensitivity", "High"],
        "",
        "sensitivity must be a number",
    ),
    "a parameter that the method lacks": (
        ["detect", "1", "2", "--set", "trees=9"],
        "",
        "takes name=value with the names",
    ),
    "a parameter without a value": (["detect", "1", "2", "--set", "minSamples"], "", "takes name=value"),
    "an impossible sensitivity": (["detect", "1", "2", "3", "--sensitivity", "-1"], "", "sensitivity must be"),
    "two ways in": (["detect", "1", "--json", "-"], "[1]", "values and --json were given together"),
    "a column without a table": (["detect", "1", "--column", "a"], "", "--column a needs --csv FILE"),
    "a file that is not there": (["detect", "--csv", "/no/such"], "", "/no/such cannot be read: No such file"),
    "no JSON": (["detect", "--json", "-"], "{", "- is not JSON"),
    "a JSON number": (["detect", "--json", "-"], "3", "it must be a list of numbers or an object of lists"),
    "a JSON object in a list": (["detect", "--json", "-"], "[1, {}]", "value 2 of - is {}; it must be a number"),
    "a JSON truth": (["detect", "--json", "-"], '{"cpu": [1, true]}', "value 2 of cpu in - is true"),
    "a list that is none": (["detect", "--json", "-"], '{"cpu": 5}', "cpu in - is 5; it must be a list of numbers"),
    "an instant query": (["detect"], '{"data": {"resultType": "vector"}}', "must be the matrix of a range query"),
    "a word in a column": (["detect", "--csv", "-", "--column", "a"], "a\n1\n\nx\n", "line 4 of column a in - is 'x'"),
    "two columns": (["detect", "--csv", "-"], "a,b\n1,2\n", "the columns a, b with numbers; choose one with --column"),
    "no such column": (["detect", "--csv", "-", "--column", "c"], "a,b\n1,2\n", "no column 'c'; it has a, b"),
    "an empty table": (["detect", "--csv", "-"], "", "it must have a header and values below it"),
    "an impossible percentile": (["thresholds", "1", "--percentile", "100"], "", "percentile must be above 0"),
}


@pytest.mark.parametrize(("arguments", "stdin", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence_on_stderr(
    arguments: list[str], stdin: str, message: str, opssight: Opssight
) -> None:
    answer = opssight(*arguments, stdin=stdin)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("opssight: ")
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_thresholds_are_the_95th_percentiles_and_five_samples_are_few(opssight: Opssight) -> None:
    text = '{"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3]}'
    answer = opssight("thresholds", "-o", "json", stdin=text)
    learned = json.loads(answer.out)["thresholds"]
    assert {name: one["threshold"] for name, one in learned.items()} == {"cpu_utilization": 84, "error_rate": 3.8}
    assert "cpu_utilization: 5 samples are few" in answer.err
    table = opssight("thresholds", stdin=text).out
    assert "cpu_utilization         84  80 to open" in table


def test_a_threshold_has_a_bound_and_a_margin(opssight: Opssight) -> None:
    values = [str(v * 37 % 101) for v in range(101)]
    plain = json.loads(opssight("thresholds", *values, "--bound", "lower", "--margin", "0.1", "-o", "json").out)
    assert plain["threshold"] == pytest.approx(4.5)
    assert plain["notes"] == []


GOOD = """
apiVersion: opssight.dev/v1alpha1
kind: ThresholdPolicy
metadata: {name: checkout-errors}
spec:
  expr: sum(rate(errors_total[5m]))
  guardrails: {max: "0.2"}
---
apiVersion: v1
kind: ConfigMap
"""


def test_a_good_manifest_is_ok_and_foreign_ones_are_passed_over(opssight: Opssight, tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    assert opssight("validate", str(file)) == Answer(0, f"{file}: ThresholdPolicy/checkout-errors: ok\n", "")


INVALID = {
    "broken PromQL": ("ThresholdPolicy", {"expr": "sum(rate(x[5m])"}, "unclosed left parenthesis"),
    "a misspelt field": (
        "ThresholdPolicy",
        {"expr": "up", "guardrials": {}},
        "spec.guardrials is no field; did you mean guardrails?",
    ),
    "a missing field": ("ThresholdPolicy", {}, "spec.expr: Field required"),
    "limits the wrong way round": (
        "ThresholdPolicy",
        {"expr": "up", "guardrails": {"min": "2", "max": "1"}},
        "guardrails: min is 2 and max is 1; min must be less than max",
    ),
    "a history that is never enough": (
        "ThresholdPolicy",
        {"expr": "up", "history": {"window": "1h"}},
        "longer than history.window",
    ),
    "a duration that is none": ("ThresholdPolicy", {"expr": "up", "interval": "soon"}, "spec.interval"),
    "an impossible sensitivity": (
        "AnomalyDetector",
        {"queries": [{"name": "a", "expr": "up"}], "method": {"type": "ZScore", "zScore": {"sensitivity": "0"}}},
        "sensitivity must be",
    ),
    "a misspelt field in a list": (
        "AnomalyDetector",
        {"queries": [{"name": "a", "expr": "up", "dircetion": "Above"}]},
        "spec.queries[0].dircetion is no field; did you mean direction?",
    ),
    "a broken volume": (
        "AnomalyDetector",
        {"queries": [{"name": "a", "expr": "up", "volume": {"expr": "sum(", "min": "1"}}]},
        "does not parse",
    ),
    "no such kind": ("Detector", {}, "there is no kind Detector"),
}


@pytest.mark.parametrize(("kind", "spec", "message"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_manifest_is_refused_with_a_sentence(
    kind: str, spec: dict[str, object], message: str, opssight: Opssight
) -> None:
    body = {"apiVersion": "opssight.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    answer = opssight("validate", "-", stdin=yaml.safe_dump(body))
    assert answer.code == 1
    assert message in answer.out
    assert answer.out.startswith(f"-: {kind}/x: ")


def test_a_file_that_is_no_yaml_is_bad_input(opssight: Opssight) -> None:
    answer = opssight("validate", "-", stdin="a: [1,\nb: }")
    assert answer.code == 2
    assert "- is not YAML at line 2" in answer.err


def test_a_negative_answer_to_what_is_there_is_said(opssight: Opssight) -> None:
    assert "there is no manifest of opssight.dev" in opssight("validate", "-", stdin="kind: Pod").out


def test_a_folder_is_walked_and_a_folder_without_any_says_so(opssight: Opssight, tmp_path: Path) -> None:
    policy = {
        "apiVersion": "opssight.dev/v1alpha1",
        "kind": "ThresholdPolicy",
        "metadata": {"name": "x"},
        "spec": {"expr": "up"},
    }
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    (tmp_path / "shop" / "deep" / "b.yaml").write_text(yaml.safe_dump(policy))
    (tmp_path / "shop" / "a.json").write_text(json.dumps(policy | {"spec": {}}))
    (tmp_path / "shop" / "notes.md").write_text("a: [1")
    answer = opssight("validate", tmp_path / "shop")
    assert answer.code == 1
    first, *_, last = answer.out.splitlines()
    assert first.startswith(f"{tmp_path}/shop/a.json: ThresholdPolicy/x: spec.expr")
    assert last == f"{tmp_path}/shop/deep/b.yaml: ThresholdPolicy/x: ok"
    (tmp_path / "empty").mkdir()
    assert "no manifest of opssight.dev in 0 files" in opssight("validate", tmp_path / "empty").out


def test_the_version_is_an_option_too(opssight: Opssight) -> None:
    assert opssight("--version").out == opssight("version").out != ""


def test_every_command_shows_examples_in_its_help(opssight: Opssight) -> None:
    for command in ("detect", "thresholds", "validate"):
        answer = opssight(command, "--help")
        assert answer.code == 0
        assert f"\n  opssight {command} " in answer.out or f"| opssight {command}" in answer.out


def test_nothing_heavy_is_loaded_to_detect_or_to_learn() -> None:
    code = (
        "import sys; from opssight_operator.cli import main\n"
        "sys.argv = ['opssight', sys.argv[1], '10', '12', '11', '50', '13', '12']\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "heavy = {'sklearn', 'scipy', 'pandas', 'kopf', 'kubernetes', 'prometheus_api_client', 'aiohttp', 'requests'}\n"
        "heavy |= {'promql_parser', 'rich', 'yaml', 'fastapi', 'jinja2'}\n"
        "loaded = sorted(heavy & set(sys.modules)); assert not loaded, loaded\n"
        "assert not any(name.startswith('opssight_operator.adapters') for name in sys.modules)\n"
    )
    for command in ("detect", "thresholds"):
        done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_method_is_listed_and_can_be_chosen_with_its_parameters(opssight: Opssight) -> None:
    listed = json.loads(opssight("methods", "-o", "json").out)
    assert [method["name"] for method in listed] == list(METHODS)
    values = ("10", "12", "11", "50", "13", "12")
    said = json.loads(
        opssight("detect", *values, "--method", "RobustZScore", "--set", "minSamples=4", "-o", "json").out
    )
    assert [anomaly["index"] for anomaly in said["anomalies"]] == [3]
    numbers = [str(10 + place % 3) for place in range(100)]
    said = json.loads(
        opssight("detect", *numbers, "90", "--method", "Adaptive", "--sensitivity", "High", "-o", "json").out
    )
    assert [anomaly["index"] for anomaly in said["anomalies"]] == [100]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--set", "minSample=4"), "minSample"),
        (("--set", "minSamples"), "minSamples"),
        (("--set", "minSamples=a"), "minSamples"),
        (("--sensitivity", "Extreme"), "Extreme"),
        (("--method", "Magic"), "Magic"),
    ],
)
def test_a_setting_that_no_method_knows_is_named(opssight: Opssight, given: tuple[str, ...], says: str) -> None:
    answer = opssight("detect", "10", "12", "11", "50", "13", "12", *given)
    assert answer.code == 2
    assert says in answer.err
    assert answer.out == ""
