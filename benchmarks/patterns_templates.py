"""Grouping accuracy and speed of the template miner on labelled logs.

    python benchmarks/patterns_templates.py FOLDER

FOLDER holds ``log_score.py`` with ``grouping_accuracy(truth, found)`` and ``datasets.py`` with ``loghub(split, root)``,
or the data folder below it. One configuration for all systems; the speed is measured with a cold miner on one core.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from opssight_detectors.patterns.templates import TemplateMiner, mine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="public", choices=["public", "hidden", "all"])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    scorer = arguments.folder if (arguments.folder / "log_score.py").exists() else arguments.folder.parent
    data = arguments.folder if scorer != arguments.folder else arguments.folder / "data"
    sys.path.insert(0, str(scorer))
    grouping_accuracy = importlib.import_module("log_score").grouping_accuracy
    logs = importlib.import_module("datasets").loghub(arguments.split, str(data))

    rows = {}
    for system, (messages, truth) in logs.items():
        started = time.perf_counter()
        found = mine(messages)
        seconds = time.perf_counter() - started
        accuracy, f1 = grouping_accuracy(truth, found)
        rows[system] = (accuracy, f1, len(set(truth)), len(set(found)), len(messages) / seconds)
    everything = [message for messages, _ in logs.values() for message in messages]
    started = time.perf_counter()
    miner = TemplateMiner()
    miner.learn(everything)
    miner.mined()
    speed = len(everything) / (time.perf_counter() - started)
    ga = sum(row[0] for row in rows.values()) / len(rows)
    fga = sum(row[1] for row in rows.values()) / len(rows)
    if arguments.json:
        print(json.dumps({"GA": ga, "FGA": fga, "lines_per_second": speed, "systems": rows}))
        return
    print(f"{'system':<12} {'GA':>7} {'FGA':>7} {'true':>6} {'found':>6} {'lines/s':>9}")
    for system, (accuracy, f1, true, mined, rate) in rows.items():
        print(f"{system:<12} {accuracy:7.4f} {f1:7.4f} {true:6d} {mined:6d} {rate:9.0f}")
    print(f"{'mean':<12} {ga:7.4f} {fga:7.4f} {'':>13} {speed:9.0f}  (all lines in one miner)")


if __name__ == "__main__":
    main()
