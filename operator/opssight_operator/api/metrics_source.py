"""MetricsSource: where the samples come from, owned by the administrators of the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .base import Duration, KubeModel, LabelName, Name, ObjectName, Resource, list_atomic, list_map
from .conditions import Condition

SECRET_KEY = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class SecretKeyRef(KubeModel):
    """One key of a Secret in the operator's own namespace."""

    name: ObjectName
    """name of the Secret; it must be in the namespace that the operator runs in."""
    key: SECRET_KEY
    """key inside the Secret."""


class BearerToken(KubeModel):
    """A token that is sent as ``Authorization: Bearer``."""

    secret_ref: SecretKeyRef
    """secretRef says which Secret holds the token; it is read again when it changes."""


class Auth(KubeModel):
    """How the operator proves who it is."""

    bearer_token: BearerToken
    """bearerToken is sent with every request."""


class Tls(KubeModel):
    """Trust for https sources; verification is always on."""

    ca_secret_ref: SecretKeyRef
    """caSecretRef says which Secret holds the PEM certificates to trust instead of the system's."""


class EnforcedMatcher(KubeModel):
    """A label matcher that every selector of every query gets."""

    label: LabelName
    """label that is enforced; a query that matches it differently is refused."""
    value: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """value of the label; $(namespace) stands for the namespace of the resource that asks."""


class AllowedNamespaces(KubeModel):
    """Which namespaces may use the source."""

    names: Annotated[list[Name], Field(max_length=256, json_schema_extra=list_atomic())] = Field(default_factory=list)
    """names of the namespaces that may use the source."""
    match_labels: Annotated[dict[str, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """matchLabels selects further namespaces by their labels; all of them must match."""


class Tenancy(KubeModel):
    """What keeps tenants apart who share one Prometheus."""

    enforced_matchers: Annotated[list[EnforcedMatcher], Field(max_length=8, json_schema_extra=list_map("label"))] = (
        Field(default_factory=list)
    )
    """enforcedMatchers are put into every selector by syntax tree, never by text."""
    allowed_namespaces: AllowedNamespaces | None = None
    """allowedNamespaces limits who may use the source; when it is absent every namespace may."""


class Limits(KubeModel):
    """What one query may cost."""

    timeout: Duration = "30s"
    """timeout of one request to Prometheus, from 1s to 5m; the default is 30s."""
    max_series: Annotated[int, Field(ge=1, le=50000)] = 500
    """maxSeries is how many series a query may return; the default is 500."""
    max_points_per_query: Annotated[int, Field(ge=100, le=11000)] = 10000
    """maxPointsPerQuery is how many points a series one request asks for; longer ranges are split."""
    max_bytes: Annotated[int, Field(ge=65536, le=1073741824)] = 67108864
    """maxBytes is how large one answer may be; the default is 64 MiB."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """concurrency is how many requests may be under way at once; the default is 4."""

    CEL = (
        (
            "duration(self.timeout) >= duration('1s') && duration(self.timeout) <= duration('5m')",
            "limits.timeout must be between 1s and 5m",
        ),
    )


class MetricsSourceSpec(KubeModel):
    """The address, the credentials and the limits of one Prometheus."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$", min_length=8, max_length=2048)]
    """url of Prometheus without /api/v1, for example http://prometheus-operated.monitoring.svc:9090; credentials
    do not belong in it."""
    auth: Auth | None = None
    """auth is sent with every request; when it is absent the source is asked without credentials."""
    tls: Tls | None = None
    """tls sets the trust for https; when it is absent the system's certificates are used."""
    tenancy: Tenancy = Field(default_factory=Tenancy)
    """tenancy keeps tenants apart who share this source."""
    limits: Limits = Field(default_factory=Limits)
    """limits of one query."""


class MetricsSourceStatus(KubeModel):
    """What was seen of the source last."""

    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = Field(
        default_factory=list
    )
    """conditions of the source: Ready and Reachable."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """observedGeneration is the generation of the spec that this status speaks about."""
    flavour: Literal["Prometheus", "Thanos", "Mimir", "VictoriaMetrics", "Unknown"] | None = None
    """flavour of the server that answered."""
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    """version of the server that answered."""


class MetricsSource(Resource[MetricsSourceSpec, MetricsSourceStatus]):
    """A MetricsSource as the operator keeps it."""
