"""``python -m charts.release FOLDER IMAGE DIGEST``: the chart and the manifest that name a pushed image by digest."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from .rendering import CHART, helm, install


def replaced(text: str, old: str, new: str) -> str:
    """``text`` with the one line ``old`` as ``new``; ``ValueError`` when it is not there exactly once."""
    if text.count(old) != 1:
        raise ValueError(f"values.yaml has {old.strip()!r} {text.count(old)} times; a release must replace it once")
    return text.replace(old, new)


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
        values = replaced(values, "\n  repository: localhost/opssight-operator\n", f"\n  repository: {repository}\n")
        values = replaced(values, '\n  digest: ""\n', f"\n  digest: {digest}\n")
        (chart / "values.yaml").write_text(values)
        archive = Path(helm("package", str(chart), "--destination", str(target)).strip().rpartition(" ")[2])
    manifest = target / "install.yaml"
    manifest.write_text(install("--set", f"image.repository={repository},image.digest={digest}"))
    return [archive, manifest]


def main() -> int:
    """Print what was made; exit status 2 with a sentence when an argument is wrong."""
    parser = argparse.ArgumentParser(prog="python -m charts.release", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("image", help="the name of the pushed image; a tag is left out")
    parser.add_argument("digest", help="sha256:..., as the registry said")
    chosen = parser.parse_args()
    try:
        for path in release(chosen.folder, chosen.image, chosen.digest):
            sys.stdout.write(f"{path}\n")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
