"""A report as ConfigMaps: named by what is due, within the size of an object, and read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .conventions import MANAGED_BY, MANAGED_BY_LABEL, OWNER_KIND_LABEL, OWNER_NAME_LABEL, REPORT_NAME_PREFIX
from .report.chunks import CHUNK_BYTES, split

MARKDOWN, HTML, JSON, TEMPLATES = "report.md", "report.html", "report.json", "templates.json"
JOURNAL = "journal.json"
_PIECE = re.compile(r"^(.+\.(?:md|html|json))(?:\.([0-9]{1,4}))?$")
_LABEL_LENGTH = 63  # of Kubernetes


@dataclass(frozen=True, slots=True)
class Document:
    """A ConfigMap that we own as a whole: same namespace and owner as the resource."""

    name: str
    labels: Mapping[str, str]
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Documents:
    """ConfigMaps to write, and the names of those to delete where they are ours."""

    write: tuple[Document, ...] = ()
    remove: tuple[str, ...] = ()


def document_name(report: str, label: str) -> str:
    """The name of the first ConfigMap of a report."""
    return f"{REPORT_NAME_PREFIX}-{report}-{label}"


def part_names(name: str, parts: int) -> tuple[str, ...]:
    """The names of all ConfigMaps of a report."""
    return (name, *(f"{name}-{number}" for number in range(2, parts + 1)))


def packed(report: str, name: str, files: Mapping[str, str], limit: int = CHUNK_BYTES) -> tuple[Document, ...]:
    """``files`` in as few ConfigMaps as their order allows, each below ``limit`` bytes; one that is larger is cut.

    The pieces of ``report.html`` are called ``report.html.1``, ``report.html.2`` and so on.
    """
    maps: list[dict[str, str]] = [{}]
    room = limit
    for key, text in files.items():
        data = text.encode()
        pieces = split(data, limit - len(key) - 5)
        for number, piece in enumerate(pieces, start=1):
            shown = key if len(pieces) == 1 else f"{key}.{number}"
            size = len(piece) + len(shown)
            if size > room and maps[-1]:
                maps.append({})
                room = limit
            maps[-1][shown] = piece.decode()
            room -= size
    labels = owned_labels(report)
    names = part_names(name, len(maps))
    return tuple(Document(one, labels, data) for one, data in zip(names, maps, strict=True))


def unpacked(maps: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The files of ConfigMaps that ``packed`` made."""
    pieces: dict[str, dict[int, str]] = {}
    for data in maps:
        for key, text in data.items():
            found = _PIECE.match(key)
            if found is not None:
                pieces.setdefault(found[1], {})[int(found[2] or 0)] = text
    return {key: "".join(found[number] for number in sorted(found)) for key, found in pieces.items()}


def owned_labels(report: str) -> dict[str, str]:
    """Labels by which a person finds the ConfigMaps of a report."""
    name = {OWNER_NAME_LABEL: report} if len(report) <= _LABEL_LENGTH else {}
    return {MANAGED_BY_LABEL: MANAGED_BY, OWNER_KIND_LABEL: "PatternReport", **name}
