"""The command ``opssight backtest``; what it works with is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .inputs import Input


def backtest(
    given: Input,
    *,
    manifest: Annotated[
        Path | None,
        typer.Option("--manifest", "-f", metavar="FILE", help="An AnomalyDetector or ThresholdPolicy to try."),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="The method to try; ZScore if neither it, an estimator nor a threshold is given.")
    ] = None,
    sensitivity: o.Sensitivity = None,
    direction: o.Deviations = o.Direction.BOTH,
    estimator: Annotated[str | None, typer.Option(help="The estimator of thresholds to try.")] = None,
    threshold: Annotated[float | None, typer.Option(help="One threshold to try.")] = None,
    parameters: o.Parameters = None,
    bound: o.BadSide = o.Bound.UPPER,
    alert_for: Annotated[str, typer.Option("--for", help="Beyond a threshold before it alerts.")] = "0s",
    keep_firing_for: Annotated[str, typer.Option(help="How long an alert on a threshold fires on.")] = "0s",
    training: Annotated[
        str | None, typer.Option(help="How much is learned from before it judges; half of the history if not given.")
    ] = None,
    refit: Annotated[
        str | None, typer.Option(help="How long what was learned is used; a quarter of the training if not given.")
    ] = None,
    incidents: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labelled incidents: CSV or JSON with start and end.")
    ] = None,
    exit_code: o.ExitCode = False,
    output: o.PageOutput = o.PageFormat.TABLE,
) -> None:
    """Walk through a history and tell which alerts there would have been; nothing is judged by what came later.

    \b
    opssight backtest --csv latency.csv --column p99 --time-column time --method RobustZScore --sensitivity 4
    opssight backtest --csv latency.csv --column p99 --step 1m --threshold 0.5 --for 5m --incidents incidents.csv
    opssight backtest -f examples/anomalydetector-latency.yaml --prometheus http://localhost:9090 --last 14d
    opssight backtest --csv cpu.csv --column cpu --step 1m --estimator Percentile -o html > page.html

    Exits with 0, with 1 when there would have been alerts and --exit-code was given, and with 2 when the input is bad.
    """
    from . import backtesting, writing

    settings = o.settings(parameters, sensitivity)
    chosen = backtesting.Choice(
        method=method,
        direction=direction.value,
        estimator=estimator,
        threshold=threshold,
        parameters=tuple(settings),
        bound=bound.value,
        for_=alert_for,
        keep_firing_for=keep_firing_for,
        training=training,
        refit=refit,
        incidents=incidents,
    )
    if manifest is None:
        tried = [backtesting.tried(given, chosen)]
    else:
        from .trial import tried_manifest

        tried = tried_manifest(manifest, given, chosen)
    if output is o.PageFormat.HTML:
        from .backtest_page import page

        typer.echo(page(tried))
    else:
        typer.echo(writing.written(output.value, backtesting.plain(tried), backtesting.text(tried)))
    if exit_code and any(one.result.alerts for one in tried):
        raise typer.Exit(o.EXIT_FINDINGS)
