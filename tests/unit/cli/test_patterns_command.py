"""``opssight patterns``: the report on a table, in every format that a table comes in and a report goes out."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from command_line import Opssight

END = datetime(2026, 3, 15, tzinfo=UTC)


def incidents() -> list[dict[str, Any]]:
    """Two quiet weeks, and a last night in which checkout pods were killed every few minutes."""
    dice = random.Random(3)
    before = [END - timedelta(hours=24 + dice.uniform(0, 24 * 13)) for _ in range(40)]
    night = [END - timedelta(hours=6) + timedelta(minutes=7 * i) for i in range(25)]
    rows = [(at, "Node", "warning", "disk pressure on node") for at in before]
    rows += [(at, "Pod", "critical", f"OOMKilled pod-{i}") for i, at in enumerate(night)]
    return [
        {"timestamp": at.isoformat(), "resource_type": kind, "severity": severity, "message": message}
        for at, kind, severity, message in sorted(rows)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, rows = tmp_path_factory.mktemp("tables"), incidents()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (made / "table.csv").write_text(text.getvalue())
    (made / "table.json").write_text(json.dumps(rows))
    (made / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), made / "table.parquet")
    return made


def test_the_report_says_what_was_killed_and_how_often(opssight: Opssight, folder: Path) -> None:
    said = opssight("patterns", folder / "table.csv", "--end", END.isoformat())
    assert said.code == 0, said.err
    assert "**25 incidents**" in said.out
    assert "OOMKilled" in said.out
    assert "Pod" in said.out


def test_every_format_of_a_table_gives_the_same_report(opssight: Opssight, folder: Path) -> None:
    told = [
        json.loads(opssight("patterns", folder / name, "--end", END.isoformat(), "-o", "json").out)
        for name in ("table.csv", "table.json", "table.jsonl", "table.parquet")
    ]
    stdin = opssight("patterns", "-", "--end", END.isoformat(), "-o", "json", stdin=(folder / "table.csv").read_text())
    told.append(json.loads(stdin.out))
    assert all(one["digest"] == told[0]["digest"] for one in told)
    assert told[0]["summary"]["incidents"] == 25


def test_columns_sections_and_the_report_before_can_be_given(opssight: Opssight, folder: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.csv"
    renamed.write_text((folder / "table.csv").read_text().replace("message", "text", 1).replace("severity", "prio", 1))
    before = tmp_path / "before.json"
    before.write_text(opssight("patterns", folder / "table.csv", "--end", "2026-03-14T00:00:00Z", "-o", "json").out)
    said = opssight(
        *("patterns", renamed, "--end", END.isoformat(), "--column", "message=text", "--column", "severity=prio"),
        *("--section", "ErrorPatterns", "--previous", before, "-o", "json", "--exit-code"),
    )
    told = json.loads(said.out)
    assert [section["name"] for section in told["sections"]] == ["ErrorPatterns"]
    assert told["comparison"]["previousIncidents"] <= 25
    assert said.code == (1 if told["highlights"] else 0)


def test_the_page_is_one_file(opssight: Opssight, folder: Path) -> None:
    page = opssight(
        "patterns", folder / "table.json", "--end", END.isoformat(), "-o", "html", "--title", "Last night"
    ).out
    assert page.startswith("<!doctype html>")
    assert "Last night" in page
    assert "src=" not in page
