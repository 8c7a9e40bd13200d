"""The ServiceAccount that the operator runs as, read from its own token."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any


def owner_of_token(token: str, namespace: str) -> dict[str, Any] | None:
    """The ServiceAccount of a projected token as an owner reference, for objects in ``namespace``.

    What it owns is collected when it is deleted, so that an uninstall leaves nothing. The token is not verified: a
    reference to nobody would only let the object be collected. None when the token is none of a ServiceAccount there.
    """
    try:
        payload = token.strip().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["kubernetes.io"]
        if claims["namespace"] != namespace:
            return None
        name, uid = str(claims["serviceaccount"]["name"]), str(claims["serviceaccount"]["uid"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None
    return {"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": uid}
