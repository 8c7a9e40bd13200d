"""``python -m charts.build [--check]``: what is generated of the chart and from it.

Without Helm: the tables in README.md of the chart and in docs/security.md, the settings in the schema, the dashboards.
With Helm, which the local cluster builds: ``deploy/install.yaml`` and the goldens of the tests.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from localcluster.build import is_built, program
from localcluster.components import providing

from opssight_operator.adapters.kubernetes.permissions import PERMISSIONS, place
from opssight_operator.settings import Settings

from . import dashboards

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "opssight-operator"
INSTALL = ROOT / "deploy" / "install.yaml"
GOLDENS = ROOT / "tests" / "component" / "chart_goldens"
SECURITY = ROOT / "docs" / "security.md"
RELEASE, NAMESPACE = "opssight-operator", "opssight-system"

MADE_BY_THE_CHART = frozenset(
    {
        "namespaces",
        "operator_namespace",
        "identity",
        "metrics_host",
        "metrics_port",
        "health_port",
        "leader_election",
        "lease_name",
        "shards",
        "shard",
    }
)
"""Settings that follow from other values, or from the pod."""


def camel(name: str) -> str:
    """``max_series`` as ``maxSeries``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def described(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """``(path, comment)`` of each value with a comment in front of it; ``ValueError`` for one that has none."""
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    opaque = -1  # the indentation of a described value, whose own contents need no comment
    for line in lines:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text.startswith("#"):
            comment.append(text.removeprefix("#").strip())
            continue
        if not text:
            comment = []
            continue
        if opaque >= 0 and indent > opaque:
            continue
        opaque = -1
        name, _, value = text.partition(":")
        path = [step for step in path if step[0] < indent] + [(indent, name)]
        if comment:
            yield tuple(step for _, step in path), " ".join(comment)
            comment, opaque = [], indent
        elif value.strip():
            raise ValueError(f"values.yaml: {'.'.join(step for _, step in path)} has no comment in front of it")


def value_at(values: Any, path: tuple[str, ...]) -> Any:
    """The default at a path."""
    for step in path:
        values = values[step]
    return values


def table() -> str:
    """The values as a Markdown table."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = ["| value | default | |", "|---|---|---|"]
    for path, comment in described(text.splitlines()):
        default = json.dumps(value_at(values, path)).replace("|", "\\|")
        rows.append(f"| `{'.'.join(path)}` | `{default}` | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def settings_table() -> str:
    """The settings as a Markdown table."""
    schema = settings_schema()["properties"]
    rows = [
        f"| `{camel(field.name)}` | `{json.dumps(schema[camel(field.name)]['default'])}` "
        f"| `OPSSIGHT_{field.name.upper()}` |"
        for field in chart_settings()
    ]
    return "\n".join(["| setting | default | environment |", "|---|---|---|", *rows])


def chart_settings() -> list[Any]:
    """Fields of ``Settings`` that ``values.settings`` may set."""
    return [field for field in fields(Settings) if field.name not in MADE_BY_THE_CHART]


def settings_schema() -> dict[str, Any]:
    """JSON schema of ``values.settings``, from the operator's own settings."""
    properties: dict[str, Any] = {}
    for field in chart_settings():
        default = field.default
        if isinstance(default, bool):
            kind: dict[str, Any] = {"type": "boolean"}
        elif isinstance(default, int):
            kind = {"type": "integer", **_bounds(field.metadata)}
        elif isinstance(default, float):
            kind = {"type": "number", **_bounds(field.metadata)}
        elif isinstance(default, str):
            choices = field.metadata.get("choices")
            kind = {"type": "string", **({"enum": list(choices)} if choices else {})}
        else:
            raise TypeError(f"settings.py: {field.name} is {default!r}; the chart sets text, numbers and switches")
        properties[camel(field.name)] = {**kind, "default": default}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _bounds(described: Mapping[str, Any]) -> dict[str, Any]:
    most = described.get("most")
    return {"minimum": described.get("least", 0), **({} if most is None else {"maximum": most})}


def schema() -> str:
    """values.schema.json with the settings of the operator in it."""
    document = json.loads((CHART / "values.schema.json").read_text())
    document["properties"]["settings"] = settings_schema()
    return json.dumps(document, indent=2) + "\n"


def permissions_table() -> str:
    """What the operator may do, as a Markdown table."""
    rows = ["| where | what | verbs | why |", "|---|---|---|---|"]
    for permission in PERMISSIONS:
        where = "its own namespace" if permission.scope == "operator" else "every watched namespace"
        if place(permission, namespaced=True) in ("cluster", None):
            where = "the cluster"
        what = f"{permission.resource}.{permission.group}".removesuffix(".")
        rows.append(f"| {where} | `{what}` | {', '.join(permission.verbs)} | {permission.why} |")
    return "\n".join(rows)


def filled(path: Path, **contents: str) -> str:
    """The text of a file, with each content between its comments, as ``<!-- name: begin -->``."""
    text = path.read_text()
    for name, content in contents.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{content}\n{end}{after}"
    return text


def helm(*arguments: str) -> str:
    """What Helm prints; raises ``RuntimeError`` with what it said."""
    done = subprocess.run([str(program("helm")), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def template(*arguments: str) -> str:
    """The chart rendered under its usual names."""
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *arguments)


def install(*arguments: str) -> str:
    """The manifest for ``kubectl apply --server-side -f``, without Helm's marks."""
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    ]
    documents += [document for document in yaml.safe_load_all(template(*arguments)) if document]
    for document in documents:
        strip(document)
    order = {"Namespace": 0, "CustomResourceDefinition": 1, "ServiceAccount": 2}
    documents.sort(key=lambda document: order.get(document["kind"], 3))
    head = "# Generated from charts/opssight-operator by `make generate`: kubectl apply --server-side -f install.yaml\n"
    return head + yaml.safe_dump_all(documents, sort_keys=False, width=120)


def strip(node: Any) -> None:
    """Remove what only Helm understands; it would promise an ownership that nobody keeps."""
    if isinstance(node, list):
        for item in node:
            strip(item)
    if not isinstance(node, dict):
        return
    for field in ("labels", "annotations"):
        marks = node.get(field)
        if isinstance(marks, dict):
            for name in [*marks]:
                if name.startswith("helm.sh/") or (name, marks[name]) == ("app.kubernetes.io/managed-by", "Helm"):
                    del marks[name]
            if not marks:
                del node[field]
    for value in node.values():
        strip(value)


def goldens() -> dict[Path, str]:
    """The rendered chart for each set of values in the folder of the goldens, without the CRDs."""
    found = {}
    for values in sorted(GOLDENS.glob("*.values.yaml")):
        rendered = template("--values", str(values), "--set", "crds.enabled=false")
        found[values.with_name(values.name.replace(".values.yaml", ".golden.yaml"))] = rendered
    return found


def generated(with_helm: bool) -> dict[Path, str]:
    """Every generated file and its text."""
    files = {
        CHART / "values.schema.json": schema(),
        CHART / "README.md": filled(CHART / "README.md", values=table(), settings=settings_table()),
        SECURITY: filled(SECURITY, permissions=permissions_table()),
        **dashboards.texts(),
    }
    if with_helm:
        files |= {INSTALL: install(), **goldens()}
    return files


def helm_is_built() -> bool:
    """Whether there is a Helm to render with."""
    return is_built(providing("helm"))


def out_of_date(with_helm: bool) -> dict[Path, str]:
    """The generated files that are not as they must be."""
    return {path: text for path, text in generated(with_helm).items() if not path.exists() or path.read_text() != text}


def release(target: Path, image: str, digest: str) -> list[Path]:
    """The packaged chart and install.yaml that name the pushed image by its digest; ``ValueError`` without one."""
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"DIGEST is {digest!r}; it must be sha256: and 64 hexadecimal digits, as the registry said")
    repository = image if ":" not in image.rsplit("/", 1)[-1] else image.rpartition(":")[0]
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / CHART.name
        shutil.copytree(CHART, chart, symlinks=False)
        values = (chart / "values.yaml").read_text()
        named = values.replace("  repository: localhost/opssight-operator\n", f"  repository: {repository}\n", 1)
        named = named.replace('  digest: ""\n', f"  digest: {digest}\n", 1)
        (chart / "values.yaml").write_text(named)
        archive = Path(helm("package", str(chart), "--destination", str(target)).strip().rpartition(" ")[2])
    manifest = target / "install.yaml"
    manifest.write_text(install("--set", f"image.repository={repository},image.digest={digest}"))
    return [archive, manifest]


def main() -> int:
    """Write the files; ``--check`` says which are out of date; ``--release FOLDER IMAGE DIGEST`` makes a release's."""
    if sys.argv[1:2] == ["--release"]:
        try:
            for path in release(Path(sys.argv[2]), *sys.argv[3:5]):
                sys.stdout.write(f"{path}\n")
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        return 0
    with_helm = helm_is_built()
    wrong = out_of_date(with_helm)
    if "--check" in sys.argv[1:]:
        for path in wrong:
            sys.stdout.write(f"{path.relative_to(ROOT)} is out of date: run make generate\n")
        return 1 if wrong else 0
    for path, text in wrong.items():
        path.write_text(text)
    if not with_helm:
        sys.stdout.write(
            "no Helm, so that deploy/install.yaml stays as it is: python -m localcluster build --with helm\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
