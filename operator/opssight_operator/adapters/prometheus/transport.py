"""Connections under deadlines, verified against one trust, without retries."""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from . import deadlines


class Adapter(HTTPAdapter):
    """Connections under deadlines, without retries; https is verified against ``trust`` and nothing else."""

    def __init__(self, connections: int, trust: ssl.SSLContext | None) -> None:
        self._trust = trust
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """The pool of watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Where to connect to, with our own trust in place of a file of certificates."""
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        return host, {"ssl_context": self._trust} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to add: the trust is in the pool already."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate and its key, in PEM."""

    certificate: str
    key: str = field(repr=False)


class NoIdentity(ValueError):
    """What should be a client certificate with its key is none."""


def trust(certificates: str | None, identity: Identity | None = None) -> ssl.SSLContext:
    """Verification against PEM ``certificates``, or against the system's; ``identity`` is shown to who asks for it.

    Raises ``NoIdentity``, and ``ssl.SSLError`` or ``ValueError`` for certificates that are none.
    """
    context = ssl.create_default_context(cadata=certificates)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if identity is not None:
        with _in_memory(identity.certificate) as certificate, _in_memory(identity.key) as key:
            try:
                context.load_cert_chain(certificate, key, password=lambda: b"")  # or it would ask on a terminal
            except (ssl.SSLError, ValueError) as error:
                raise NoIdentity(str(error)) from error
    return context


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """The path of a file that is on no disk: OpenSSL takes keys from files alone."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


class _Response(http.client.HTTPResponse):
    """Refuses a chunk of negative size, which the standard library takes for "all that comes"."""

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise http.client.IncompleteRead(b"")
        return size


class StaleConnection(ConnectionResetError):
    """A connection that was kept from an earlier request ended before this one had an answer.

    Servers and balancers close what is idle, and may do so while a request is on its way: it was not looked at.
    """


class _Watched:
    """What a connection does before it waits for an answer."""

    response_class: Any = _Response
    sock: Any
    _answered: Any = None  # the socket that has given an answer

    def getresponse(self) -> Any:
        deadline = deadlines.current()
        if deadline is not None and self.sock is not None:
            deadline.watch(self.sock)
        used = self.sock
        try:
            response = super().getresponse()  # type: ignore[misc]
        except ConnectionError as error:
            if used is None or used is not self._answered:
                raise
            raise StaleConnection(*error.args) from error
        self._answered = used
        return response


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
