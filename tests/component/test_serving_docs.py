"""The examples of docs/serving.md, run as they stand there."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

from opssight_operator.serving.settings import ServeSettings
from pages import ROOT, blocks_of
from serving_process import ServeProcess

DOCS = ROOT / "docs" / "serving.md"


def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    blocks = [block for block in blocks_of(DOCS) if block.kind == "console"]
    examples = [example for block in blocks for example in block.session()]
    assert len(examples) >= 6
    with ServeProcess(tmp_path) as server:
        for command, said in examples:
            local = command.replace("localhost:8090", f"127.0.0.1:{server.port}")
            run = subprocess.run(["bash", "-c", local], capture_output=True, text=True, check=True, timeout=60)
            assert run.stdout.strip("\n") == said, command


def test_every_setting_is_in_the_table_with_its_default() -> None:
    text = DOCS.read_text()
    for field in fields(ServeSettings):
        row = next((line for line in text.splitlines() if line.startswith("| `") and f"`{field.name}`" in line), None)
        assert row is not None, field.name
        default = row.split("|")[2]
        if isinstance(field.default, bool) or field.default == "" or field.name == "workers":
            continue
        shown = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        assert re.search(rf"(?<!\d){re.escape(shown)}(?!\d)", default), row
