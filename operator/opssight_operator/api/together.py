"""Several queries judged as one thing: what a spec asks for, and who contributed how much to a score."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .base import Decimal, KubeModel, LabelName, Name, Number, list_map, list_set
from .validation import Bounds


class QueryWeight(KubeModel):
    """How much a query counts."""

    query: Name
    """query is the name of one of the queries."""
    weight: Annotated[Decimal, Bounds(above="0")]
    """weight of its score; a query that is not named here has 1."""


class Together(KubeModel):
    """Judges the queries together: one score for each thing that they measure, and only that score can be anomalous."""

    name: Name = "together"
    """name of the joint score; it stands in the label query of what is exported. The default is together."""
    by: Annotated[list[LabelName], Field(max_length=10, json_schema_extra=list_set())] = Field(default_factory=list)
    """by are the labels that tell one thing from another, such as service; when it is empty, series belong together
    whose labels are all equal. Of several series of one query that belong to one thing, the highest score counts."""
    needed: Annotated[int, Field(ge=1, le=10)] = 2
    """needed is how many queries at their boundary make the joint score 1; one alone must then be farther out, by the
    square root of it. The default is 2."""
    weights: Annotated[list[QueryWeight], Field(max_length=10, json_schema_extra=list_map("query"))] = Field(
        default_factory=list
    )
    """weights of the queries; a query that is not named here has 1."""


class Contribution(KubeModel):
    """What one query contributed to a joint score."""

    query: Annotated[str, StringConstraints(max_length=63)]
    """query that contributed."""
    share: Number
    """share of the joint score, from 0 to 1; the shares of all queries make 1."""
    score: Number
    """score of the query by itself."""
    value: Number | None = None
    """value that was observed."""
    expected: Number | None = None
    """expected value."""
