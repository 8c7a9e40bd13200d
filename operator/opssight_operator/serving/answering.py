"""From the bytes of a request to the bytes of its answer. Pure: the clock is an argument, and a refusal is a value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .backtesting import backtest
from .detecting import detect
from .learning import learn
from .patterns import find_patterns
from .problems import Refused
from .reading import Asked

OPERATIONS: Mapping[str, Callable[[Asked], Any]] = MappingProxyType(
    {"detect_anomalies": detect, "find_patterns": find_patterns, "optimize_thresholds": learn, "backtest": backtest}
)


def answer(operation: str, asked: Asked) -> tuple[int, bytes]:
    """The status and the JSON of the answer, or of the problem."""
    try:
        plain = OPERATIONS[operation](asked)
    except Refused as refused:
        return refused.problem.status, refused.problem.body(asked.request_id)
    return 200, json.dumps(plain, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
