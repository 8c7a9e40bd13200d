"""The token and the certificates of one source, as its Secrets have them.

What was read is used for as long as the API server cannot say otherwise: its outage is none of Prometheus'. It is read
anew beside the queries, and before one only where Prometheus has refused what is known.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from opssight_operator.api.metrics_source import MetricsSourceSpec, SecretKeyRef
from opssight_operator.errors import KubernetesUnavailable, OpsSightError, SourceMissing, Throttled

from .transport import Identity

log = logging.getLogger(__name__)

SecretReader = Callable[[str], Awaitable[Mapping[str, str]]]
"""The ``data`` (base64) of a Secret of the operator's own namespace, by name."""

FRESH_SECONDS = 60.0  # a rotated token is noticed within this
AGAIN_SECONDS = 3.0  # between two looks at what Prometheus refuses, or at what cannot be read


@dataclass(frozen=True, slots=True)
class Secrets:
    """``token`` is a password where the source has a username; ``certificates`` are PEM."""

    token: str | None = None
    certificates: str | None = None
    identity: Identity | None = None


class Credentials:
    """Of a source with this spec."""

    def __init__(
        self, spec: MetricsSourceSpec, read_secret: SecretReader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = spec.auth.secret_ref if spec.auth else None
        self._certificates = spec.tls.ca_secret_ref if spec.tls else None
        self._identity = spec.tls.client_certificate if spec.tls else None
        self._read_secret = read_secret
        self._clock = clock
        self.known: Secrets | None = None
        """What was read last, and whatever replaced it while somebody waited for his turn."""
        self._error: OpsSightError | None = None
        self._tried_at = float("-inf")
        self._doubted = False
        self._reading: asyncio.Task[None] | None = None

    async def current(self) -> Secrets:
        """What to ask Prometheus with; raises why that cannot be known."""
        if not (self._token or self._certificates or self._identity):
            return Secrets()
        age = self._clock() - self._tried_at
        if (self.known is None or self._doubted) and age >= AGAIN_SECONDS:
            await asyncio.shield(self._look())
        elif age >= FRESH_SECONDS:
            self._look()
        elif self.known is None and self._reading is not None:
            await asyncio.shield(self._reading)
        if self.known is None:
            error = self._error or SourceMissing("the Secrets of the source have not been read")
            raise type(error)(str(error))
        return self.known

    def doubt(self) -> None:
        """Prometheus has refused what is known, so that it may have been replaced."""
        self._doubted = True

    def _look(self) -> asyncio.Task[None]:
        """One look, shared by all who wait for it."""
        if self._reading is None or self._reading.done():
            self._tried_at = self._clock()
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            identity = None
            if self._identity is not None:
                shown = self._identity
                identity = Identity(await self._of(shown.cert_secret_ref), await self._of(shown.key_secret_ref))
            known = Secrets(await self._value(self._token), await self._value(self._certificates), identity)
        except (KubernetesUnavailable, Throttled) as error:
            if self._error is None and self.known is not None:
                log.warning("the Secrets of a source cannot be read; what is known is used", extra={"why": str(error)})
            self._error = error
        except OpsSightError as error:
            self.known, self._error = None, error
        else:
            self.known, self._error, self._doubted = known, None, False

    async def _value(self, reference: SecretKeyRef | None) -> str | None:
        return None if reference is None else await self._of(reference)

    async def _of(self, reference: SecretKeyRef) -> str:
        data = await self._read_secret(reference.name)
        if reference.key not in data:
            raise SourceMissing(f"Secret {reference.name} of the operator's namespace has no key {reference.key}")
        try:
            return base64.b64decode(data[reference.key]).decode().strip()
        except (binascii.Error, UnicodeDecodeError):
            raise SourceMissing(f"key {reference.key} of Secret {reference.name} is not text") from None
