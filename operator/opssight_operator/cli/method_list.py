"""``opssight methods``: what can score, and with which parameters."""

from __future__ import annotations

from typing import Any

from opssight_detectors.registry import describe


def plain() -> list[dict[str, Any]]:
    """Every method for machines."""
    return [
        {
            "name": method.name,
            "summary": method.summary,
            "parameters": [
                {"name": p.yaml_name, "default": _plain(p.default), "allowed": p.allowed, "text": p.text}
                for p in method.parameters
            ],
        }
        for method in describe()
    ]


def text() -> str:
    """Every method for people."""
    lines: list[str] = []
    for method in plain():
        lines.append(f"{method['name']}: {method['summary']}")
        lines += [f"    {p['name']}={_shown(p['default'])}  {p['text']} ({p['allowed']})" for p in method["parameters"]]
    return "\n".join(lines)


def _plain(default: object) -> object:
    return list(default) if isinstance(default, tuple) else default


def _shown(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, list) else f"{default}"
