"""Building blocks of every kind: frozen models, bounded strings, durations and decimals.

Durations are Prometheus strings (``5m``, ``1h30m``), numbers with fractions are decimal strings
(``"0.05"``), because the Kubernetes conventions keep floats out of specs.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

DURATION_PATTERN = r"^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
DECIMAL_PATTERN = r"^-?([0-9]{1,18})(\.[0-9]{1,12})?$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
LABEL_NAME_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*$"

_UNITS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN, min_length=2, max_length=32)]
Decimal = Annotated[str, StringConstraints(pattern=DECIMAL_PATTERN, min_length=1, max_length=32)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=63)]
ObjectName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253)
]
LabelName = Annotated[str, StringConstraints(pattern=LABEL_NAME_PATTERN, min_length=1, max_length=128)]
PromQL = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
LabelSet = dict[str, str]


class KubeModel(BaseModel):
    """A frozen value with camelCase names in YAML and snake_case in Python.

    ``CEL`` holds cross-field rules as ``(rule, message)``; they become ``x-kubernetes-validations``.
    Unknown fields are dropped, as the API server does with a structural schema.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
        extra="ignore",
    )

    CEL: ClassVar[tuple[tuple[str, str], ...]] = ()

    def dump(self) -> dict[str, Any]:
        """The JSON form that is written to the API server: camelCase, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LocalRef(KubeModel):
    """A reference to an object of the same namespace, or to a cluster-scoped one."""

    name: ObjectName
    """name of the object."""


class ListMeta:
    """Marks for the CRD generator on list fields (see ``api.schema``)."""

    MAP = "map"
    SET = "set"
    ATOMIC = "atomic"


def list_map(key: str) -> dict[str, Any]:
    """JSON-schema extras of a list whose entries are found by ``key``."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def list_set() -> dict[str, Any]:
    """JSON-schema extras of a list of distinct scalars."""
    return {"x-kubernetes-list-type": "set"}


def list_atomic() -> dict[str, Any]:
    """JSON-schema extras of a list that has one owner as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


class ObjectMeta(KubeModel):
    """The few metadata fields that decisions need."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)


SpecT = TypeVar("SpecT", bound=KubeModel)
StatusT = TypeVar("StatusT", bound=KubeModel)


class Resource(KubeModel, Generic[SpecT, StatusT]):
    """A custom resource as the operator keeps it: never the raw body."""

    metadata: ObjectMeta
    spec: SpecT
    status: StatusT


def seconds(duration: str) -> float:
    """Seconds of a Prometheus duration string; ``ValueError`` names a string that is none."""
    if not duration or not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is not a duration; write it like 30s, 5m, 1h30m or 7d")
    return sum(float(n) * _UNITS[u] for n, u in re.findall(r"([0-9]+)(ms|[wdhms])", duration))


def duration(total: float) -> str:
    """The shortest Prometheus duration string of ``total`` seconds (whole milliseconds)."""
    rest = round(total * 1000)
    if rest <= 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
