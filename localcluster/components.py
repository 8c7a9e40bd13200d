"""What the local cluster is built from: the component table, versions pinned, and the key of each in the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .errors import ClusterError

GO_SOURCES = Path(__file__).resolve().parent / "go"
KUBERNETES = "1.36.3"
STRIP = "-s -w"


def cache_root() -> Path:
    """Where binaries are kept: ``OPSSIGHT_LOCALCLUSTER_CACHE`` or ``~/.cache/opssight-localcluster``."""
    chosen = os.environ.get("OPSSIGHT_LOCALCLUSTER_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "opssight-localcluster"


def _kubernetes_flags() -> str:
    """Without these the servers say v0.0.0, and kubectl refuses to print a version."""
    major, minor, _ = KUBERNETES.split(".")
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    values = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    return " ".join(
        [STRIP, *(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())]
    )


def _prometheus_flags(version: str) -> str:
    return f"{STRIP} -X github.com/prometheus/common/version.Version={version}"


def _helm_flags(version: str) -> str:
    """Without these Helm renders for Kubernetes 1.20, which modern charts refuse."""
    major, minor, _ = KUBERNETES.split(".")
    packages = ("chartutil", "lint/rules")
    return " ".join(
        [
            f"{STRIP} -X helm.sh/helm/v3/internal/version.version=v{version}",
            *(
                f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={value}"
                for package in packages
                for part, value in (("Major", major), ("Minor", minor))
            ),
        ]
    )


@dataclass(frozen=True)
class Component:
    """One thing to build, and the programs that come out of it."""

    name: str
    version: str
    programs: dict[str, str]
    """Program -> the Go package that it is built from (for ``apt``: the path inside the unpacked package)."""
    how: Literal["module", "install", "apt"]
    """``module``: inside ``go/<name>`` with its go.mod and go.sum; ``install``: ``go install package@version``."""
    ldflags: str = STRIP
    tags: str = ""
    aliases: dict[str, str] = field(default_factory=dict)
    """Further names of a program, as symbolic links."""
    module: str = ""
    folders: tuple[str, ...] = ()
    """Folders of ``module`` that are copied into the cache."""
    optional: bool = False

    def sources(self) -> list[Path]:
        """The files of this checkout that go into the build."""
        folder = GO_SOURCES / self.name
        return sorted(path for path in folder.rglob("*") if path.is_file()) if self.how == "module" else []

    def key(self, go_version: str) -> str:
        """Name, version and a digest of everything that the result depends on."""
        digest = hashlib.sha256()
        compiler = "" if self.how == "apt" else go_version
        recipe = (self.how, self.programs, self.ldflags, self.tags, self.aliases, self.folders, compiler)
        digest.update(repr(recipe).encode())
        for path in self.sources():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    @property
    def names(self) -> list[str]:
        """All programs, aliases included."""
        return [*self.programs, *self.aliases]


_PROMETHEUS = "github.com/prometheus/prometheus/cmd"
_ALERTMANAGER = "github.com/prometheus/alertmanager/cmd"
_ARGOCD = "github.com/argoproj/argo-cd/v3"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator"

COMPONENTS: tuple[Component, ...] = (
    Component(
        name="controlplane",
        version=KUBERNETES,
        programs={"controlplane": "."},
        how="module",
        ldflags=_kubernetes_flags(),
        aliases=dict.fromkeys(("etcd", "kube-apiserver", "kube-controller-manager", "kubectl"), "controlplane"),
    ),
    Component(
        name="prometheus",
        version="v0.316.0",
        programs={"prometheus": f"{_PROMETHEUS}/prometheus", "promtool": f"{_PROMETHEUS}/promtool"},
        how="install",
        ldflags=_prometheus_flags("3.16.0"),
        # A dependency of one service discovery cannot be had everywhere; a node of ours needs that of Kubernetes alone.
        tags="remove_all_sd,enable_kubernetes_sd",
    ),
    Component(
        name="prometheus-operator",
        version="v0.85.0",
        programs={
            "prometheus-operator": f"{_OPERATOR}/cmd/operator",
            "prometheus-config-reloader": f"{_OPERATOR}/cmd/prometheus-config-reloader",
            "prometheus-admission-webhook": f"{_OPERATOR}/cmd/admission-webhook",
        },
        how="module",
        ldflags=_prometheus_flags("0.85.0"),
        module=_OPERATOR,
        folders=("example/prometheus-operator-crd",),
    ),
    Component(
        name="prometheus-old",
        version="2.42",
        programs={"prometheus-old": "usr/bin/prometheus", "promtool-old": "usr/bin/promtool"},
        how="apt",
    ),
    Component(
        name="alertmanager",
        version="v0.31.1",  # the last one with its web assets in the module
        programs={"alertmanager": f"{_ALERTMANAGER}/alertmanager", "amtool": f"{_ALERTMANAGER}/amtool"},
        how="install",
        ldflags=_prometheus_flags("0.31.1"),
        optional=True,
    ),
    Component(
        name="helm",
        version="v3.22.0",
        programs={"helm": "helm.sh/helm/v3/cmd/helm"},
        how="install",
        ldflags=_helm_flags("3.22.0"),
        optional=True,
    ),
    Component(
        name="argocd",
        version="v3.2.11",
        programs={"argocd": f"{_ARGOCD}/cmd", "argocd-redis": "."},
        how="module",
        ldflags=f"{STRIP} -X {_ARGOCD}/common.version=3.2.11",
        # One program that acts by the name that it is called by.
        aliases=dict.fromkeys(("argocd-repo-server", "argocd-application-controller"), "argocd"),
        module=_ARGOCD,
        folders=("manifests/crds",),
        optional=True,
    ),
    # What Flux judges objects by. The module follows Kubernetes', so that what controlplane compiled is used again.
    Component(name="kstatus", version="v1.2.1", programs={"kstatus": "."}, how="module", optional=True),
    Component(
        name="node",
        version=KUBERNETES,
        programs={"node": ".", "pause": "./pause"},
        how="module",
        ldflags=_kubernetes_flags(),
        aliases=dict.fromkeys(("kubelet", "kube-proxy", "kube-scheduler"), "node"),
        optional=True,
    ),
    Component(name="coredns", version="1.15.0", programs={"coredns": "."}, how="module", optional=True),
    Component(
        name="kubeadm",
        version=KUBERNETES,
        programs={"kubeadm": "."},
        how="module",
        ldflags=_kubernetes_flags(),
        optional=True,
    ),
    Component(
        name="kube-router",
        version="v2.1.0",
        programs={"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"},
        how="install",
        optional=True,
    ),
)


def select(extra: Iterable[str] = ()) -> list[Component]:
    """The components built by default, and the optional ones that are named."""
    optional = {component.name for component in COMPONENTS if component.optional}
    wanted = set(extra)
    if unknown := wanted - optional:
        raise ClusterError(f"--with {sorted(unknown)[0]!r}: optional components are {', '.join(sorted(optional))}")
    return [component for component in COMPONENTS if not component.optional or component.name in wanted]


def providing(program: str) -> Component:
    """The component that a program comes from."""
    for component in COMPONENTS:
        if program in component.names:
            return component
    known = ", ".join(sorted(name for component in COMPONENTS for name in component.names))
    raise ClusterError(f"{program!r} is not a program of the local cluster; those are {known}")
