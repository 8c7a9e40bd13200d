"""What dashboards are made of, so that every panel looks and behaves alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

SCHEMA_VERSION = 39  # Grafana 10.4; later ones migrate it
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "table"]
Json = dict[str, Any]


def query(expr: str, legend: str = "", *, instant: bool = False) -> Json:
    """One query of a panel; ``legend`` is Grafana's format."""
    mode = {"instant": True, "range": False, "format": "table"} if instant else {"instant": False, "range": True}
    return {"expr": expr, "legendFormat": legend, "datasource": SOURCE, "editorMode": "code", **mode}


def panel(
    title: str,
    about: str,
    *queries: Json,
    kind: Kind = "timeseries",
    unit: str = "short",
    width: int = 12,
    height: int = 8,
    thresholds: Sequence[tuple[float | None, str]] = ((None, "green"),),
    dashed: Sequence[str] = (),
) -> Json:
    """One panel; ``about`` says what to conclude from it. Series whose legend matches one of ``dashed`` are dashed."""
    defaults: Json = {
        "unit": unit,
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in thresholds]},
    }
    options: Json = {}
    if kind == "timeseries":
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 5, "showPoints": "never"}
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    elif kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "auto",
        }
    overrides = [
        {
            "matcher": {"id": "byRegexp", "options": f"/^{legend}/"},
            "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}}],
        }
        for legend in dashed
    ]
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [{**one, "refId": chr(ord("A") + index)} for index, one in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": options,
    }


def variable(name: str, label: str, values: str) -> Json:
    """A variable whose values are asked from Prometheus; all of them are chosen at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": values, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def placed(panels: Sequence[Json]) -> list[Json]:
    """The panels side by side, row by row, each with an id."""
    x = y = row = 0
    result = []
    for number, one in enumerate(panels, start=1):
        size = one["gridPos"]
        if x + size["w"] > WIDTH:
            x, y, row = 0, y + row, 0
        result.append({"id": number, **one, "gridPos": {**size, "x": x, "y": y}})
        x, row = x + size["w"], max(row, size["h"])
    return result


def dashboard(uid: str, title: str, about: str, variables: Sequence[Json], panels: Sequence[Json]) -> Json:
    """A dashboard with a choice of the data source."""
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["opssight"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *variables]},
        "annotations": {"list": []},
        "links": [
            {
                "title": "OpsSight",
                "type": "dashboards",
                "tags": ["opssight"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": placed(panels),
    }
