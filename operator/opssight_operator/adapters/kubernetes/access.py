"""A look at our own rights at start: kopf retries a 403 for a minute before anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from .client import KubeApi
from .permissions import FEATURES, Feature, Permission, needed, place

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def missing_permissions(
    api: KubeApi, *, namespaces: tuple[str, ...], operator_namespace: str, features: Collection[Feature] = FEATURES
) -> list[tuple[Permission, str, str]]:
    """``(permission, verb, namespace)`` of everything we need and may not do; namespace is "" for cluster-wide."""
    questions: list[tuple[Permission, str, str]] = []
    for permission in needed(features):
        where = place(permission, namespaced=bool(namespaces))
        places = {"operator": (operator_namespace,), "cluster": ("",), "each": namespaces, None: ()}[where]
        questions += [(permission, verb, place) for verb in permission.verbs for place in places]
    gate = asyncio.Semaphore(8)

    async def allowed(question: tuple[Permission, str, str]) -> bool:
        permission, verb, namespace = question
        resource, _, subresource = permission.resource.partition("/")
        attributes = {
            "group": permission.group,
            "resource": resource,
            "subresource": subresource,
            "verb": verb,
            "namespace": namespace,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        async with gate:
            answer = await api.send("POST", REVIEW, body=body, what="review our own access")
        return bool(answer.get("status", {}).get("allowed"))

    answers = await asyncio.gather(*map(allowed, questions))
    return [question for question, allows in zip(questions, answers, strict=True) if not allows]


def describe(missing: list[tuple[Permission, str, str]]) -> str:
    """One sentence that names every missing verb, and what it is for."""
    parts = [
        f"{verb} {permission.resource}{f'.{permission.group}' if permission.group else ''}"
        f"{f' in namespace {namespace}' if namespace else ''} (to {permission.why})"
        for permission, verb, namespace in missing
    ]
    return "the ServiceAccount lacks: " + "; ".join(parts)
