"""``opssight report show`` and ``list``: reports that a PatternReport keeps in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from opssight_operator.api import API_VERSION, PLURALS
from opssight_operator.api.report_status import KeptReport, PatternReportStatus
from opssight_operator.core.report_documents import part_names as names_of_parts
from opssight_operator.core.report_documents import unpacked

from .errors import BadInput
from .writing import table

T = TypeVar("T")
FILES = {"md": "report.md", "html": "report.html", "json": "report.json"}
Ask = Callable[[str], Awaitable[dict[str, Any] | None]]
"""The answer to a GET of a path; None when there is no such object."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a context of the kubeconfig and a namespace, those of kubectl when they are None."""

    context: str | None = None
    namespace: str | None = None
    everywhere: bool = False


def shown(name: str, place: Place, *, form: str, which: str | None) -> str:
    """The text of a report; ``which`` is the name of its ConfigMap, the newest when None."""
    return _asked(place, lambda ask, namespace: show(ask, namespace, name, form=form, which=which))


def listed(place: Place) -> list[dict[str, Any]]:
    """Every PatternReport, in the order of namespace and name."""
    return _asked(place, lambda ask, namespace: all_of(ask, None if place.everywhere else namespace))


async def show(ask: Ask, namespace: str, name: str, *, form: str, which: str | None) -> str:
    """The file of a report in the form ``md``, ``html`` or ``json``; ``BadInput`` when there is none."""
    found = await ask(f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURALS['PatternReport']}/{name}")
    if found is None:
        raise BadInput(f"there is no PatternReport {name} in namespace {namespace}")
    status = _status(found)
    kept = _chosen(status, which, f"{namespace}/{name}", _reason(found))
    data = []
    for part in names_of_parts(kept.name, kept.parts):
        document = await ask(f"/api/v1/namespaces/{namespace}/configmaps/{part}")
        if document is None:
            raise BadInput(f"ConfigMap {namespace}/{part} of the report is gone; the next report writes another one")
        data.append(document.get("data") or {})
    files = unpacked(data)
    if FILES[form] not in files:
        there = ", ".join(short for short, file in FILES.items() if file in files)
        raise BadInput(f"the report has no {form}, as spec.outputs does not ask for it; it has {there}")
    return files[FILES[form]]


async def all_of(ask: Ask, namespace: str | None) -> list[dict[str, Any]]:
    """What a list shows, as plain values; of all namespaces when ``namespace`` is None."""
    scope = "" if namespace is None else f"namespaces/{namespace}/"
    answer = await ask(f"/apis/{API_VERSION}/{scope}{PLURALS['PatternReport']}")
    if answer is None:
        raise BadInput("the cluster has no PatternReports; install the CRDs of OpsSight")
    return [
        {
            "namespace": item["metadata"].get("namespace", ""),
            "name": item["metadata"]["name"],
            "ready": _reason(item),
            "next": status.next_run_at,
            "highlights": list(status.highlights),
            "reports": [kept.dump() for kept in status.history],
        }
        for item in answer.get("items", [])
        for status in [_status(item)]
    ]


def as_table(reports: list[dict[str, Any]]) -> str:
    """A line for each report that is kept, the newest of a resource first."""
    rows = []
    for one in reports:
        for kept in one["reports"] or [{}]:
            times = (str(kept.get("from", "")), str(kept.get("to", "")))
            incidents = str(kept.get("incidents", ""))
            rows.append((one["namespace"], one["name"], kept.get("name", one["ready"]), *times, incidents))
    if not rows:
        return "there are no PatternReports"
    header = ("namespace", "name", "report", "from", "to", "incidents")
    return table(header, rows, left=header[:-1])


def _status(item: dict[str, Any]) -> PatternReportStatus:
    try:
        return PatternReportStatus.model_validate(item.get("status") or {})
    except ValidationError:
        raise BadInput(f"the status of PatternReport {item['metadata']['name']} is of another version") from None


def _reason(item: dict[str, Any]) -> str:
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((str(one.get("reason", "")) for one in conditions if one.get("type") == "Ready"), "Pending")


def _chosen(status: PatternReportStatus, which: str | None, place: str, reason: str) -> KeptReport:
    if which is None:
        if status.last_report is None:
            due = f"; the first one is due at {status.next_run_at}" if status.next_run_at else ""
            raise BadInput(f"PatternReport {place} has no report yet ({reason}){due}")
        return status.last_report
    found = next((kept for kept in status.history if which in (kept.name, kept.to)), None)
    if found is None:
        there = ", ".join(kept.name for kept in status.history) or "none"
        raise BadInput(f"PatternReport {place} keeps no report {which}; it keeps {there}")
    return found


def _asked(place: Place, question: Callable[[Ask, str], Awaitable[T]]) -> T:
    from opssight_operator.adapters.kubernetes.failures import ApiFailure, ours
    from opssight_operator.adapters.kubernetes.kubeconfig import personal

    async def work() -> T:
        api, namespace = await personal(place.context)

        async def ask(path: str) -> dict[str, Any] | None:
            try:
                return await api.request("GET", path)
            except ApiFailure as failure:
                if failure.status == 404:
                    return None
                raise

        try:
            return await question(ask, place.namespace or namespace)
        finally:
            await api.close()

    try:
        return asyncio.run(work())
    except BadInput:
        raise
    except ApiFailure as failure:
        raise BadInput(f"{failure.what}: {failure.message}") from None
    except Exception as error:
        raise BadInput(str(ours(error))) from None
