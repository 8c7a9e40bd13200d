"""MetricsSource: where the samples come from, owned by the administrators of the cluster."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from .base import (
    Duration,
    KubeModel,
    LabelName,
    Name,
    ObjectLabels,
    ObjectName,
    ObservedGeneration,
    Resource,
    list_map,
    list_set,
)
from .conditions import Condition
from .validation import Bounds, Form, KeyForm, Rule, fits, matches

URL_PATTERN = r"^https?://([^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[^\s?#@]*)?$"
_NOT_A_URL = "must be an http or https address without query and fragment, such as http://prometheus-operated.monitoring.svc:9090"
_CREDENTIALS_IN_URL = "url must not carry credentials in front of an @; put them into a Secret and name it in auth"

SecretKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    Form("^[-._a-zA-Z0-9]+$", "a key of a Secret: letters, digits, hyphens, underscores and dots"),
]


HEADER_PATTERN = "^[A-Za-z0-9][A-Za-z0-9-]{0,62}$"
OWN_HEADERS = (
    "(?i)^(accept.*|authorization|connection|content-.*|cookie|expect|host|keep-alive|proxy-.*|te|trailer|"
    "transfer-encoding|upgrade|user-agent)$"
)
_HEADER_OF_OURS = "a header that the operator sets itself, that holds credentials or that speaks of one connection"
HeaderValue = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    Form("^[!-~]([ -~]*[!-~])?$", "printable ASCII without spaces at its ends"),
]


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if re.fullmatch(OWN_HEADERS, name):
            raise ValueError(f'headers has "{name}", {_HEADER_OF_OURS}; a password belongs into auth')
    return headers


def _check_url(url: str) -> str:
    if "@" in url:
        raise ValueError(_CREDENTIALS_IN_URL)
    if not fits(URL_PATTERN, url):
        raise ValueError(f'url is "{url}"; it {_NOT_A_URL}')
    return url


class SecretKeyRef(KubeModel):
    """One key of a Secret in the operator's own namespace."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    name: ObjectName
    """name of the Secret; it must be in the namespace that the operator runs in."""
    key: SecretKey
    """key inside the Secret."""


class BearerToken(KubeModel):
    """A token that is sent as ``Authorization: Bearer``."""

    secret_ref: SecretKeyRef
    """secretRef says which Secret holds the token; it is read again when it changes."""


class BasicAuth(KubeModel):
    """A name and a password that are sent as ``Authorization: Basic``."""

    username: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256),
        Form("^[ -9;-~]+$", "printable ASCII without a colon"),
    ]
    """username, for example the number of an instance of Grafana Cloud."""
    password_secret_ref: SecretKeyRef
    """passwordSecretRef says which Secret holds the password; it is read again when it changes."""


class Auth(KubeModel):
    """How the operator proves who it is."""

    bearer_token: BearerToken | None = None
    """bearerToken is sent with every request."""
    basic: BasicAuth | None = None
    """basic is sent with every request, in the place of bearerToken."""

    CEL = (
        Rule(
            "has(self.bearerToken) != has(self.basic)",
            "auth must have either bearerToken or basic",
        ),
    )

    @property
    def secret_ref(self) -> SecretKeyRef | None:
        """The Secret that holds the token or the password."""
        if self.bearer_token is not None:
            return self.bearer_token.secret_ref
        return self.basic.password_secret_ref if self.basic is not None else None


class ClientCertificate(KubeModel):
    """A certificate that the operator shows, with its key."""

    cert_secret_ref: SecretKeyRef
    """certSecretRef says which Secret holds the certificate in PEM, with those between it and its root."""
    key_secret_ref: SecretKeyRef
    """keySecretRef says which Secret holds its key in PEM, without a password; both are read again when they change."""


class Tls(KubeModel):
    """Trust for https sources; verification is always on."""

    ca_secret_ref: SecretKeyRef | None = None
    """caSecretRef says which Secret holds the PEM certificates to trust instead of the system's."""
    client_certificate: ClientCertificate | None = None
    """clientCertificate is shown to a server that asks for one."""

    CEL = (
        Rule(
            "has(self.caSecretRef) || has(self.clientCertificate)",
            "tls must have caSecretRef or clientCertificate; without either, leave it out",
        ),
    )


class EnforcedMatcher(KubeModel):
    """A label matcher that every selector of every query gets."""

    label: LabelName
    """label that is enforced; a query that matches it differently is refused."""
    value: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """value of the label; $(namespace) stands for the namespace of the resource that asks."""


class AllowedNamespaces(KubeModel):
    """Which namespaces may use the source."""

    names: Annotated[list[Name], Field(max_length=256, json_schema_extra=list_set())] = Field(default_factory=list)
    """names of the namespaces that may use the source."""
    match_labels: ObjectLabels = Field(default_factory=dict)
    """matchLabels selects further namespaces by their labels; all of them must match."""

    CEL = (
        Rule(
            "has(self.names) && self.names.size() > 0 || has(self.matchLabels) && self.matchLabels.size() > 0",
            "allowedNamespaces must have names or matchLabels; it is empty, and only its absence allows all",
        ),
    )


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

    timeout: Annotated[Duration, Bounds(at_least="1s", at_most="5m", of="duration")] = "30s"
    """timeout of one request to Prometheus, from 1s to 5m; the default is 30s."""
    max_series: Annotated[int, Field(ge=1, le=50000)] = 500
    """maxSeries is how many series a query may return; the default is 500."""
    max_points_per_query: Annotated[int, Field(ge=100, le=11000)] = 10000
    """maxPointsPerQuery is how many points a series one request asks for, and longer ranges are split; the default
    is 10000."""
    max_bytes: Annotated[int, Field(ge=65536, le=1073741824)] = 67108864
    """maxBytes is how large one answer may be; the default is 67108864, which is 64 MiB."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """concurrency is how many requests may be under way at once; the default is 4."""


class MetricsSourceSpec(KubeModel):
    """The address, the credentials and the limits of one Prometheus."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2048), AfterValidator(_check_url)]
    """url of Prometheus without /api/v1, for example http://prometheus-operated.monitoring.svc:9090; credentials
    do not belong in it."""
    auth: Auth | None = None
    """auth is sent with every request; when it is absent the source is asked without credentials."""
    headers: Annotated[
        dict[str, HeaderValue],
        Field(max_length=8),
        KeyForm(HEADER_PATTERN, "the name of a header: letters, digits and hyphens, at most 63"),
        AfterValidator(_check_headers),
    ] = Field(default_factory=dict)
    """headers are sent with every request, for example X-Scope-OrgID of Mimir or Cortex; they are no place for
    credentials."""
    tls: Tls | None = None
    """tls sets the trust for https; when it is absent the system's certificates are used."""
    tenancy: Tenancy = Field(default_factory=Tenancy)
    """tenancy keeps tenants apart who share this source."""
    limits: Limits = Field(default_factory=Limits)
    """limits of one query."""

    CEL = (
        Rule('!self.url.contains("@")', _CREDENTIALS_IN_URL, field=".url"),
        Rule(
            f'self.url.contains("@") || {matches("self.url", URL_PATTERN)}',
            f"url {_NOT_A_URL}",
            f'url is "{{{{self.url}}}}"; it {_NOT_A_URL}',
            field=".url",
        ),
        Rule(
            'self.url.contains("@") || !self.url.matches("/api/v1/?$")',
            "url must be without /api/v1, which is added to it",
            'url is "{{self.url}}"; it must be without /api/v1, which is added to it',
            field=".url",
        ),
        Rule(
            f"!has(self.headers) || !self.headers.exists(name, {matches('name', OWN_HEADERS)})",
            f"headers has {_HEADER_OF_OURS}; a password belongs into auth",
            f'headers has "{{{{self.headers.filter(name, {matches("name", OWN_HEADERS)})[0]}}}}", {_HEADER_OF_OURS}; '
            "a password belongs into auth",
            field=".headers",
        ),
        Rule(
            '!has(self.tls) || self.url.contains("@") || self.url.startsWith("https://")',
            "tls may be set only when url begins with https://",
            'tls is set and url is "{{self.url}}"; tls may be set only when url begins with https://',
            field=".tls",
        ),
    )


class MetricsSourceStatus(KubeModel):
    """What was seen of the source last."""

    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = Field(
        default_factory=list
    )
    """conditions of the source: Ready and Reachable; Stalled where a person has to act."""
    observed_generation: ObservedGeneration | None = None
    """observedGeneration is the generation of the spec that this status speaks about; -1 before the first look."""
    flavour: Literal["Prometheus", "Thanos", "Mimir", "VictoriaMetrics", "Unknown"] | None = None
    """flavour of the server that answered."""
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    """version of the server that answered."""


class MetricsSource(Resource[MetricsSourceSpec, MetricsSourceStatus]):
    """MetricsSource says where samples come from, with whose credentials, for whom, and at what cost."""
