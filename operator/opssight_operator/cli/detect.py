"""The commands ``detect``, ``explain`` and ``methods``; what they work with is imported when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as o
from .inputs import Input


def detect(
    given: Input,
    *,
    method: o.MethodName = "ZScore",
    sensitivity: o.Sensitivity = None,
    parameters: o.Parameters = None,
    direction: o.Deviations = o.Direction.BOTH,
    exit_code: o.ExitCode = False,
    output: o.Output = o.Format.TABLE,
) -> None:
    """Find the anomalies in lists of numbers; each list is its own baseline.

    \b
    opssight detect 10 12 11 50 13 12
    opssight detect -1 2 0 -40 1 0 -o json
    opssight detect --csv latency.csv --column p99 --method RobustZScore --sensitivity 4
    opssight detect --csv latency.csv --column p99 --method Shewhart --set rules=NineOnASide,SixTrending
    opssight detect --prometheus http://localhost:9090 --query 'job:latency:p99' --last 1d --method Adaptive
    kubectl ... | opssight detect --exit-code

    Exits with 0, with 1 when there are anomalies and --exit-code was given, and with 2 when the input is bad.
    """
    from . import detection, samples, writing

    settings = o.settings(parameters, sensitivity)
    found = detection.detect(samples.gathered(given), method=method, given=settings, direction=direction.value)
    for note in found.notes:
        typer.echo(note, err=True)
    typer.echo(writing.written(output.value, found.plain, found.table))
    if exit_code and found.anomalies:
        raise typer.Exit(o.EXIT_FINDINGS)


def explain(
    given: Input,
    *,
    at: Annotated[
        str | None, typer.Option(help="The point: its index from 0, or its time. Without it the highest score.")
    ] = None,
    series: Annotated[str | None, typer.Option(help="The list, where there are several.")] = None,
    method: o.MethodName = "ZScore",
    sensitivity: o.Sensitivity = None,
    parameters: o.Parameters = None,
    direction: o.Deviations = o.Direction.BOTH,
    output: o.Output = o.Format.TABLE,
) -> None:
    """Say of one point what was seen, what was expected, how far off it is, what spoke, and since when.

    \b
    opssight explain 10 12 11 50 13 12
    opssight explain 10 12 11 50 13 12 --at 4
    opssight explain --csv latency.csv --column p99 --time-column time --at 2026-03-02T20:00:00Z --method Seasonal

    Exits with 0, also for a point that is not anomalous, and with 2 when the input is bad.
    """
    from . import explaining, samples, writing

    settings = o.settings(parameters, sensitivity)
    told = explaining.explained(
        samples.gathered(given), at=at, series=series, method=method, given=settings, direction=direction.value
    )
    typer.echo(writing.written(output.value, told.plain, told.text))


def methods(output: o.Output = o.Format.TABLE) -> None:
    """List the methods with their parameters, defaults and limits.

    \b
    opssight methods
    opssight methods -o json
    """
    from . import method_list, writing

    typer.echo(writing.written(output.value, method_list.plain(), method_list.text()))
