"""``python -m image.attest sbom|provenance``: what is in the image, and how it was made, as documents for a release.

The bill of materials (CycloneDX 1.5) is made of the lock file alone, so that it is the same on every machine; a scanner
adds the packages of the base image. The provenance (in-toto Statement with SLSA 1.0) names what went into the build by
digest. ``make release`` writes them into files; nothing here signs them or attaches them to an image, which whoever
releases does with a key of their own (docs/install.md shows it with cosign).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def locked(text: str) -> list[tuple[str, str, list[str]]]:
    """``(name, version, sha256 digests)`` of each pinned package; ``ValueError`` for one without a digest."""
    found: list[tuple[str, str, list[str]]] = []
    for line in text.splitlines():
        if pinned := PINNED.match(line):
            found.append((pinned["name"], pinned["version"], []))
        elif digest := HASH.search(line):
            found[-1][2].append(digest[1])
    for name, version, digests in found:
        if not digests:
            raise ValueError(f"{name}=={version} has no sha256 in the lock file")
    return found


def sbom(lock: str, name: str, version: str) -> dict[str, Any]:
    """CycloneDX 1.5 of the locked packages and of ourselves; the same lock gives the same document."""
    packages = locked(lock)
    own = f"pkg:pypi/{name}@{version}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + hashlib.sha256(lock.encode()).hexdigest())}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": name,
                "version": version,
                "purl": own,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{package}@{number}",
                "name": package,
                "version": number,
                "purl": f"pkg:pypi/{package}@{number}",
                "externalReferences": [
                    {
                        "type": "distribution",
                        "url": f"https://pypi.org/project/{package}/{number}/",
                        "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
                    }
                ],
            }
            for package, number, digests in packages
        ],
        "dependencies": [
            {"ref": own, "dependsOn": [f"pkg:pypi/{package}@{number}" for package, number, _ in packages]}
        ],
    }


def bill_of_this_checkout() -> dict[str, Any]:
    """The bill of materials of what this checkout's lock and version say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sbom((ROOT / "requirements" / "runtime.txt").read_text(), project["name"], project["version"])


def provenance(
    *, image: str, digest: str, base: str, revision: str, repository: str, builder: str, files: dict[str, bytes]
) -> dict[str, Any]:
    """An in-toto Statement about ``image@digest``; ``files`` are the locks and the Dockerfile of the build.

    ``ValueError`` when the image or the base is not named by its digest: a tag says nothing about what was used.
    """
    base_name, _, base_digest = base.partition("@sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", base_digest):
        raise ValueError(f"base is {base!r}; it must be a name with a digest, as python:3.11-slim@sha256:...")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"digest is {digest!r}; it must be sha256: and 64 hexadecimal digits")
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": image, "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://opssight.dev/build/dockerfile/v1",
                "externalParameters": {"repository": repository, "revision": revision, "base": base},
                "internalParameters": {},
                "resolvedDependencies": [
                    {"uri": f"git+{repository}", "digest": {"gitCommit": revision}},
                    {"uri": f"docker://{base_name}", "digest": {"sha256": base_digest}},
                    *(
                        {"uri": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
                        for name, content in sorted(files.items())
                    ),
                ],
            },
            "runDetails": {"builder": {"id": builder}},
        },
    }


def main() -> int:
    """Print the document that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m image.attest")
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("sbom")
    made = kinds.add_parser("provenance")
    for name in ("image", "digest", "base", "revision", "repository", "builder"):
        made.add_argument(f"--{name}", required=True)
    arguments = vars(parser.parse_args())
    try:
        if arguments.pop("kind") == "sbom":
            document = bill_of_this_checkout()
        else:
            names = ("Dockerfile", "requirements/runtime.txt", "requirements/build.txt")
            document = provenance(**arguments, files={name: (ROOT / name).read_bytes() for name in names})
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
