"""``python -m charts.build [--check]``: what is generated of the chart and from it.

Without Helm: the tables in README.md of the chart and in docs/security.md, the settings in the schema, the dashboards.
With Helm, which the local cluster builds: ``deploy/install.yaml`` and the goldens of the tests.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import dashboards
from .rendering import CHART, helm_is_built, install, template
from .tables import permissions_table, schema, settings_table, table

ROOT = Path(__file__).resolve().parents[1]
INSTALL = ROOT / "deploy" / "install.yaml"
GOLDENS = ROOT / "tests" / "component" / "chart_goldens"
SECURITY = ROOT / "docs" / "security.md"


def filled(path: Path, **contents: str) -> str:
    """The text of a file, with each content between its comments, as ``<!-- name: begin -->``."""
    text = path.read_text()
    for name, content in contents.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}{content}\n{end}{after}"
    return text


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


def out_of_date(with_helm: bool) -> dict[Path, str]:
    """The generated files that are not as they must be."""
    return {path: text for path, text in generated(with_helm).items() if not path.exists() or path.read_text() != text}


def main() -> int:
    """Write the files; ``--check`` says which are out of date, and has exit status 1 then."""
    parser = argparse.ArgumentParser(prog="python -m charts.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say which files are out of date; exit status 1 if any")
    check = parser.parse_args().check
    with_helm = helm_is_built()
    wrong = out_of_date(with_helm)
    if check:
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
