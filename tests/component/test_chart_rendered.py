"""What Helm makes of the chart, before any cluster sees it."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.build import GOLDENS, out_of_date
from charts.release import release, replaced
from charts.rendering import CHART, NAMESPACE, RELEASE, helm, template

from opssight_operator.adapters.kubernetes.manifests import rbac
from opssight_operator.settings import Settings

ROOT = CHART.parents[1]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
SETS = sorted(GOLDENS.glob("*.values.yaml"))
Manifest = dict[str, Any]


def rendered(*arguments: str) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(template(*arguments)) if document]


def one(documents: list[Manifest], kind: str) -> Manifest:
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def container(documents: list[Manifest]) -> Manifest:
    found: Manifest = one(documents, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return found


def settings_of(documents: list[Manifest]) -> Settings:
    """What the operator reads from the environment that the Deployment gives it."""
    pairs = {entry["name"]: entry.get("value", "opssight-system") for entry in container(documents)["env"]}
    assert all(isinstance(value, str) for value in pairs.values())
    return Settings.from_environment(pairs)


def test_everything_generated_is_up_to_date() -> None:
    assert not [str(path.relative_to(ROOT)) for path in out_of_date(with_helm=True)], "run make generate"


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.name)
def test_helm_finds_nothing_to_say_about_it(values: Path) -> None:
    assert helm("lint", str(CHART), "--strict", "--quiet", "--values", str(values)) == ""


def test_the_roles_are_exactly_those_of_the_permissions() -> None:
    """Names, rules and bindings; labels and the ServiceAccount's own switches aside."""

    def essence(documents: list[Manifest]) -> list[Manifest]:
        kept = ("kind", "rules", "roleRef", "subjects")
        return sorted(
            (
                {field: document[field] for field in kept if field in document}
                | {"name": document["metadata"]["name"], "namespace": document["metadata"].get("namespace")}
                for document in documents
                if "Role" in document["kind"] or document["kind"] == "ServiceAccount"
            ),
            key=lambda document: (document["kind"], document["name"]),
        )

    assert essence(rendered("--set", "rbac.aggregate.enabled=false")) == essence(rbac())


def test_a_namespaced_install_has_no_clusterwide_right_but_to_sources() -> None:
    documents = rendered("--set", "rbac.scope=namespaced,rbac.namespaces={shop,payments},rbac.aggregate.enabled=false")
    resources = {resource for rule in one(documents, "ClusterRole")["rules"] for resource in rule["resources"]}
    assert resources == {"metricssources", "metricssources/status"}
    places = {document["metadata"]["namespace"] for document in documents if document["kind"] == "RoleBinding"}
    assert places == {"shop", "payments", "opssight-system"}
    assert settings_of(documents).namespaces == ("shop", "payments")


@pytest.mark.parametrize("scope", ["cluster", "namespaced"])
@pytest.mark.parametrize(
    ("value", "setting", "resource"),
    [
        ("patternReports.enabled", "pattern_reports", "configmaps"),
        ("delivery.writeRules", "write_rules", "prometheusrules"),
    ],
)
def test_what_is_switched_off_has_no_right_in_any_role(scope: str, value: str, setting: str, resource: str) -> None:
    def granted(switch: str) -> set[str]:
        documents = rendered("--set", f"rbac.scope={scope},rbac.aggregate.enabled=false,{value}={switch}")
        assert getattr(settings_of(documents), setting) is (switch == "true")
        roles = [document for document in documents if document["kind"] in ("ClusterRole", "Role")]
        return {name for role in roles for rule in role["rules"] for name in rule["resources"]}

    assert granted("true") - granted("false") == {resource}


def test_a_namespaced_install_without_a_list_watches_its_own_namespace() -> None:
    assert settings_of(rendered("--set", "rbac.scope=namespaced")).namespaces == ("opssight-system",)


def test_tenants_may_write_thresholds_only_where_the_platform_lets_them() -> None:
    def may_write(switch: str) -> dict[str, list[str]]:
        roles = rendered("--set", f"rbac.aggregate.thresholdPoliciesInEdit={switch}")
        marked = [role for role in roles if "aggregate-to" in str(role["metadata"].get("labels"))]
        assert len(marked) == 3
        return {
            role["metadata"]["name"].removeprefix(f"{RELEASE}-"): [
                resource for rule in role["rules"] if "patch" in rule["verbs"] for resource in rule["resources"]
            ]
            for role in marked
        }

    open_, closed = may_write("true"), may_write("false")
    assert "thresholdpolicies" in open_["edit"] and "thresholdpolicies" not in closed["edit"]
    assert "thresholdpolicies" in closed["admin"] and "anomalydetectors" in closed["edit"]
    assert open_["view"] == closed["view"] == []
    assert not [resource for names in open_.values() for resource in names if "metricssource" in resource]


@pytest.mark.parametrize("keep", ["true", "false"])
def test_the_crds_of_the_release_are_those_of_the_repository(keep: str) -> None:
    found = {
        document["metadata"]["name"]: document
        for document in rendered("--set", f"crds.keep={keep}")
        if document["kind"] == "CustomResourceDefinition"
    }
    wanted = [yaml.safe_load(path.read_text()) for path in CRDS]
    assert set(found) == {document["metadata"]["name"] for document in wanted}
    for document in wanted:
        assert found[document["metadata"]["name"]]["spec"] == document["spec"]
        kept = found[document["metadata"]["name"]]["metadata"]["annotations"].get("helm.sh/resource-policy")
        assert kept == ("keep" if keep == "true" else None)


def test_no_crd_is_rendered_where_they_come_from_elsewhere() -> None:
    kinds = {document["kind"] for document in rendered("--set", "crds.enabled=false")}
    assert "CustomResourceDefinition" not in kinds and "Deployment" in kinds


def test_a_package_holds_the_crds_and_not_a_link_to_them(tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path))
    (archive,) = tmp_path.glob("*.tgz")
    with tarfile.open(archive) as packed:
        members = {member.name: member for member in packed.getmembers()}
    for crd in CRDS:
        member = members[f"opssight-operator/crd-bases/{crd.name}"]
        assert member.isfile() and member.size == crd.stat().st_size
    assert rendered() == [
        document
        for document in yaml.safe_load_all(helm("template", RELEASE, str(archive), "--namespace", NAMESPACE))
        if document
    ]


DIGEST = "sha256:" + "5" * 64
PUSHED = {
    "a name with a tag": ("registry.example.com/platform/opssight-operator:0.1.0", "registry.example.com/platform/"),
    "a registry with a port and no tag": ("localhost:5000/opssight-operator", "localhost:5000/"),
}


@pytest.mark.parametrize(("image", "folder"), PUSHED.values(), ids=PUSHED)
def test_a_release_names_its_image_by_digest_in_the_chart_and_in_the_manifest(
    tmp_path: Path, image: str, folder: str
) -> None:
    archive, manifest = release(tmp_path / "dist", image, DIGEST)
    assert archive.parent == manifest.parent == tmp_path / "dist"
    by_helm = helm("template", RELEASE, str(archive), "--namespace", NAMESPACE)
    for text in (by_helm, manifest.read_text()):
        documents = [document for document in yaml.safe_load_all(text) if document]
        assert container(documents)["image"] == f"{folder}opssight-operator@{DIGEST}"
        assert sum(document["kind"] == "CustomResourceDefinition" for document in documents) == len(CRDS)


def test_a_release_of_a_chart_whose_default_image_is_written_otherwise_fails() -> None:
    """Or it would carry the image of a developer's machine."""
    text = "image:\n  digest: ''\n"
    with pytest.raises(ValueError, match="0 times; a release must replace it once"):
        replaced(text, '\n  digest: ""\n', f"\n  digest: {DIGEST}\n")


def test_a_release_without_a_digest_says_what_one_looks_like(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "charts.release", str(tmp_path / "dist"), "localhost/o:1", "latest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "DIGEST is 'latest'; it must be sha256: and 64 hexadecimal digits" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_numbers_reach_the_operator_as_they_were_written() -> None:
    """Helm holds numbers as floats and would write fifty million as 5e+07."""
    values = {"settings": {"maxTrainingPoints": 50000000, "renewSeconds": 2.5, "logFormat": "text", "fetchThreads": 3}}
    read = settings_of(rendered("--set-json", f"settings={json.dumps(values['settings'])}"))
    assert (read.max_training_points, read.renew_seconds, read.log_format, read.fetch_threads) == (
        50_000_000,
        2.5,
        "text",
        3,
    )


def test_what_the_chart_decides_reaches_the_operator() -> None:
    read = settings_of(
        rendered("--set", "metrics.port=9100,metrics.healthPort=9101,leaderElection.enabled=false,fullnameOverride=o")
    )
    assert (read.metrics_port, read.health_port, read.leader_election, read.lease_name) == (9100, 9101, False, "o")
    assert read.operator_namespace == "opssight-system"


def test_the_default_values_are_the_default_settings() -> None:
    assert settings_of(rendered()) == Settings()


REFUSED = {
    "two replicas without a leader": ("replicas=2,leaderElection.enabled=false", "would both write"),
    "a scope that there is not": ("rbac.scope=clusterwide", "rbac.scope"),
    "a value that nobody knows": ("replica=2", "replica"),
    "a setting that nobody knows": ("settings.logLvl=INFO", "logLvl"),
    "a setting of the wrong type": ("settings.fetchThreads=many", "fetchThreads"),
    "a setting that cannot work": ("settings.fetchThreads=0", "fetchThreads"),
    "a source without an address": ("metricsSource.create=true", "url"),
    "a digest that is none": ("image.digest=sha256:12", "digest"),
    "a privileged port": ("metrics.port=80", "metrics.port"),
    "alerts on metrics that nobody scrapes": ("prometheusRule.enabled=true", "serviceMonitor.enabled"),
    "matchers that are none": ("prometheusRule.enabled=true,prometheusRule.selector=own", "prometheusRule.selector"),
    "an alert that there is not": ("prometheusRule.disabled={OpsSightNoLeeder}", "prometheusRule.disabled"),
    "a namespace that cannot be": ("rbac.namespaces={Shop}", "rbac.namespaces"),
}


@pytest.mark.parametrize(("values", "named"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_value_is_refused_by_its_name(values: str, named: str) -> None:
    with pytest.raises(RuntimeError) as refused:
        template("--set", values)
    said = str(refused.value).replace("/", ".")
    assert named in said


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.name)
def test_nothing_runs_that_the_restricted_profile_would_not_allow(values: Path) -> None:
    deployments = [document for document in rendered("--values", str(values)) if document["kind"] == "Deployment"]
    assert deployments
    for deployment in deployments:
        pod, only = deployment["spec"]["template"]["spec"], container([deployment])
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == 65532
        assert pod["automountServiceAccountToken"] is False
        assert only["securityContext"]["readOnlyRootFilesystem"] is True
        assert only["resources"]["limits"]["memory"] and only["resources"]["requests"]["cpu"]
        sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", ())]
        assert [s["serviceAccountToken"]["expirationSeconds"] for s in sources if "serviceAccountToken" in s] == [3600]


def test_scores_keep_their_own_namespace_label() -> None:
    monitor = one(rendered("--set", "serviceMonitor.enabled=true"), "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True
    ports = one(rendered(), "Service")["spec"]["ports"]
    assert endpoint["port"] in [port["name"] for port in ports]


def test_the_alerts_of_a_release_are_those_of_the_file_with_the_platforms_labels() -> None:
    documents = rendered(
        "--set",
        "serviceMonitor.enabled=true,prometheusRule.enabled=true,prometheusRule.alertLabels.team=sre,prometheusRule.runbookUrl=https://r",
    )
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    rules = [rule for group in one(documents, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert [rule["expr"] for rule in rules] == [rule["expr"] for group in file["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["labels"]["team"] == "sre"
        assert rule["annotations"]["runbook_url"] == f"https://r#{rule['alert'].lower()}"


def test_each_dashboard_arrives_whole_in_a_config_map_that_grafanas_sidecar_finds() -> None:
    documents = rendered("--values", str(GOLDENS / "production.values.yaml"))
    maps = [d for d in documents if d["kind"] == "ConfigMap" and "grafana_dashboard" in d["metadata"].get("labels", {})]
    found = {name: json.loads(text) for document in maps for name, text in document["data"].items()}
    files = (CHART / "files" / "dashboards").glob("*.json")
    assert found == {path.name: json.loads(path.read_text()) for path in files}
    assert len(maps) == len(found) == 4
    for document in maps:
        assert document["metadata"]["namespace"] == "monitoring"
        assert document["metadata"]["annotations"] == {"grafana_folder": "OpsSight"}


PLAIN = {"image.tag", "nameOverride", "serviceAccount.name"}
"""Parts of names, which the other sets override whole."""


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The path and the value of everything that holds nothing further."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}".lstrip("."))
    else:
        yield path, values


def test_every_value_that_is_off_or_empty_by_default_is_set_in_some_golden() -> None:
    """Or a mistake in what it renders would be in no golden, and no API server would have seen it."""
    default = yaml.safe_load((CHART / "values.yaml").read_text())
    off = {path for path, value in leaves(default) if value in ("", False, [], {})} - PLAIN
    given = {path for values in SETS for path, _ in leaves(yaml.safe_load(values.read_text()))}
    assert not {path for path in off if not any(f"{one}.".startswith(f"{path}.") for one in given)}


MISSING_LEADER = {
    "the usual release": ("serviceMonitor.enabled=true", 'namespace="opssight-system",job="opssight-operator"'),
    "a release of another name": (
        "serviceMonitor.enabled=true,fullnameOverride=sight",
        'namespace="opssight-system",job="sight"',
    ),
    "a scrape of their own": ('prometheusRule.selector=job="own"', 'job="own"'),
}


@pytest.mark.parametrize(("values", "matchers"), MISSING_LEADER.values(), ids=MISSING_LEADER)
def test_a_missing_leader_is_looked_for_in_this_release_alone(values: str, matchers: str) -> None:
    documents = rendered("--set", f"prometheusRule.enabled=true,{values}")
    rules = one(documents, "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert rules[0]["expr"] == f"absent(opssight_leader{{{matchers}}} == 1)"


def test_single_alerts_can_be_left_out() -> None:
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]
    load = [rule["alert"] for group in file if group["name"] == "opssight-load" for rule in group["rules"]]
    disabled = ",".join([*load, "OpsSightDefect"])
    documents = rendered(
        "--set", f"serviceMonitor.enabled=true,prometheusRule.enabled=true,prometheusRule.disabled={{{disabled}}}"
    )
    groups = one(documents, "PrometheusRule")["spec"]["groups"]
    assert [group["name"] for group in groups] == [g["name"] for g in file if g["name"] != "opssight-load"]
    left = {rule["alert"] for group in groups for rule in group["rules"]}
    assert left == {rule["alert"] for group in file for rule in group["rules"]} - {*load, "OpsSightDefect"}


def test_a_platform_may_choose_the_user_of_the_pods() -> None:
    null = ",".join(f"podSecurityContext.{field}=null" for field in ("runAsUser", "runAsGroup", "fsGroup"))
    pod = one(rendered("--set", null), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_pods_do_not_change_with_the_version_of_the_chart() -> None:
    deployment = one(rendered(), "Deployment")
    assert "helm.sh/chart" in deployment["metadata"]["labels"]
    assert "helm.sh/chart" not in deployment["spec"]["template"]["metadata"]["labels"]


def test_an_annotation_of_every_object_is_on_every_object() -> None:
    switches = ("serviceMonitor", "prometheusRule", "networkPolicy", "dashboards")
    chosen = [f"{name}.enabled=true" for name in switches] + ["replicas=2", "rbac.scope=namespaced"]
    source = "metricsSource.create=true,metricsSource.spec.url=http://p:9090"
    own = "service.annotations.a=b,serviceAccount.annotations.a=b,dashboards.annotations.a=b,deploymentAnnotations.a=b"
    documents = rendered("--set", ",".join([*chosen, source, own, "commonAnnotations.team=sre"]))
    assert {d["kind"] for d in documents if d["metadata"].get("annotations", {}).get("team") != "sre"} == set()
    both = {d["kind"] for d in documents if d["metadata"]["annotations"].get("a") == "b"}
    assert both == {"Service", "ServiceAccount", "ConfigMap", "Deployment"}


# what is set, and where it is found: kind, path, value
PLACED: dict[str, tuple[str, str, str, Any]] = {
    "where ServiceMonitors are looked for": (
        "serviceMonitor.enabled=true,serviceMonitor.namespace=monitoring",
        "ServiceMonitor",
        "metadata.namespace",
        "monitoring",
    ),
    "labels of the Service on samples": (
        "serviceMonitor.enabled=true,serviceMonitor.targetLabels={team}",
        "ServiceMonitor",
        "spec.targetLabels",
        ["team"],
    ),
    "TLS in front of the port": (
        "serviceMonitor.enabled=true,serviceMonitor.scheme=https,serviceMonitor.tlsConfig.serverName=o",
        "ServiceMonitor",
        "spec.endpoints.0.tlsConfig",
        {"serverName": "o"},
    ),
    "where rules are looked for": (
        "serviceMonitor.enabled=true,prometheusRule.enabled=true,prometheusRule.namespace=monitoring",
        "PrometheusRule",
        "metadata.namespace",
        "monitoring",
    ),
    "a label of the Service": ("service.labels.team=sre", "Service", "metadata.labels.team", "sre"),
    "the port of a DNS server": (
        "networkPolicy.enabled=true,networkPolicy.dnsPorts={5353}",
        "NetworkPolicy",
        "spec.egress.0.ports.0",
        {"protocol": "UDP", "port": 5353},
    ),
    "history": ("revisionHistoryLimit=0", "Deployment", "spec.revisionHistoryLimit", 0),
    "a strategy": ("updateStrategy.type=Recreate", "Deployment", "spec.strategy", {"type": "Recreate"}),
    "a patient probe": (
        "probes.startup.failureThreshold=300",
        "Deployment",
        "spec.template.spec.containers.0.startupProbe.failureThreshold",
        300,
    ),
    "a runtime class": ("runtimeClassName=gvisor", "Deployment", "spec.template.spec.runtimeClassName", "gvisor"),
    "a scheduler": ("schedulerName=own", "Deployment", "spec.template.spec.schedulerName", "own"),
    "a DNS policy": ("dnsPolicy=Default", "Deployment", "spec.template.spec.dnsPolicy", "Default"),
    "DNS settings": (
        "dnsConfig.searches={example.com}",
        "Deployment",
        "spec.template.spec.dnsConfig",
        {"searches": ["example.com"]},
    ),
    "a host by hand": (
        "hostAliases[0].ip=10.0.0.1",
        "Deployment",
        "spec.template.spec.hostAliases",
        [{"ip": "10.0.0.1"}],
    ),
    "a container before": (
        "initContainers[0].name=wait",
        "Deployment",
        "spec.template.spec.initContainers",
        [{"name": "wait"}],
    ),
    "a container beside": (
        "extraContainers[0].name=proxy",
        "Deployment",
        "spec.template.spec.containers.1",
        {"name": "proxy"},
    ),
}


@pytest.mark.parametrize(("values", "kind", "path", "value"), PLACED.values(), ids=PLACED)
def test_what_a_platform_needs_has_its_place(values: str, kind: str, path: str, value: Any) -> None:
    node: Any = one(rendered("--set", values), kind)
    for step in path.split("."):
        node = node[int(step)] if step.isdigit() else node[step]
    assert node == value


def test_a_budget_never_blocks_the_drain_of_a_single_replica() -> None:
    assert not [d for d in rendered() if d["kind"] == "PodDisruptionBudget"]
    assert one(rendered("--set", "replicas=2"), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_two_releases_share_no_clusterwide_name() -> None:
    def clusterwide(namespace: str) -> set[tuple[str, str]]:
        text = helm("template", RELEASE, str(CHART), "--namespace", namespace, "--set", "crds.enabled=false")
        documents = [document for document in yaml.safe_load_all(text) if document]
        return {(d["kind"], d["metadata"]["name"]) for d in documents if "namespace" not in d["metadata"]}

    assert clusterwide("opssight-system") and not clusterwide("opssight-system") & clusterwide("other")


def test_each_shard_is_a_deployment_that_selects_its_own_pods_and_knows_its_number() -> None:
    documents = rendered("--set", "shards=3,replicas=2")
    deployments = [document for document in documents if document["kind"] == "Deployment"]
    assert [d["metadata"]["name"] for d in deployments] == [f"{RELEASE}-{shard}" for shard in range(3)]
    served = set()
    for shard, deployment in enumerate(deployments):
        selector, labels = (
            deployment["spec"]["selector"]["matchLabels"],
            deployment["spec"]["template"]["metadata"]["labels"],
        )
        assert selector["opssight.dev/shard"] == labels["opssight.dev/shard"] == str(shard)
        read = settings_of([deployment])
        served.add((read.shard, read.shards, read.lease_name))
        (spread, _) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] == selector
    assert served == {(shard, 3, RELEASE) for shard in range(3)}
    budgets = [d["spec"]["selector"]["matchLabels"]["opssight.dev/shard"] for d in documents if "Budget" in d["kind"]]
    assert budgets == ["0", "1", "2"]
    assert "opssight.dev/shard" not in one(documents, "Service")["spec"]["selector"]
