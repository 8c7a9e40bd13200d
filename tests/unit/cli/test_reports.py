"""``opssight report``: from tables to reports, and reports out of ConfigMaps."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opssight_operator.cli import kept_reports, main
from opssight_operator.cli.errors import BadInput
from opssight_operator.core.report_documents import packed
from opssight_operator.serving.answering import answer
from opssight_operator.serving.reading import Asked, Limits
from oracles import patterns_worlds as worlds

CSV = """opened,closed,alertname,kind,severity,text
2026-01-05T02:00:00Z,2026-01-05T02:10:00Z,SlowCheckout,Deployment,critical,timeout after 30 s
2026-01-05T02:01:00Z,,SlowCheckout,Deployment,warning,timeout after 31 s
2026-01-03T02:01:00Z,,DiskFull,Node,warning,no space left on device sda1
"""


@dataclass
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def opssight(monkeypatch, capsys):
    """Run ``opssight report`` with these arguments in this process."""

    def run(*arguments: str, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "argv", ["opssight", "report", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Answer(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "incidents.csv"
    file.write_text(CSV)
    return file


def test_a_table_becomes_a_report_about_the_time_before_its_newest_incident(opssight, table):
    answer = opssight("run", str(table), "--column", "message=text")
    assert (answer.code, answer.err) == (0, "")
    assert "2026-01-04 02:02 to 2026-01-05 02:02 (UTC)" in answer.out
    assert "**2 incidents**" in answer.out
    assert "timeout after" in answer.out and "DiskFull" not in answer.out


def test_json_html_and_a_file(opssight, table, tmp_path):
    made = json.loads(opssight("run", str(table), "-f", "json", "--lookback", "7d", "--title", "Our week").out)
    assert (made["title"], made["summary"]["incidents"]) == ("Our week", 3)
    out = tmp_path / "out.html"
    assert opssight("run", str(table), "-f", "html", "--output-file", str(out)) == Answer(0, "", "")
    assert "<svg" in out.read_text() or "SlowCheckout" in out.read_text()


def test_stdin_is_read_as_csv_or_json(opssight, table):
    lines = [{"start": "2026-01-05T02:00:00Z", "message": "timeout"}, {"start": "2026-01-05T02:01:00Z"}]
    as_lines = "\n".join(map(json.dumps, lines)).encode()
    for data in (CSV.encode(), as_lines, json.dumps(lines).encode()):
        assert "**2 incidents**" in opssight("run", "-", stdin=data).out


def test_parquet_is_read_too(opssight, tmp_path):
    import pyarrow
    import pyarrow.parquet

    file = tmp_path / "incidents.parquet"
    columns = {"start": ["2026-01-05T02:00:00Z", "2026-01-05T02:01:00Z"], "message": ["timeout", None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    assert "**2 incidents**" in opssight("run", str(file)).out


def test_a_report_is_compared_with_the_one_before(opssight, table, tmp_path):
    before = tmp_path / "before.json"
    opssight("run", str(table), "-f", "json", "--end", "2026-01-04T02:00:00Z", "--output-file", str(before))
    made = json.loads(opssight("run", str(table), "-f", "json", "--previous", str(before)).out)
    assert made["comparison"]["previousIncidents"] == 1


BAD = {
    "nothing to report on": ((), None, "give a FILE of incidents or --prometheus URL"),
    "two things to report on": (("x.csv", "--prometheus", "http://p"), None, "and not both"),
    "a file that is not there": (("nowhere.csv",), None, "nowhere.csv cannot be read: No such file"),
    "an empty table": (("-",), b"", "it needs a header line"),
    "a table of no rows": (("-",), b"start,message\n", "the table of incidents is empty"),
    "no start": (("-",), b"message\nx\n", "start"),
    "a start that is no time": (("-",), b"start\nyesterday\n", "row 1: start is 'yesterday', which is no time"),
    "a start in the future": (("-",), b"start\n2999-01-01\n", "in the future"),
    "two kinds of times": (("-",), b"start\n2026-01-01T00:00:00Z\n2026-01-01T00:00:00\n", "mixes time zones"),
    "junk": (("-",), b"\x00\x01\x02", "is binary"),
    "a text of another encoding": (("-",), b"start\n\xff\xfe\n", "is not UTF-8"),
    "a column that is not there": (("-", "--column", "start=opened"), b"start\n2026-01-01\n", "'opened' for start"),
    "a column that says nothing": (("-", "--column", "start"), b"start\n2026-01-01\n", "FIELD=COLUMN"),
    "a field that is none": (("-", "--column", "color=x"), b"x\n2026-01-01\n", "'color' is no field of an incident"),
    "a lookback in words": (
        ("-", "--lookback", "a day"),
        b"start\n2026-01-01\n",
        "--lookback: 'a day' is not a duration",
    ),
    "a lookback of nothing": (("-", "--lookback", "0s"), b"start\n2026-01-01\n", "at least 60 seconds"),
    "a zone that is none": (("-", "--time-zone", "Mars/Base"), b"start\n2026-01-01\n", "--time-zone is Mars/Base"),
    "an end that is no time": (("-", "--end", "soon"), b"start\n2026-01-01\n", "--end is 'soon', which is no time"),
    "a section that is none": (
        ("-", "--section", "Weather"),
        b"start\n2026-01-01\n",
        "section 'Weather' does not exist",
    ),
    "a level of certainty": (("-", "--level", "1"), b"start\n2026-01-01\n", "level must lie between 0 and 1"),
    "a matcher that is none": (("--prometheus", "http://127.0.0.1:1", "--matcher", "x"), None, "--matcher: "),
    "an address that is none": (("--prometheus", "localhost"), None, "--prometheus: "),
    "nobody at the address": (("--prometheus", "http://127.0.0.1:1"), None, "Prometheus"),
}


@pytest.mark.parametrize(("arguments", "stdin", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_said_in_one_sentence(opssight, arguments, stdin, says):
    answer = opssight("run", *arguments, stdin=stdin or b"")
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("opssight: ") and answer.err.count("\n") == 1
    assert says in answer.err


@pytest.mark.parametrize("previous", ["[]", "{}", "nonsense", '{"schemaVersion": "v1alpha1"}'])
def test_a_report_before_that_is_none_is_refused(opssight, table, tmp_path, previous):
    file = tmp_path / "before.json"
    file.write_text(previous)
    answer = opssight("run", str(table), "--previous", str(file))
    assert answer.code == 2
    assert "before.json is no JSON of a report" in answer.err or "schemaVersion" in answer.err


def test_the_command_line_and_the_http_api_make_the_same_report(opssight, tmp_path):
    incidents = worlds.plant(worlds.outage_at_two, 1)
    rows = [
        {
            "start": float(incidents.start[i]),
            "name": incidents.name[i],
            "severity": incidents.severity[i],
            "service": incidents.service[i],
            "message": incidents.message[i],
            "resource_type": incidents.resource_type[i],
        }
        for i in range(len(incidents))
    ]
    file = tmp_path / "incidents.json"
    file.write_text(json.dumps(rows))
    end = "2026-01-06T00:00:00Z"
    by_cli = json.loads(opssight("run", str(file), "-f", "json", "--end", end).out)
    body = json.dumps({"incidents": rows, "lookback_hours": 24, "end": end})
    status, said = answer("find_patterns", Asked(body.encode(), Limits(100_000, 10), worlds.WINDOW.end))
    assert status == 200, said
    by_http = json.loads(said)
    assert by_cli["sections"] == by_http["sections"]
    assert by_cli["summary"] == by_http["summary"]
    assert by_cli["highlights"]


class Cluster:
    """Objects by path."""

    def __init__(self, **files: str) -> None:
        kept = packed("morning", "opssight-prep-morning-20260106-0600", files or {"report.md": "# Tuesday\n"}, 64)
        times = {"at": "2026-01-06T06:00:05Z", "from": "2026-01-05T06:00:00Z", "to": "2026-01-06T06:00:00Z"}
        report = {
            "name": kept[0].name,
            "parts": len(kept),
            **times,
            "incidents": 3,
            "digest": "sha256:0",
            "generation": 1,
        }
        conditions = [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Reconciled",
                "lastTransitionTime": times["at"],
                "message": "",
            }
        ]
        status = {"lastReport": report, "history": [report], "conditions": conditions}
        reports = "/apis/opssight.dev/v1alpha1/namespaces/shop/patternreports"
        morning = {"metadata": {"name": "morning", "namespace": "shop"}, "status": status}
        new = {"metadata": {"name": "new", "namespace": "shop"}, "status": {"nextRunAt": "2026-01-07T06:00:00Z"}}
        self.objects: dict[str, Any] = {
            reports: {"items": [morning, new]},
            f"{reports}/morning": morning,
            f"{reports}/new": new,
            **{f"/api/v1/namespaces/shop/configmaps/{one.name}": {"data": dict(one.data)} for one in kept},
        }

    async def __call__(self, path: str) -> Any:
        return self.objects.get(path)


async def test_a_report_is_put_together_from_its_parts():
    html = "<p>line</p>\n" * 40
    cluster = Cluster(**{"report.md": "# Tuesday\n", "report.html": html})
    assert len(cluster.objects) > 5
    assert await kept_reports.show(cluster, "shop", "morning", form="md", which=None) == "# Tuesday\n"
    assert await kept_reports.show(cluster, "shop", "morning", form="html", which=None) == html
    by_time = await kept_reports.show(cluster, "shop", "morning", form="md", which="2026-01-06T06:00:00Z")
    assert by_time == "# Tuesday\n"


@pytest.mark.parametrize(
    ("name", "form", "which", "says"),
    [
        ("evening", "md", None, "there is no PatternReport evening in namespace shop"),
        ("new", "md", None, "has no report yet (Pending); the first one is due at 2026-01-07T06:00:00Z"),
        ("morning", "json", None, "the report has no json, as spec.outputs does not ask for it; it has md"),
        ("morning", "md", "other", "keeps no report other; it keeps opssight-prep-morning-20260106-0600"),
    ],
)
async def test_what_is_not_there_is_named(name, form, which, says):
    with pytest.raises(BadInput) as refusal:
        await kept_reports.show(Cluster(), "shop", name, form=form, which=which)
    assert says in str(refusal.value)


async def test_a_config_map_that_somebody_deleted_is_named():
    cluster = Cluster()
    del cluster.objects["/api/v1/namespaces/shop/configmaps/opssight-prep-morning-20260106-0600"]
    with pytest.raises(BadInput, match="opssight-prep-morning-20260106-0600 of the report is gone"):
        await kept_reports.show(cluster, "shop", "morning", form="md", which=None)


async def test_the_list_has_a_line_for_each_report():
    table = kept_reports.as_table(await kept_reports.all_of(Cluster(), "shop")).splitlines()
    assert table[0].split() == ["namespace", "name", "report", "from", "to", "incidents"]
    assert table[1].split()[:3] == ["shop", "morning", "opssight-prep-morning-20260106-0600"]
    assert table[2].split() == ["shop", "new", "Pending"]
    assert kept_reports.as_table([]) == "there are no PatternReports"


def test_without_a_kubeconfig_it_says_what_to_set(opssight, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    answer = opssight("list")
    assert answer.code == 2
    assert "there is no kubeconfig at" in answer.err and "set KUBECONFIG" in answer.err


def test_help_shows_examples(opssight):
    for command in ("show", "list", "run"):
        assert f"opssight report {command}" in opssight(command, "--help").out
    with contextlib.suppress(SystemExit):
        assert "show" in opssight("--help").out


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("{}", "PatternReport/morning: ok"),
        ("{schedule: {cron: 0 6 31 2-2 *}}", "never comes"),
        ("{schedule: {cron: 0 25 * * *}}", "five fields"),
        ("{schedule: {timeZone: Mars/Base}}", "schedule.timeZone is Mars/Base"),
        ("{inputs: {alerts: {matchers: ['a=~\"(\"']}}}", "inputs.alerts.matchers[0]"),
        ("{lookBack: 1d}", "spec.lookBack is no field; did you mean lookback?"),
    ],
)
def test_a_manifest_is_checked_offline(monkeypatch, capsys, tmp_path, spec, says):
    file = tmp_path / "report.yaml"
    file.write_text(
        f"apiVersion: opssight.dev/v1alpha1\nkind: PatternReport\nmetadata: {{name: morning}}\nspec: {spec}\n"
    )
    monkeypatch.setattr(sys, "argv", ["opssight", "validate", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr().out
    assert says in out
    assert ended.value.code == (0 if out.endswith("ok\n") else 1)
