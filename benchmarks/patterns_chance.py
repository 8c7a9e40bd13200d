"""How often a report claims something when there is nothing but chance, and how long a report takes.

    python benchmarks/patterns_chance.py [SEEDS]

At most one report of twenty may make a false claim, whatever the rate of incidents and its daily cycle.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from opssight_detectors.patterns.report import analyse

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from oracles import patterns_worlds as worlds

WORLDS = {
    "12 a day, 4 weeks": {"per_day": 12.0},
    "12 a day, 4 weeks, day and night": {"per_day": 12.0, "day_cycle": 0.9},
    "3 a day, 4 weeks": {"per_day": 3.0},
    "100 a day, 4 weeks": {"per_day": 100.0},
    "100 a day, 4 weeks, day and night": {"per_day": 100.0, "day_cycle": 0.9},
    "60 a day, no history": {"per_day": 60.0, "days": 1},
    "500 a day, no history": {"per_day": 500.0, "days": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="?", default=200)
    seeds = parser.parse_args().seeds
    print(f"{'world':<36} {'reports':>8} {'false':>7} {'ms each':>8}  claims")
    for name, settings in WORLDS.items():
        claims: Counter[str] = Counter()
        wrong = 0
        took = 0.0
        for seed in range(seeds):
            incidents = worlds.chance_world(np.random.default_rng(seed), **settings)
            since = worlds.WINDOW.end - settings.get("days", 28) * worlds.DAY
            started = time.perf_counter()
            report = analyse(incidents, worlds.WINDOW, history_start=since).report
            took += time.perf_counter() - started
            found = [f for section in report.sections for f in section.findings if f.p_value is not None]
            wrong += bool(found)
            claims.update({f"{f.section}/{f.kind}" for f in found})
        print(f"{name:<36} {seeds:8d} {wrong / seeds:7.3f} {1e3 * took / seeds:8.1f}  {dict(claims) or ''}")


if __name__ == "__main__":
    main()
