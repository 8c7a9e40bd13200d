"""What a test sees of a command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Answer:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Opssight = Callable[..., Answer]
