"""The pages of the documentation as tests read them: one parser of their blocks, one list of what they may call."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>[^>]+) -->\n)?(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
FOLDERS = ("benchmarks", "examples", "localcluster", "node")
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *(
            page
            for folder in ("benchmarks", "examples", "localcluster", "node")
            for page in ROOT.glob(f"{folder}/*.md")
        ),
        *ROOT.glob("charts/*/README.md"),
    }
)
MAKE_TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; ``why`` says for what it is not run."""

    page: str
    kind: str
    text: str
    why: str | None

    @property
    def values(self) -> bool:
        """Whether it is values of the chart, not an object."""
        return self.kind == "yaml" and all("kind" not in one for one in yaml.safe_load_all(self.text))

    def commands(self) -> list[str]:
        """Its commands, each on one line; comments and empty lines are none."""
        if self.kind == "console":
            return [command for command, _ in self.session()]
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def session(self) -> list[tuple[str, str]]:
        """Each command behind a ``$`` of a console with what it prints."""
        found = []
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, printed = re.sub(r"\\\n\s*", "", part).partition("\n")
            found.append((command, printed.strip("\n")))
        return found


def blocks_of(path: Path) -> Iterator[Block]:
    """The fenced blocks of a page, from the top."""
    for found in FENCE.finditer(path.read_text()):
        text = textwrap.dedent(found["text"]) if found["indent"] else found["text"]
        yield Block(str(path.relative_to(ROOT)), found["kind"], text, found["why"])


def indented(text: str) -> list[int]:
    """The lines at which a block begins that is indented and not fenced: no test would see it."""
    found, fenced, listed, before = [], False, False, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            if line[:1].strip():
                listed = re.match(r"([-*]|\d+\.) ", line) is not None
            elif line.startswith("    ") and not listed and not before.strip():
                found.append(number)
        before = line
    return found
