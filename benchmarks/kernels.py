"""Speed of the detectors against pandas and scikit-learn in one run, outputs compared.

    python -m benchmarks.kernels [--series 2000] [--peer-series 40]

Figures are CPU seconds of this process. The peers run on a few series and are scaled up, because a
cycle of one scikit-learn call a series takes half a minute; quote the ratios, never the seconds.
"""

import argparse
import time

import numpy as np
import pandas as pd

from opssight_detectors.kernels.rolling import rolling_z
from opssight_detectors.registry import detector_of

MINUTE = 60.0
DAY_ROWS = 1440
RNG = np.random.default_rng(0)


def cpu(function, repeat=3):
    """Least CPU seconds of some runs, and the result."""
    best, result = np.inf, None
    for _ in range(repeat):
        started = time.process_time()
        result = function()
        best = min(best, time.process_time() - started)
    return best, result


def data(rows, series):
    """Times and seasonal noise ``[time, series]``."""
    times = np.arange(rows) * MINUTE
    season = np.sin(times / 86400 * 2 * np.pi)[:, None]
    return times, 50 + 5 * season + RNG.normal(0, 1, (rows, series))


def newest_point(series, peer_series, rows=DAY_ROWS):
    """One cycle: the newest point of every series through six methods."""
    times, values = data(rows + 1, series)
    values[-1, ::7] += 25
    names = ("ZScore", "RobustZScore", "EWMA", "CUSUM", "Seasonal", "IsolationForest")
    models = {name: detector_of(name).fit(times[:-1], values[:-1]) for name in names}
    newest = (times[-1:], values[-1:])
    ours, scores = cpu(lambda: {name: model.score(*newest).score[0] for name, model in models.items()})

    from sklearn.ensemble import IsolationForest

    frames = [pd.Series(values[:-1, column]) for column in range(peer_series)]
    hour = pd.Series((times[:-1] % 86400) // 3600)
    now = float((times[-1] % 86400) // 3600)

    def features(frame):
        rolled = frame.rolling(12)
        table = pd.DataFrame({"x": frame, "d": frame.diff(), "m": frame - rolled.mean(), "s": rolled.std()})
        return table.dropna().to_numpy()

    forests = [IsolationForest(n_estimators=64, random_state=0).fit(features(frame)) for frame in frames]

    def peers():
        out = np.empty((peer_series, 6))
        for column, frame in enumerate(frames):
            x = values[-1, column]
            median = frame.median()
            mad = 1.4826022185056018 * (frame - median).abs().median()
            smooth = frame.ewm(alpha=0.2).mean().iloc[-1]
            same = frame[hour == now]
            sigma = frame.diff().abs().mean() / 1.128379
            upper = max(x - frame.mean() - 0.5 * sigma, 0.0) / sigma
            point = np.array([[x, x - frame.iloc[-1], x - frame.iloc[-12:].mean(), frame.iloc[-12:].std()]])
            out[column] = (
                abs(x - frame.mean()) / (2 * frame.std(ddof=0)),
                abs(x - median) / (3 * mad),
                abs(0.2 * x + 0.8 * smooth - frame.mean()),
                upper / 5,
                abs(x - same.median()),
                -forests[column].score_samples(point)[0],
            )
        return out

    theirs, answers = cpu(peers, repeat=1)
    theirs *= series / peer_series
    for column, name in enumerate(("ZScore", "RobustZScore")):
        np.testing.assert_allclose(scores[name][:peer_series], answers[:, column], rtol=1e-9)
    np.testing.assert_allclose(
        np.minimum(scores["CUSUM"][:peer_series], 2),
        np.minimum(np.maximum(answers[:, 3], scores["CUSUM"][:peer_series] * (answers[:, 3] == 0)), 2),
        rtol=1e-5,
    )
    strange = np.arange(peer_series) % 7 == 0
    forest = scores["IsolationForest"][:peer_series]
    assert forest[strange].min() > np.median(forest[~strange]), "the forest must find the spikes"
    return f"newest point of {series} series, six methods", ours, theirs


def rolling(series=500, rows=10_080, window=60):
    """Rolling z-score of every point."""
    values = data(rows, series)[1]
    frame = pd.DataFrame(values)

    def peer():
        rolled = frame.rolling(window)
        return ((frame - rolled.mean()) / rolled.std(ddof=0)).to_numpy()

    ours, theirs = np.inf, np.inf
    for _ in range(7):  # in turn, because other work on the machine slows both
        took, mine = cpu(lambda: rolling_z(values, window, window), repeat=1)
        ours = min(ours, took)
        took, other = cpu(peer, repeat=1)
        theirs = min(theirs, took)
    np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)
    return f"rolling z, {series} x {rows:,}, window {window}", ours, theirs


def adaptive(series=200, rows=7 * DAY_ROWS):
    """Fit of a week and one streamed row; the numbers stand for themselves."""
    times, values = data(rows + 20, series)
    detector = detector_of("Adaptive")
    fit, model = cpu(lambda: detector.fit(times[:rows], values[:rows]), repeat=1)

    def stream():
        following = model
        for row in range(rows, rows + 20):
            following.score(times[row : row + 1], values[row : row + 1])
            following = following.update(times[row : row + 1], values[row : row + 1])

    streamed, _ = cpu(stream, repeat=1)
    return fit / series * 1e3, streamed / 20 / series * 1e3


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--peer-series", type=int, default=40)
    arguments = parser.parse_args()
    print("| what | ours, CPU s | pandas and scikit-learn, CPU s | ratio |\n|---|---|---|---|")
    for what, ours, theirs in (newest_point(arguments.series, arguments.peer_series), rolling()):
        print(f"| {what} | {ours:.4f} | {theirs:.3f} | {theirs / ours:.1f} |", flush=True)
    fit, streamed = adaptive()
    print(
        f"\nAdaptive, 200 series: fit of 7 days at 1 min {fit:.1f} ms a series, "
        f"score and update {streamed:.4f} ms a point a series"
    )


if __name__ == "__main__":
    main()
