"""``opssight backtest -o html``: one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from opssight_operator.core.report.render_html import environment
from opssight_operator.core.report.series_plot import series_plot

from .backtesting import Tried, alert_rows, summary_of

MAX_PLOTS = 12
MAX_ROWS = 200


def page(all_tried: Sequence[Tried]) -> str:
    """The page of these walks."""
    return environment().get_template("backtest.html.jinja").render(walks=[_walk(one) for one in all_tried])


def _walk(one: Tried) -> dict[str, object]:
    spans: dict[int, list[tuple[float, float]]] = {}
    for alert in one.result.alerts:
        spans.setdefault(alert.series, []).append((alert.start, alert.end))
    order = sorted(range(len(one.names)), key=lambda column: (-len(spans.get(column, ())), column))
    rows = alert_rows(one)
    return {
        "what": one.what,
        "summary": summary_of(one)[1:],
        "plots": [
            (
                one.names[column] or "the values",
                series_plot(
                    one.names[column] or "the values",
                    one.times,
                    one.values[:, column],
                    spans.get(column, []),
                    one.incidents or [],
                ),
            )
            for column in order[:MAX_PLOTS]
        ],
        "hidden": max(0, len(order) - MAX_PLOTS),
        "labelled": one.incidents is not None,
        "alerts": rows[:MAX_ROWS],
        "more": max(0, len(rows) - MAX_ROWS),
    }
