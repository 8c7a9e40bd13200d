"""Numbers straight from a Prometheus, through the operator's own client and its limits."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import numpy as np

from opssight_operator.adapters.prometheus.client import Limits, PrometheusClient
from opssight_operator.adapters.prometheus.grid import Grid
from opssight_operator.core.observation import Labels
from opssight_operator.core.promql import check
from opssight_operator.core.timing import on_grid
from opssight_operator.errors import OpsSightError

from . import reading
from .errors import BadInput
from .inputs import Input
from .progress import working
from .samples import DEFAULT_STEP, Samples, seconds_of

MAX_POINTS = 5_000_000


def fetched(given: Input) -> Samples:
    """The series of ``--query`` over ``--last``, by their labels; ``BadInput`` for whatever keeps them away."""
    url, expression = given.prometheus or "", given.query
    if expression is None:
        raise BadInput("--prometheus needs --query EXPR")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname or "@" in url:
        raise BadInput(f"--prometheus is {url!r}; it must be http:// or https:// with a host, without credentials")
    step, span = seconds_of("--step", given.step or DEFAULT_STEP), seconds_of("--last", given.last)
    if span < step or step < 1:
        raise BadInput(f"--last {given.last} must be longer than --step, which must be at least 1s")
    if span / step > MAX_POINTS:
        raise BadInput(f"--last {given.last} is {span / step:,.0f} samples a series; at most {MAX_POINTS:,} are read")
    end = on_grid(time.time(), step)
    token = None if given.token_file is None else reading.text_of(given.token_file).strip()
    certificates = None if given.ca_file is None else reading.text_of(given.ca_file)
    client = PrometheusClient(url, Limits(max_series=given.max_series), token=lambda: token, certificates=certificates)
    try:
        check(expression)
        with working(f"asking {urlsplit(url).hostname}"):
            frame = client.range(expression, Grid.of(end - on_grid(span, step), end, step))
    except OpsSightError as error:
        raise BadInput(f"--query: {error}") from None
    finally:
        client.close()
    if not frame.n_series:
        raise BadInput(f"--query {expression!r} has no series in the last {given.last}")
    values = np.where(np.isfinite(frame.values), frame.values, np.nan)
    names = [_name(labels) for labels in frame.labels]
    return Samples({name: values[:, column].tolist() for column, name in enumerate(names)}, frame.times)


def _name(labels: Labels) -> str:
    """A series as PromQL writes it."""
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}"
