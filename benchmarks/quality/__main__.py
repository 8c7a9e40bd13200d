"""Print how well the shipped default detects, on public data and with public scorers.

    python -m benchmarks.quality --kit PATH [--data PATH] [--split public] [nab] [nezha] [tsb]

``--kit`` is a folder with nab_score.py, vus_pr.py, datasets.py and baselines.py, and the data below it
(or at ``--data``). Nothing of it enters this repository. NAB is causal: each file starts from an empty
model, and a check with changed later rows refuses look-ahead. The table at the end holds every figure.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from . import detect


def _nab_one(item):
    name, times, values = item
    return name, detect.scores(times, values)


def nab(kit, split, data):
    """Standard, low-FP and low-FN score at our own boundary and at the best one."""
    from nab_score import NabScorer, looks_ahead

    series = kit.nab(split, root=data)
    started = time.process_time()
    print(f"\n## NAB, {split}, {len(series)} files, causal, one configuration\n", flush=True)
    ahead = looks_ahead(series, detect.scores, files=3)
    if ahead:
        sys.exit(f"uses later rows: {ahead}")
    items = sorted(((name, s.t, s.v) for name, s in series.items()), key=lambda item: -len(item[1]))
    with ProcessPoolExecutor(2) as pool:
        scores = dict(pool.map(_nab_one, items))
    scorer = NabScorer(series)
    print("| boundary | standard | low FP | low FN | windows hit | false alarms |")
    print("|---|---|---|---|---|---|")
    own, best = np.nan, None
    for factor in (1.0, *np.arange(0.7, 1.35, 0.05).round(2)):
        alarms = {name: detect.alarms_at(score, factor) for name, score in scores.items()}
        result = scorer.score(alarms, 0.5)
        row = [result[profile]["score"] for profile in result]
        text = " | ".join(f"{value:.1f}" for value in row)
        found = result["standard"]
        line = f"| {factor:g} | {text} | {found['windows_hit']}/{found['windows']} | {found['fp_rows']} |"
        if best is None:
            own = row[0]
            print(line.replace("| 1 |", "| score > 1 (our own) |"))
            best = (row[0], line)
        elif row[0] > best[0]:
            best = (row[0], line)
    print(best[1].replace("| ", "| best, score > ", 1), flush=True)
    print(f"\n{time.process_time() - started:.1f} s CPU in this process besides the pool")
    return [
        ("NAB, standard score at our own boundary, score > 1", ">= 64", f"{own:.1f}"),
        ("NAB, standard score at the best boundary", "within 5 of our own", f"{best[0]:.1f}"),
    ]


def nezha(kit, split, data):
    """Share of CPU faults alarmed on the right pod, and false alarm episodes a pod-day."""
    from baselines import nezha_eval

    print(f"\n## Nezha, {split}: CPU of every pod, Above, minDeviation 30, with traffic, for two rows\n")
    print("| method | day | CPU faults | alarmed | false alarms a pod-day | delay, min |\n|---|---|---|---|---|---|")
    rows = []
    days = kit.nezha(split, root=data)
    pod_days = [detect.quiet_pod_days(day) for day in days]
    for method in ("RobustZScore", "Adaptive"):
        results = [nezha_eval(day, detect.pod_scores(day, method), np.nextafter(1.0, 2.0)) for day in days]
        for day, result in zip(days, results, strict=True):
            delay = np.mean(result["delay"]) if result["delay"] else np.nan
            print(
                f"| {method} | {day.date} | {result['cpu']} | {result['hit']} | "
                f"{result['false_per_pod_day']:.3f} | {delay:.1f} |",
                flush=True,
            )
        false = np.dot(pod_days, [result["false_per_pod_day"] for result in results]) / sum(pod_days)
        hit, faults = (sum(result[key] for result in results) for key in ("hit", "cpu"))
        rows += [
            (f"Nezha, {method}: CPU faults alarmed within 5 min on the right pod", "all", f"{hit} of {faults}"),
            (f"Nezha, {method}: false alarm episodes a pod-day", "<= 0.1", f"{false:.3f}"),
        ]
    return rows


def tsb(kit, split, data):
    """VUS-PR of the live and of the retrospective ranking."""
    from vus_pr import find_period, vus

    series = kit.tsb(split, root=data)
    print(f"\n## TSB-AD, {split}, {len(series)} series: VUS-PR\n\n| ranking | mean | median |\n|---|---|---|")
    rows = []
    for name, rank, goal in (("live", detect.live_rank, 0.45), ("retrospective", detect.past_rank, 0.65)):
        with ProcessPoolExecutor(2) as pool:
            ranked = pool.map(rank, [s.v for s in series.values()], [s.n_train for s in series.values()])
        values = [vus(s.label, score, find_period(s.v))[0] for s, score in zip(series.values(), ranked, strict=True)]
        print(f"| {name} | {np.mean(values):.3f} | {np.median(values):.3f} |", flush=True)
        rows.append((f"TSB-AD, {name}: mean VUS-PR", f"> {goal}", f"{np.mean(values):.3f}"))
    return rows


def main():
    """Run the chosen sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help="nab, nezha, tsb; all when none is given")
    parser.add_argument("--kit", type=Path, required=True, help="folder of the scorers")
    parser.add_argument("--data", type=Path, default=None, help="folder of the data; the kit's own when absent")
    parser.add_argument("--split", default="public")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.kit))
    import datasets

    runs = {"nab": nab, "nezha": nezha, "tsb": tsb}
    wrong = [name for name in arguments.sets if name not in runs]
    if wrong:
        parser.error(f"sets must be of {', '.join(runs)}, not {wrong[0]!r}")
    rows = []
    for name in arguments.sets or runs:
        rows += runs[name](datasets, arguments.split, arguments.data and str(arguments.data))
    print(f"\n## The shipped default, {arguments.split}\n\n| figure | goal | measured |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
