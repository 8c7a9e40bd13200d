"""What a section says: sentences with their support, and the data of a plot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistic:
    """A named number, such as ``lift`` 4.2."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class BarPlot:
    """One bar a label; ``expected`` is drawn as a mark over it, ``highlighted`` lists the bars that are the news."""

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    expected: tuple[float, ...]
    highlighted: tuple[int, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class TrendPlot:
    """Values at ``times`` in ``[start, end]`` (seconds since the epoch), and a line from the first to the last one."""

    title: str
    start: float
    end: float
    times: tuple[float, ...]
    values: tuple[float, ...]
    line_from: float
    line_to: float
    unit: str


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """When one thing went on; times in seconds since the epoch, ends of ongoing ones at the end of the window."""

    label: str
    starts: tuple[float, ...]
    ends: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TimelinePlot:
    """Rows of intervals over one window."""

    title: str
    start: float
    end: float
    rows: tuple[TimelineRow, ...]


@dataclass(frozen=True, slots=True)
class GridPlot:
    """A table of cells coloured by value: ``values[row][column]``; ``highlighted`` lists (row, column)."""

    title: str
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    highlighted: tuple[tuple[int, int], ...]
    unit: str


Plot = BarPlot | TrendPlot | TimelinePlot | GridPlot


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under ``header``."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to put into a configuration: ``target`` names the file or rule, ``text`` is YAML."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth a person's time.

    ``subject`` is equal in every report that finds the same, and unique within (section, kind). ``support`` counts the
    incidents, or pairs of them, behind the sentence. A finding with a ``p_value`` is a claim beyond chance, and
    ``adjusted_p_value`` is corrected for all the tests of its section; one without is a plain observation.
    """

    section: str
    kind: str
    subject: str
    sentence: str
    support: int
    statistic: Statistic | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    highlight: bool = False
    table: Table | None = None
    plot: Plot | None = None
    suggestion: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a section has to say; with no findings, ``note`` tells why in one sentence."""

    findings: tuple[Finding, ...]
    note: str = ""


def nothing(note: str) -> Outcome:
    """No findings, and why."""
    return Outcome((), note)
