"""Building blocks of every kind: frozen models, bounded strings, durations and decimals.

Durations are Prometheus strings (``5m``, ``1h30m``), numbers with fractions are decimal strings
(``"0.05"``), because the Kubernetes conventions keep floats out of specs.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from .durations import DURATION_PATTERN
from .durations import duration as duration  # noqa: PLC0414 - part of what this module offers
from .durations import seconds as seconds  # noqa: PLC0414
from .validation import A_DURATION, A_NUMBER, DECIMAL_PATTERN, Form, KeyForm, Rule, with_rules

NAME_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
OBJECT_NAME_PATTERN = "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
LABEL_NAME_PATTERN = "^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*$"
QUALIFIED_NAME_PATTERN = "^([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$"
LABEL_VALUE_PATTERN = "^([a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?)?$"

_ACTION = (  # of a template: one value of the alert itself, and how it is shown
    r"\{\{-? *[$](labels[.][a-zA-Z_][a-zA-Z0-9_]*|value)"
    r"( *[|] *(humanize|humanize1024|humanizeDuration|humanizePercentage|humanizeTimestamp|title|toUpper|toLower))*"
    r" *-?\}\}"
)
ALERT_TEXT_PATTERN = r"^([^{]|\{[^{]|" + _ACTION + r")*\{?$"
AN_ALERT_TEXT = (
    "plain text, in which double braces hold $labels.name or $value and at most a humanize function; "
    "query and the other functions of templates could read the series of everybody"
)

A_LABEL_NAME = "a label name such as service: letters, digits and underscores, no digit and no two underscores in front"
A_LABEL_KEY = "a label key of Kubernetes such as release or example.com/release"
A_LABEL_VALUE = (
    "a label value of Kubernetes: letters, digits, hyphens, underscores and dots, with a letter or digit at both ends"
)
A_NAME = "a name such as error-rate: lower-case letters, digits and hyphens, with a letter or digit at both ends"
AN_OBJECT_NAME = (
    "the name of an object: lower-case letters, digits, hyphens and dots, with a letter or digit at both ends"
)

Duration = Annotated[str, StringConstraints(min_length=1, max_length=32), Form(DURATION_PATTERN, A_DURATION)]
Decimal = Annotated[str, StringConstraints(min_length=1, max_length=32), Form(DECIMAL_PATTERN, A_NUMBER)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=63), Form(NAME_PATTERN, A_NAME)]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253), Form(OBJECT_NAME_PATTERN, AN_OBJECT_NAME)]
LabelName = Annotated[str, StringConstraints(min_length=1, max_length=128), Form(LABEL_NAME_PATTERN, A_LABEL_NAME)]
PromQL = Annotated[str, StringConstraints(min_length=1, max_length=4096)]

AlertLabels = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=1024), Form(ALERT_TEXT_PATTERN, AN_ALERT_TEXT)]],
    Field(max_length=32),
    KeyForm(LABEL_NAME_PATTERN, A_LABEL_NAME),
]
"""Labels or annotations of an alert; their values may show labels and the value, and run nothing else."""
ObjectLabels = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=63), Form(LABEL_VALUE_PATTERN, A_LABEL_VALUE)]],
    Field(max_length=32),
    KeyForm(QUALIFIED_NAME_PATTERN, A_LABEL_KEY),
]
"""Labels of a Kubernetes object."""
SeriesLabels = Annotated[dict[str, Annotated[str, StringConstraints(max_length=16384)]], Field(max_length=1024)]
"""Labels of a series, as Prometheus has them; it sets no limit, and the status is kept small by its writer."""
Number = Annotated[str, StringConstraints(max_length=32)]
"""A number in a status."""
TimeSpan = Annotated[str, StringConstraints(max_length=32)]
"""A duration in a status."""
Time = Annotated[str, StringConstraints(max_length=32), Field(json_schema_extra={"format": "date-time"})]
"""An RFC 3339 time in UTC."""
ObservedGeneration = Annotated[int, Field(ge=-1)]
"""The generation that a status speaks about; the API server fills in -1 where there is no status yet."""
Digest = Annotated[str, StringConstraints(max_length=71)]
"""``sha256:`` and 64 hexadecimal digits."""


class KubeModel(BaseModel):
    """A frozen value with camelCase names in YAML and snake_case in Python.

    ``CEL`` holds rules about several fields; they become ``x-kubernetes-validations``.
    Unknown fields are dropped, as the API server does with a structural schema.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
        extra="ignore",
    )

    CEL: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        target = handler.resolve_ref_schema(schema)
        target.update(with_rules(target, cls.CEL))
        return schema

    def dump(self) -> dict[str, Any]:
        """The JSON form that is written to the API server: camelCase, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LocalRef(KubeModel):
    """A reference to an object of the same namespace, or to a cluster-scoped one."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    name: ObjectName
    """name of the object that is referred to."""


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
