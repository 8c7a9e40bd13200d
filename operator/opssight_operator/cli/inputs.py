"""Where the numbers of a command come from: options that several commands have alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, get_type_hints

from . import options as o


@dataclass(frozen=True, slots=True)
class Input:
    """One of these sources; each field is an option."""

    values: o.Values = None
    csv: o.CsvFile = None
    parquet: o.ParquetFile = None
    column: o.Column = None
    time_column: o.TimeColumn = None
    json: o.JsonFile = None
    prometheus: o.PrometheusUrl = None
    query: o.Query = None
    last: o.Last = "7d"
    step: o.Resolution = None
    token_file: o.TokenFile = None
    ca_file: o.CaFile = None
    max_series: o.MaxSeries = 500


def reads_input(command: Callable[..., None], *, last: str = Input().last) -> Callable[..., None]:
    """The command with the options of ``Input`` in the place of its first parameter, which is one.

    ``last`` is how far back this command reads from Prometheus if nothing is said.
    """
    hints = get_type_hints(Input, include_extras=True)
    defaults = {**{field.name: field.default for field in fields(Input)}, "last": last}
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [inspect.Parameter(name, keyword, default=defaults[name], annotation=hints[name]) for name in hints]
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @wraps(command)
    def run(**given: Any) -> None:
        source = Input(**{name: given.pop(name) for name in hints})
        command(source, **given)

    run.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in (*shared, *own)}
    return run
