"""Everything that can go wrong, as one tree.

OpsSightError
├── SpecError            the resource asks for something that cannot be; tried again at the next generation
│   ├── InvalidSpec          a field (or two fields together) that the schema could not refuse
│   ├── InvalidQuery         PromQL that does not parse, or that Prometheus refuses as bad input
│   └── NotAllowed           the source does not serve this namespace, the query reaches outside it,
│   │                        or the operator runs without the right that this needs
├── DataError            the data cannot answer; the last good threshold is held, tried again next period
│   ├── NoData               the query has no samples in the window
│   ├── InsufficientHistory  fewer samples, or a shorter span, than the model needs
│   ├── TooManySeries        more series than the limit of the source
│   ├── TooMuchData          more bytes or points than the limit of the source
│   └── TargetNotFound       the object or rule that is referred to does not exist
├── DependencyError      a system we depend on does not answer; held, tried again with backoff
│   ├── PrometheusUnreachable  no connection, a time-out, or an answer that is not Prometheus'
│   ├── PrometheusOverloaded   422 or 503: the query is too heavy now, and a part of it may not be
│   ├── Throttled              429, or 503 with Retry-After: there are too many requests, whatever they ask
│   ├── SourceMissing          no MetricsSource of that name
│   └── KubernetesUnavailable  the API server is down or slow
└── ConflictError        somebody else owns the object or the field; we yield
    ├── FieldConflict        server-side apply met another field manager
    └── NameConflict         an object of our name exists and is not ours

A message is a sentence for the person who reads ``kubectl describe``: it names the field, the value
and what is allowed, and never carries a response body.
"""

from __future__ import annotations

import copy
from typing import Self


class OpsSightError(Exception):
    """Base of everything OpsSight raises on purpose."""

    @property
    def reason(self) -> str:
        """The condition reason: the class name, see ``api.conditions``."""
        return type(self).__name__

    def within(self, place: str) -> Self:
        """The same error, whose sentence begins with where it happened."""
        told = copy.copy(self)
        told.args = (f"{place}: {self}",)
        return told


class SpecError(OpsSightError):
    """The resource asks for something that cannot be."""


class InvalidSpec(SpecError):
    """A field, or two fields together, that the schema could not refuse."""


class InvalidQuery(SpecError):
    """PromQL that does not parse, or that Prometheus refuses as bad input."""


class NotAllowed(SpecError):
    """The source or the operator may not do this for the namespace, or the query reaches outside of it."""


class DataError(OpsSightError):
    """The data cannot answer; the last good threshold is held."""


class NoData(DataError):
    """The query has no samples in the window."""


class InsufficientHistory(DataError):
    """Fewer samples, or a shorter span, than the model needs."""


class TooManySeries(DataError):
    """More series than the limit of the source."""


class TooMuchData(DataError):
    """More bytes or points than the limit of the source; ``whole`` where no part of the query would have fewer."""

    def __init__(self, message: str = "", *, whole: bool = False) -> None:
        super().__init__(message)
        self.whole = whole


class TargetNotFound(DataError):
    """The object or rule that is referred to does not exist."""


class DependencyError(OpsSightError):
    """A system we depend on does not answer."""


class PrometheusUnreachable(DependencyError):
    """No connection, a time-out, or an answer that is not Prometheus'.

    ``answered`` where somebody did answer, ``credentials`` where he refuses ours.
    """

    def __init__(self, message: str = "", *, answered: bool = False, credentials: bool = False) -> None:
        super().__init__(message)
        self.answered = answered
        self.credentials = credentials


class PrometheusOverloaded(DependencyError):
    """Prometheus says the query is too heavy now (422 or 503)."""


class Throttled(DependencyError):
    """Too many requests (429, or 503 with Retry-After); asked to stay away for ``retry_after`` seconds, 0: unsaid."""

    def __init__(self, message: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceMissing(DependencyError):
    """There is no MetricsSource of that name."""


class KubernetesUnavailable(DependencyError):
    """The API server is down or slow."""


class ConflictError(OpsSightError):
    """Somebody else owns the object or the field."""


class FieldConflict(ConflictError):
    """Server-side apply met another field manager."""


class NameConflict(ConflictError):
    """An object of our name exists and is not ours."""
