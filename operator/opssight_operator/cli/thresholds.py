"""The command ``opssight thresholds``; what it works with is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o
from .inputs import Input


def thresholds(
    given: Input,
    *,
    estimator: Annotated[
        str,
        typer.Option(help="Percentile, DecayingHistogram, PeaksOverThreshold, AlertBudget or ExceedanceRate."),
    ] = "Percentile",
    parameters: o.Parameters = None,
    percentile: Annotated[
        float | None, typer.Option(help="The share of samples on the good side, in percent; 95 if not given.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="Added away from normal, as a fraction: 0.1 is 10 %; none if not given.")
    ] = None,
    bound: o.BadSide = o.Bound.UPPER,
    alert_for: Annotated[str, typer.Option("--for", help="How long the alert waits before it fires.")] = "5m",
    keep_firing_for: Annotated[str, typer.Option(help="How long it fires on afterwards.")] = "0s",
    interval: Annotated[
        str | None, typer.Option(help="How often the rule is evaluated; at each number if not given.")
    ] = None,
    current: Annotated[float | None, typer.Option(help="The threshold of today, to be simulated too.")] = None,
    start: Annotated[str | None, typer.Option(help="Time of the first number, to tell the night.")] = None,
    time_zone: Annotated[str, typer.Option(help="Time zone in which night is 22:00 to 06:00.")] = "UTC",
    output: o.Output = o.Format.TABLE,
) -> None:
    """Learn an alert threshold from each list of numbers: its 95th percentile, or by another estimator.

    \b
    opssight thresholds 70 75 72 80 85
    opssight thresholds --csv cpu.csv --step 1m --for 5m --current 80
    opssight thresholds --csv cpu.csv --estimator ExceedanceRate --set rate=0.001
    opssight thresholds --prometheus http://localhost:9090 --query 'job:error_rate' --last 14d
    echo '{"cpu_utilization": [70, 75, 72, 80, 85], "error_rate": [2, 3, 2.5, 4, 3]}' | opssight thresholds -o json

    With --step or times the alerts that a rule would have raised are simulated.
    Exits with 0, and with 2 when the input is bad.
    """
    from . import learning, samples, simulating, writing

    waits = simulating.alert_waits(alert_for, keep_firing_for)
    chosen = learning.estimator_given(estimator, parameters or [], percentile=percentile, margin=margin, waits=waits)
    found = samples.gathered(given)
    learned = learning.learn(found, chosen, bound=bound.value, step=given.step)
    if given.step is not None or found.times is not None:
        rule = simulating.AlertOptions(
            given.step or samples.DEFAULT_STEP,
            alert_for,
            keep_firing_for,
            start,
            time_zone,
            current,
            bound.value,
            interval,
        )
        learned = learning.with_simulation(learned, found, rule)
    for note in learned.notes:
        typer.echo(note, err=True)
    typer.echo(writing.written(output.value, learned.plain, learned.table))
