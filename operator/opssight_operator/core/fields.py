"""An error that says which field of the spec it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import OpsSightError


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Puts the field in front of whatever is raised on purpose inside."""
    try:
        yield
    except OpsSightError as error:
        raise error.within(field) from error
