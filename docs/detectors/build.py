"""Write the page of every detector: hand-written words from here, parameters and plot from the code.

python docs/detectors/build.py          # writes docs/detectors/*.md and plots/*.svg
python docs/detectors/build.py --check  # fails when a page is not what the code would write
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from opssight_detectors.registry import describe, detector_of
from opssight_operator.api.methods import BLOCKS, Method

HERE = Path(__file__).parent
ROWS, TRAINING = 1152, 864  # four days of five minutes, three to learn from
WIDTH, HEIGHT = 720, 220

WORDS = {
    "Adaptive": (
        "Many causal views of the series (its level, windows of several lengths, spread, the same time of day, the "
        "same hour of the week) each say how surprising the newest value is by their own past; contexts say how new "
        "such a value is after such values at such an hour. The mean of all decides. A restless series needs more, "
        "and what has happened often before needs more still. Methods: exponential tails above a high quantile "
        "(Pickands 1975), context novelty (Smirnov's Contextual Anomaly Detector). From 3 to 200 samples a plain band "
        "around the median speaks as well, by Student's quantiles and three rows together; from 60 on the views do.",
        "Nearly everything, with one setting: spikes, shifts, outages, changed noise, wrong time of day.",
        "Slow drift over weeks; a fault that repeats in the same way becomes ordinary. A series that starts without "
        "history alarms two to three times as often in its first 200 samples; `minSamples: 200` keeps it silent for "
        "so long.",
        "About 65 kB a series, and up to 35 kB for the rows that wait to be learned.",
    ),
    "ZScore": (
        "`score = |x - mean| / (sensitivity * deviation)` over the training window; the deviation has a floor, so a "
        "constant series neither divides by zero nor alarms on rounding (Shewhart 1931).",
        "Steady metrics with roughly normal noise, and short lists.",
        "A season, a trend or old incidents in the window widen the band; in a list of n values no z is above "
        "(n - 1) / sqrt(n).",
        "24 bytes a series.",
    ),
    "RobustZScore": (
        "`score = |x - median| / (sensitivity * 1.4826 * MAD)`; where more than half of the samples are equal the "
        "mean absolute deviation speaks (Iglewicz & Hoaglin 1993).",
        "The same metrics when the history has outliers: up to half of it may be bad.",
        "Seasons, and metrics that jump between two levels: the rarer level is an outlier.",
        "8 bytes a sample of the training window.",
    ),
    "Shewhart": (
        "A control chart of single values: sigma from moving ranges, and the selected Western Electric (1956) and "
        "Nelson (1984) rules. The score passes 1 exactly when a rule is broken, and the explanation names it.",
        "Steady processes where a run or an alternation means something.",
        "Correlated samples: a slow wave breaks the rules on runs. Use fewer rules, or Seasonal.",
        "About 180 bytes a series.",
    ),
    "EWMA": (
        "`s = s + weight * (z - s)`; `score = |s| / (sensitivity * sqrt(weight / (2 - weight)))` (Roberts 1959).",
        "Small shifts that last, one or two sigma.",
        "Seasons and trends look like shifts; a single spike is smoothed.",
        "About 70 bytes a series.",
    ),
    "CUSUM": (
        "`s+ = max(0, s+ + z - slack)`, `s-` likewise; `score = max(s+, s-) / decision` (Page 1954). The sums stop "
        "at twice the decision, so that the chart comes back soon after an incident.",
        "The quickest detection of a shift of known size: slack is half of it.",
        "Seasons, trends, correlated samples.",
        "About 80 bytes a series.",
    ),
    "Seasonal": (
        "The median of the same hour of the day, and of the week from two weeks of history on, each drawn towards "
        "the coarser one by its own uncertainty; spread by MAD. Hours follow the wall clock of `timeZone`, so "
        "daylight saving moves nothing. After STL (Cleveland 1990), without its iterations.",
        "Traffic, load, sales: what people do. It needs no full season and says how many hours it has not seen.",
        "A level that drifts within the training window; seasons that are no day and no week.",
        "About 3 kB a series, and 8 bytes a sample.",
    ),
    "IsolationForest": (
        "Random splits isolate strange combinations of value, change, distance from the last 12 samples, their "
        "spread, and distance from the hour's median (Liu, Ting & Zhou 2008). All series are scored in one call.",
        "Several mild oddities together; changed noise.",
        "Far and very far look alike, so the score saturates; needs some 100 samples; no band to show.",
        "66 kB a series, and 65 kB for all together. The trees are grown at fit; updates follow the newest samples.",
    ),
    "Autoencoder": (
        "Windows of 24 samples through a narrow code and back; what the code cannot rebuild is strange. `Linear` is "
        "closed form (Baldi & Hornik 1989), `Network` is a small trained network, deterministic by its seed.",
        "Shapes: a beat that skips, a plateau in place of a peak.",
        "Noise without shape; after an anomaly the window holds it for 24 samples.",
        "About 1 kB (Linear) or 8 kB (Network) a series.",
    ),
    "PeerOutlier": (
        "The distance from the median of the other series at the same moment, minus the usual distance; or the "
        "distance to the third nearest peer (Ramaswamy 2000).",
        "Pods of one workload, disks of one array: siblings that share their load, from the first minutes on.",
        "What all share is invisible; it needs three other series.",
        "32 bytes a series.",
    ),
}


def example() -> tuple[np.ndarray, np.ndarray]:
    """Four days of six siblings with noise; on the last day the first one shifts, then spikes."""
    rng = np.random.default_rng(7)
    times = 1_700_006_400.0 + np.arange(ROWS) * 300.0
    daily = 8 * np.sin((times % 86400) / 86400 * 2 * np.pi)[:, None]
    values = 50 + daily + rng.normal(0, 1, (ROWS, 6))
    values[960:1000, 0] += 12
    values[1080, 0] += 45
    return times, values


def polyline(y: np.ndarray, low: float, high: float, top: int, height: int, style: str) -> str:
    """One line of the plot; NaN breaks it."""
    x = np.linspace(0, WIDTH, len(y))
    drawn = top + height - (np.clip(y, low, high) - low) / (high - low) * height
    parts = np.split(np.arange(len(y)), np.flatnonzero(np.isnan(y)))
    points = (
        " ".join(f"{x[i]:.1f},{drawn[i]:.1f}" for i in part if np.isfinite(y[i])) for part in parts if len(part) > 1
    )
    return "".join(f'<polyline points="{line}" fill="none" {style}/>' for line in points if line)


def plot(method: str) -> str:
    """The example's last day with the band and the score of a method, as SVG."""
    times, values = example()
    model = detector_of(method).fit(times[:TRAINING], values[:TRAINING])
    scores = model.score(times[TRAINING:], values[TRAINING:])
    shown = values[TRAINING:, 0]
    score = scores.score[:, 0]
    marks = "".join(
        f'<circle cx="{row * WIDTH / (len(shown) - 1):.1f}" '
        f'cy="{20 + 120 - (shown[row] - 30) / 75 * 120:.1f}" r="2.5" fill="#c0392b"/>'
        for row in np.flatnonzero(score > 1)
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="4" y="14" font-size="12">{method}: value, band and anomalous points</text>',
            polyline(scores.lower[:, 0], 30, 105, 20, 120, 'stroke="#b0bec5"'),
            polyline(scores.upper[:, 0], 30, 105, 20, 120, 'stroke="#b0bec5"'),
            polyline(scores.expected[:, 0], 30, 105, 20, 120, 'stroke="#78909c" stroke-dasharray="3 3"'),
            polyline(shown, 30, 105, 20, 120, 'stroke="#1565c0"'),
            marks,
            '<text x="4" y="156" font-size="12">score (line at 1, drawn up to 4)</text>',
            polyline(np.full(len(score), 1.0), 0, 4, 160, 56, 'stroke="#e57373" stroke-dasharray="2 4"'),
            polyline(score, 0, 4, 160, 56, 'stroke="#37474f"'),
            "</svg>\n",
        ]
    )


def manifest(method: str) -> list[str]:
    """A detector of this method with every parameter of its block, as lines of YAML."""
    block = Method.model_validate({"type": method}).block().dump()
    head = ["apiVersion: opssight.dev/v1alpha1", "kind: AnomalyDetector", "metadata:", "  name: latency", "spec:"]
    query = ["  queries:", "  - name: p99", "    expr: service:latency:p99"]
    name = {str(kind): block for kind, block in BLOCKS.items()}[method]
    given = [f"      {key}: {json.dumps(value)}" for key, value in block.items()]
    return [*head, *query, "  method:", f"    type: {method}", *([f"    {name}:", *given] if given else [])]


def pages() -> dict[Path, str]:
    """Every file that this script owns, with its content."""
    out: dict[Path, str] = {}
    index = ["# Detectors", "", "| method | in a sentence |", "|---|---|"]
    for method in describe():
        formula, works, fails, memory = WORDS[method.name]
        rows = [
            f"| `{item.yaml_name}` | `{item.default}` | {item.allowed} | {item.text} |" for item in method.parameters
        ]
        out[HERE / f"{method.name}.md"] = "\n".join(
            [
                f"# {method.name}",
                "",
                method.summary,
                "",
                f"![{method.name} on an example](plots/{method.name}.svg)",
                "",
                f"**How.** {formula}",
                "",
                f"**Works for.** {works}",
                "",
                f"**Fails at.** {fails}",
                "",
                f"**Memory.** {memory}",
                "",
                "| parameter | default | allowed | meaning |",
                "|---|---|---|---|",
                *rows,
                "",
                "In a resource, with its defaults:",
                "",
                "```yaml",
                *manifest(method.name),
                "```",
                "",
            ]
        )
        out[HERE / "plots" / f"{method.name}.svg"] = plot(method.name)
        index.append(f"| [{method.name}]({method.name}.md) | {method.summary} |")
    common = (HERE / "common.txt").read_text()
    out[HERE / "README.md"] = "\n".join([*index, "", common])
    return out


def main() -> int:
    """Write or check."""
    wrong = []
    for path, text in pages().items():
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                wrong.append(path.name)
        else:
            path.write_text(text)
    if wrong:
        sys.stderr.write(f"not what the code says, run docs/detectors/build.py: {', '.join(wrong)}\n")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
