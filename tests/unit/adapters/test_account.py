"""Who we are, by the token of the pod."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from opssight_operator.adapters.kubernetes.account import owner_of_token


def token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature\n"


def claims(namespace: str = "ops", name: str = "robot") -> dict[str, Any]:
    return {"kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": "u-1"}}}


@pytest.mark.parametrize("name", ["robot", "robots", "robotss"])
def test_the_account_of_a_token_is_an_owner_whatever_the_padding(name: str) -> None:
    expected = {"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": "u-1"}
    assert owner_of_token(token(claims(name=name)), "ops") == expected


@pytest.mark.parametrize(
    "text",
    ["", "no token", "a.b.c", "a.!!!.c", token([]), token({}), token({"kubernetes.io": None}), token(claims("other"))],
)
def test_any_other_token_names_no_owner(text: str) -> None:
    assert owner_of_token(text, "ops") is None
