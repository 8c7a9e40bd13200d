"""Digests of values: equal values have equal digests, whatever the order of their keys."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """``sha256:`` and 64 hexadecimal digits of a value that is plain JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
