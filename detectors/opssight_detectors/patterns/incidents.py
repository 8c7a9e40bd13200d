"""The table of incidents that every section reads: one row an episode, sorted by start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray
from .columns import Column, LabelColumn

SEVERITY_RANKS: dict[str, float] = {
    **dict.fromkeys(("none", "debug", "trace", "ok", "normal"), 0.0),
    **dict.fromkeys(("info", "information", "informational", "notice", "low", "p5", "sev5", "p4", "sev4"), 1.0),
    **dict.fromkeys(("warning", "warn", "minor", "medium", "moderate", "p3", "sev3"), 2.0),
    **dict.fromkeys(("error", "err", "major", "high", "p2", "sev2"), 3.0),
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "page", "urgent", "disaster", "p1", "sev1"), 4.0),
}
SEVERITY_WORDS = ("none", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Incidents:
    """Columns of ``n`` incidents, ascending by ``start``.

    ``start`` and ``end`` are seconds since the epoch, UTC; an ``end`` of NaN is still going on, or unknown.
    ``name`` is what an alert is called, ``resource_type`` the kind of thing it struck, ``labels`` all the rest.
    """

    start: FloatArray
    end: FloatArray
    name: Column
    resource_type: Column
    namespace: Column
    service: Column
    severity: Column
    message: Column
    labels: LabelColumn

    def __len__(self) -> int:
        return int(self.start.size)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Incidents:
        """The rows chosen by index or mask."""
        return Incidents(
            start=self.start[rows],
            end=self.end[rows],
            name=self.name.take(rows),
            resource_type=self.resource_type.take(rows),
            namespace=self.namespace.take(rows),
            service=self.service.take(rows),
            severity=self.severity.take(rows),
            message=self.message.take(rows),
            labels=self.labels.take(rows),
        )

    def between(self, start: float, end: float) -> Incidents:
        """The incidents that started in ``[start, end)``."""
        first, last = np.searchsorted(self.start, [start, end], side="left")
        return self.take(np.arange(first, last))

    @property
    def duration(self) -> FloatArray:
        """Seconds from start to end, ``[n]``; NaN where there is no end."""
        return self.end - self.start

    def severity_rank(self) -> FloatArray:
        """0 (none) to 4 (critical), ``[n]``; NaN where the word is unknown."""
        ranks = [SEVERITY_RANKS.get(value.strip().lower(), np.nan) for value in self.severity.values]
        return np.array([*ranks, np.nan], dtype=np.float64)[self.severity.codes]


def no_incidents() -> Incidents:
    """A table without rows."""
    nothing, empty = Column.unknown(0), np.empty(0)
    return Incidents(empty, empty, nothing, nothing, nothing, nothing, nothing, nothing, LabelColumn.of([]))


def concatenate(tables: list[Incidents]) -> Incidents:
    """All rows of several tables as one, sorted by start."""
    tables = [table for table in tables if len(table)]
    if not tables:
        return no_incidents()
    start = np.concatenate([table.start for table in tables])
    order = np.argsort(start, kind="stable")

    def text(name: str) -> Column:
        columns: list[Column] = [getattr(table, name) for table in tables]
        index: dict[str, int] = {}
        recoded = [
            np.array([*(index.setdefault(v, len(index)) for v in column.values), -1], dtype=np.int32)[column.codes]
            for column in columns
        ]
        return Column(np.concatenate(recoded)[order], tuple(index))

    offsets = np.cumsum([0] + [len(table.labels.sets) for table in tables[:-1]])
    label_codes = [table.labels.codes + offset for table, offset in zip(tables, offsets, strict=True)]
    return Incidents(
        start=start[order],
        end=np.concatenate([table.end for table in tables])[order],
        name=text("name"),
        resource_type=text("resource_type"),
        namespace=text("namespace"),
        service=text("service"),
        severity=text("severity"),
        message=text("message"),
        labels=LabelColumn(
            np.concatenate(label_codes).astype(np.int32)[order],
            tuple(labels for table in tables for labels in table.labels.sets),
        ),
    )
