"""The command ``opssight diff``; what it works with is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def diff(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="PrometheusRules or rule files in YAML.")],
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A ThresholdPolicy; from a cluster also with its threshold.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Which policy, when the file has several.")] = None,
    threshold: Annotated[float | None, typer.Option(help="The new threshold, instead of that in the status.")] = None,
    alert: Annotated[str | None, typer.Option(help="The alert, instead of that of the policy.")] = None,
    group: Annotated[str | None, typer.Option(help="The group that it is in.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label of the alert.")] = None,
    occurrence: Annotated[int | None, typer.Option(help="Which number of the expression, from 1.")] = None,
    metric: Annotated[str | None, typer.Option(help="The metric that the number is compared with.")] = None,
    bound: Annotated[str | None, typer.Option(help="Upper or Lower: the side that is bad.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Change the file too.")] = False,
) -> None:
    """Print the change of one threshold in rule files, as a unified diff; everything else in them stays.

    \b
    kubectl get tpol errors -n shop -o yaml > policy.yaml
    opssight diff --policy policy.yaml rules/*.yaml | git apply
    opssight diff --alert ManyErrors --label severity=warning --threshold 0.08 rules.yaml

    Exits with 0 when nothing changes, with 1 when there is a diff, and with 2 when the input is bad.
    """
    from . import diffing
    from .errors import BadInput

    if bound not in (None, "Upper", "Lower"):
        raise BadInput(f"--bound is {bound!r}; it must be Upper or Lower")
    want = diffing.wanted(
        policy,
        name=name,
        threshold=threshold,
        alert=alert,
        group=group,
        labels=label or [],
        occurrence=occurrence,
        metric=metric,
        bound=bound,
    )
    changed = [one for one in diffing.differences(files, want) if one.before != one.after]
    for one in changed:
        typer.echo(one.diff, nl=False)
        if write:
            diffing.write(one)
    if changed:
        raise typer.Exit(1)
