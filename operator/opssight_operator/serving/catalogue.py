"""What can be chosen: methods, estimators and sections, with their parameters."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from opssight_detectors.patterns.sections import SECTIONS
from opssight_detectors.registry import describe
from opssight_detectors.thresholds.registry import ESTIMATORS

from .settings import ServeSettings


def catalogue(settings: ServeSettings) -> dict[str, Any]:
    """The answer of /v1/methods."""
    return {
        "methods": [
            {
                "name": method.name,
                "summary": method.summary,
                "parameters": [
                    {
                        "name": info.name,
                        "default": _plain(info.default),
                        "description": info.text,
                        "allowed": info.allowed,
                    }
                    for info in method.parameters
                ],
            }
            for method in describe()
        ],
        "estimators": [_estimator(name, kind) for name, kind in ESTIMATORS.items()],
        "sections": list(SECTIONS),
        "limits": {
            name: getattr(settings, name) for name in ("max_body_bytes", "max_points", "max_series", "max_seconds")
        },
    }


def _estimator(name: str, kind: type) -> dict[str, Any]:
    summary = " ".join((kind.__doc__ or "").replace("``", "").split("\n\n")[0].split())
    return {
        "name": name,
        "summary": summary,
        "parameters": [
            {
                "name": field.name,
                "default": _plain(field.default),
                "description": "see the summary",
                "allowed": "a number",
            }
            for field in fields(kind)
        ],
    }


def _plain(default: object) -> object:
    if default is MISSING:
        return None
    return list(default) if isinstance(default, tuple) else default
