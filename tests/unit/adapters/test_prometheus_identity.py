"""A client certificate, before a server of TLS that asks for one."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opssight_operator.adapters.prometheus.sources import Sources
from opssight_operator.api.base import ObjectMeta
from opssight_operator.api.metrics_source import MetricsSource, MetricsSourceSpec, MetricsSourceStatus
from opssight_operator.errors import PrometheusUnreachable
from unit.adapters.test_prometheus_hostile import GOOD


class Authority:
    """Signs certificates, its own first."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.pem = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """A certificate for this machine, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._signed(subject, key, here), pem

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        self.wfile.write(GOOD)

    def log_message(self, *_: object) -> None:
        pass


AUTHORITY, STRANGER = Authority(), Authority()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers whoever shows a certificate of the authority."""
    folder: Path = tmp_path_factory.mktemp("tls")
    certificate, key = AUTHORITY.issue("server")
    (folder / "server.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=AUTHORITY.pem.decode())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused guest is no news
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def asked(url: str, files: Mapping[str, bytes]) -> list[float]:
    """The values that a source with these keys of its Secret gets."""

    async def secret(name: str) -> Mapping[str, str]:
        return {key: base64.b64encode(value).decode() for key, value in files.items()}

    tls = {"caSecretRef": {"name": "s", "key": "ca.crt"}}
    if "tls.key" in files:
        references = {
            name: {"name": "s", "key": f"tls.{end}"}
            for name, end in (("certSecretRef", "crt"), ("keySecretRef", "key"))
        }
        tls["clientCertificate"] = references  # type: ignore[assignment]
    sources = Sources(threads=1, max_cells=1000, read_secret=secret, namespace_labels=lambda _: {})
    spec = MetricsSourceSpec.model_validate({"url": url, "tls": tls, "limits": {"timeout": "5s"}})
    meta = ObjectMeta(name="default", namespace="", uid="u", generation=1)
    sources.update(MetricsSource(metadata=meta, spec=spec, status=MetricsSourceStatus()))
    try:
        frame = await sources.bind("default", "shop").range("x", 1_700_000_040, 1_700_000_100, 60)
        return [float(value) for value in frame.values[:, 0]]
    finally:
        sources.close()


def files(authority: Authority) -> dict[str, bytes]:
    certificate, key = authority.issue("operator")
    return {"ca.crt": AUTHORITY.pem, "tls.crt": certificate, "tls.key": key}


async def test_a_server_that_asks_for_a_certificate_gets_it(url: str) -> None:
    assert await asked(url, files(AUTHORITY)) == [1.0, 2.0]


REFUSED = {
    "no certificate": ({"ca.crt": AUTHORITY.pem}, "TLS"),
    "a certificate of a stranger": (files(STRANGER), "TLS"),
    "a key of another certificate": (files(AUTHORITY) | {"tls.key": AUTHORITY.issue("x")[1]}, "tls.clientCertificate"),
    "a key that is none": (files(AUTHORITY) | {"tls.key": b"no key"}, "tls.clientCertificate"),
}


@pytest.mark.parametrize(("given", "says"), REFUSED.values(), ids=REFUSED)
async def test_without_the_right_one_it_is_said(url: str, given: dict[str, bytes], says: str) -> None:
    with pytest.raises(PrometheusUnreachable, match=says):
        await asked(url, given)
