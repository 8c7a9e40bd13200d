"""The image as it is written down; `make e2e` and `make image-check` look into a built one."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from pathlib import Path
from py_compile import PycInvalidationMode
from py_compile import compile as compile_

import pytest
import yaml
from image import check, inside
from image.attest import bill_of_this_checkout, locked, provenance, sbom
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCK = (ROOT / "requirements" / "runtime.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIGEST = "sha256:" + "a" * 64


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    pinned = {canonicalize_name(name): version for name, version, _ in locked(LOCK)}
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        assert name in pinned, f"{text} is not in requirements/runtime.txt: run make locks"
        assert wanted.specifier.contains(pinned[name]), f"{name}=={pinned[name]} is not {text}: run make locks"


def test_nothing_for_tests_is_in_the_image() -> None:
    pinned = {name for name, _, _ in locked(LOCK)}
    assert not pinned & {"pytest", "mypy", "ruff", "hypothesis", "pandas", "pyarrow", "cryptography", "httpx"}


def test_every_stage_begins_with_the_base_that_was_asked_for_or_with_nothing() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["${BASE}", "${BASE}", "scratch"]


def test_what_is_installed_is_checked_by_hash() -> None:
    installs = [line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if "pip" in line and "install" in line]
    commands = [command for line in installs for command in line.split("&&") if " install " in command]
    assert len(commands) == 3
    assert all("--require-hashes" in command or "--no-index" in command for command in commands)


def test_everything_that_is_copied_passes_the_ignore_file() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    for path in [path for line in copied for path in line.split()[:-1]]:
        assert (ROOT / path).exists()
        assert any(fnmatch.fnmatch(path, pattern) for pattern in allowed), f"{path} never reaches the builder"


def test_the_image_and_the_pod_agree_on_the_user_and_the_command() -> None:
    chart = ROOT / "charts" / "opssight-operator"
    pod = (chart / "templates" / "deployment.yaml").read_text()
    context = yaml.safe_load((chart / "values.yaml").read_text())["podSecurityContext"]
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user and (context["runAsUser"], context["runAsGroup"]) == (int(user[1]), int(user[2]))
    command = re.search(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert command and f"args: [{json.loads(command[1])[0]}]" in pod


def test_the_chart_the_image_and_the_package_have_one_version() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "opssight-operator" / "Chart.yaml").read_text())
    said = re.search(r"^ARG VERSION=(.+)$", DOCKERFILE, re.MULTILINE)
    assert said and {chart["version"], chart["appVersion"], said[1]} == {PROJECT["version"]}


def test_the_bill_of_materials_names_every_package_with_its_digests_and_never_changes_by_itself() -> None:
    bill = sbom(LOCK, "opssight-operator", "1.2.3")
    assert bill == sbom(LOCK, "opssight-operator", "1.2.3")
    assert {(c["name"], c["version"]) for c in bill["components"]} == {(n, v) for n, v, _ in locked(LOCK)}
    for component in bill["components"]:
        assert component["externalReferences"][0]["hashes"]
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"


def installed_as_billed() -> dict[str, str]:
    """What is in an image that was built of this checkout, as the image would tell it."""
    bill = bill_of_this_checkout()
    return {c["name"].replace("-", "_"): c["version"] for c in [bill["metadata"]["component"], *bill["components"]]}


OTHERWISE = {
    "a distribution that nobody listed": ({"left-pad": "1.3"}, "left-pad is 1.3 in the image and missing in the bill"),
    "another version": ({"numpy": "1.0"}, "numpy is 1.0 in the image and "),
}


@pytest.mark.parametrize(("change", "said"), OTHERWISE.values(), ids=OTHERWISE)
def test_an_image_with_something_else_than_its_bill_says_is_refused(change: dict[str, str], said: str) -> None:
    bill = bill_of_this_checkout()
    check.check_distributions(installed_as_billed(), bill)
    with pytest.raises(check.Broken, match=re.escape(said)):
        check.check_distributions(installed_as_billed() | change, bill)


def test_an_image_that_lacks_what_its_bill_says_is_refused() -> None:
    installed = installed_as_billed()
    del installed["kopf"]
    with pytest.raises(check.Broken, match="kopf is missing in the image"):
        check.check_distributions(installed, bill_of_this_checkout())


def test_the_targets_of_size_and_start_up_are_held_and_are_those_of_the_docs() -> None:
    check.check_targets(check.SIZE_TARGET, check.START_TARGET)
    for megabytes, seconds in ((check.SIZE_TARGET + 1, 0.1), (1, check.START_TARGET + 0.1)):
        with pytest.raises(check.Broken, match="the target is"):
            check.check_targets(megabytes, seconds)
    text = (ROOT / "docs" / "operations.md").read_text()
    assert f"(target: at most {check.SIZE_TARGET} MB)" in text
    assert f"(target: at most {check.START_TARGET:g} s of computing)" in text


def test_the_sources_that_need_no_bytecode_are_those_that_the_build_leaves_out() -> None:
    assert f"-x '{inside.WITHOUT_BYTECODE}'" in DOCKERFILE


def test_a_source_without_bytecode_and_one_with_it_are_told_apart(tmp_path: Path) -> None:
    for name in ("plain", "compiled"):
        (tmp_path / f"{name}.py").write_text("x = 1\n")
    compile_(str(tmp_path / "compiled.py"), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    assert inside.bytecode_flags(tmp_path / "plain.py") is None
    assert inside.bytecode_flags(tmp_path / "compiled.py") == 1


def test_a_lock_without_a_digest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"numpy==2\.4\.6 has no sha256"):
        locked("numpy==2.4.6\n")


WRONG = {
    "a base that is a tag": ({"base": "python:3.11-slim"}, "base is 'python:3.11-slim'"),
    "an image without a digest": ({"digest": "0.1.0"}, "digest is '0.1.0'"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_provenance_names_only_what_a_digest_names(change: dict[str, str], said: str) -> None:
    good = {
        "image": "registry.example.com/o",
        "digest": DIGEST,
        "base": f"python:3.11-slim@{DIGEST}",
        "revision": "b" * 40,
        "repository": "https://example.com/o",
        "builder": "https://example.com/ci",
    }
    statement = provenance(**good, files={"Dockerfile": b"FROM scratch"})
    assert statement["subject"][0]["digest"]["sha256"] == "a" * 64
    assert len(statement["predicate"]["buildDefinition"]["resolvedDependencies"]) == 3
    with pytest.raises(ValueError, match=re.escape(said)):
        provenance(**{**good, **change}, files={})
