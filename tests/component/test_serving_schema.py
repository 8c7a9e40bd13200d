"""The published OpenAPI against the running server: whatever the schema allows or forbids, the answers keep to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from serving_process import ServeProcess

TOKEN = "a-token-of-the-test"
EXAMPLES = os.environ.get("OPSSIGHT_SCHEMA_EXAMPLES", "40")  # for each operation and phase

# 400 is for what the schema forbids, so that what it allows must never get it; but fields that each are right may
# not go together (422), which a schema cannot say.
CONFIGURATION = f"""
headers = {{ Authorization = "Bearer {TOKEN}" }}
[checks.positive_data_acceptance]
expected-statuses = ["200", "422"]
"""


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    with ServeProcess(tmp_path, token_file=tmp_path / "tokens") as server:
        run = subprocess.run(
            [
                Path(sys.executable).parent / "schemathesis",
                *("--config-file", configuration, "--no-color"),
                *("run", f"http://127.0.0.1:{server.port}/openapi.json"),
                *("--checks", "all", "--max-examples", EXAMPLES, "--seed", "1"),
                *("--generation-database", ":memory:", "--request-timeout", "30"),
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            timeout=280,
        )
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        assert "No issues found" in run.stdout, run.stdout[-3000:]
        assert not server.lines("a request failed") and not server.lines("an operation failed")
        answered = {line["status"] for line in server.lines("request")}
        assert {200, 400, 401, 405, 422} <= answered, "it has tried what is allowed and what is forbidden"
