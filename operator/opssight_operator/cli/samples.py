"""Numbers with their times, wherever they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opssight_operator.api.durations import seconds

from . import reading
from .errors import BadInput
from .inputs import Input
from .reading import Series

FloatArray = NDArray[np.float64]
DEFAULT_STEP = "1m"


@dataclass(frozen=True, slots=True)
class Samples:
    """Lists of equal meaning; ``times`` (seconds since the epoch) is None where only the order is known."""

    series: Series
    times: FloatArray | None = None

    @property
    def named(self) -> bool:
        """Whether the lists have names."""
        return list(self.series) != [""]

    def block(self, step: str | None) -> tuple[FloatArray, FloatArray]:
        """``times [time]`` and ``values [time, series]``; without times, samples ``step`` apart from 0."""
        lengths = {name: len(values) for name, values in self.series.items()}
        longest = max(lengths.values())
        for name, length in lengths.items():
            if length != longest:
                raise BadInput(f"{name} has {length} values and another list has {longest}; they must be equally many")
        times = self.times
        if times is None:
            times = seconds_of("--step", step or DEFAULT_STEP) * np.arange(longest, dtype=np.float64)
        return times, np.array(list(self.series.values()), dtype=np.float64).T.copy()


def seconds_of(option: str, text: str) -> float:
    """A duration of the command line in seconds; ``BadInput`` names the option."""
    try:
        found = seconds(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None
    if found <= 0:
        raise BadInput(f"{option} is {text}; it must be more than 0")
    return found


def gathered(given: Input) -> Samples:
    """The numbers that the command line asks for; ``BadInput`` when there are none or a value is no number."""
    asked = {
        "values": bool(given.values),
        "--csv": given.csv,
        "--json": given.json,
        "--parquet": given.parquet,
        "--prometheus": given.prometheus,
    }
    several = [name for name, there in asked.items() if there]
    if len(several) > 1:
        raise BadInput(f"{' and '.join(several)} were given together; give one of them")
    if given.prometheus is not None:
        from .fetching import fetched

        return fetched(given)
    if given.query is not None:
        raise BadInput("--query needs --prometheus URL")
    if given.parquet is not None:
        return _from_columns(parquet_columns(given.parquet), given, str(given.parquet))
    if given.csv is not None and given.time_column is not None:
        return _from_columns(_csv(given.csv), given, str(given.csv))
    if given.time_column is not None:
        raise BadInput(f"--time-column {given.time_column} needs --csv or --parquet FILE")
    series = reading.series(given.values or [], csv=given.csv, column=given.column, json=given.json)
    return Samples(series)


def _from_columns(columns: dict[str, list[Any]], given: Input, source: str) -> Samples:
    """The column with the numbers, ordered by that with the times."""
    from opssight_detectors.patterns.timestamps import parse_times

    times = None
    rest = dict(columns)
    if given.time_column is not None:
        if given.time_column not in columns:
            raise BadInput(f"{source} has no column {given.time_column!r}; it has {', '.join(columns)}")
        try:
            times = parse_times(rest.pop(given.time_column), given.time_column, None)
        except ValueError as error:
            raise BadInput(f"{source}: {error}") from None
    found = Samples({given.column or "": reading.column_of(rest, given.column, source)})
    if times is None:
        return found
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0]) + 1
        raise BadInput(f"row {row} of {source} has no time in column {given.time_column}")
    order = np.argsort(times, kind="stable")
    twice = np.flatnonzero(np.diff(times[order]) <= 0)
    if len(twice):
        raise BadInput(f"rows {order[twice[0]] + 1} and {order[twice[0] + 1] + 1} of {source} have the same time")
    (name, values) = next(iter(found.series.items()))
    return replace(found, series={name: [values[i] for i in order]}, times=times[order])


def _csv(path: Path) -> dict[str, list[Any]]:
    return reading.csv_columns(reading.text_of(path), str(path))


def parquet_columns(path: Path) -> dict[str, list[Any]]:
    """The columns of a Parquet file; ``BadInput`` when it is none."""
    if not path.is_file():
        raise BadInput(f"{path} cannot be read: there is no such file")
    try:
        from pyarrow import parquet
    except ImportError:
        raise BadInput("--parquet needs pyarrow: pip install 'opssight-operator[parquet]'") from None
    try:
        table = parquet.read_table(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # pyarrow has no common class for a file that is not Parquet
        raise BadInput(f"{path} is not Parquet: {str(error).splitlines()[0]}") from None
    return {name: table.column(name).to_pylist() for name in table.column_names}
