"""Certificates and kubeconfigs of one cluster: one CA, one server certificate, one client certificate a user."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

SERVICE_IP = "10.96.0.1"
VALID_DAYS = 30


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)


@dataclass(frozen=True)
class Pki:
    """The files of a cluster's certificates."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The certificate that clients trust."""
        return self.folder / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        """The key that signs ServiceAccount tokens."""
        return self.folder / "service-account.key"

    def certificate(self, name: str) -> Path:
        """The certificate of ``server`` or of a user."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key of ``server`` or of a user."""
        return self.folder / f"{name}.key"

    def kubeconfig(self, name: str) -> Path:
        """The kubeconfig of a user."""
        return self.folder / f"{name}.kubeconfig"


def create(
    folder: Path,
    server_url: str,
    addresses: Sequence[str] = (),
    servers: Mapping[str, str] | None = None,
    users: Mapping[str, tuple[str, str | None]] | None = None,
) -> Pki:
    """Make all certificates and the kubeconfigs of ``admin`` and of the controller manager. Elliptic keys: 20 ms.

    ``addresses`` are further addresses of the API server; ``servers`` further server certificates, file -> address;
    ``users`` further kubeconfigs, file -> user and group.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(mode=0o700, exist_ok=True)
    pki = Pki(folder)
    authority = _authority()
    pki.ca.write_text(_pem(authority[1]))
    server_names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes"),
        x509.DNSName("kubernetes.default"),
        x509.DNSName("kubernetes.default.svc"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address(SERVICE_IP)),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    _issue(pki, authority, "server", "kube-apiserver", None, server_names)
    for file, address in (servers or {}).items():
        _issue(pki, authority, file, file, None, [x509.IPAddress(ipaddress.ip_address(address))])
    everyone: dict[str, tuple[str, str | None]] = {
        "admin": ("admin", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", None),
        **(users or {}),
    }
    for file, (user, group) in everyone.items():
        _issue(pki, authority, file, user, group, None)
    write_private(pki.service_account_key, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    for user in everyone:
        credentials = {
            "client-certificate-data": _encoded(pki.certificate(user)),
            "client-key-data": _encoded(pki.key(user)),
        }
        write_kubeconfig(pki.kubeconfig(user), server_url, pki.ca, credentials)
    return pki


def write_kubeconfig(
    path: Path, server_url: str, ca: Path, credentials: dict[str, str], namespace: str = "default"
) -> Path:
    """A kubeconfig with one context; ``credentials`` are the fields of its user."""
    fields = "\n".join(f"    {field}: {value}" for field, value in credentials.items())
    write_private(
        path,
        f"""apiVersion: v1
kind: Config
current-context: local
clusters:
- name: local
  cluster:
    server: {server_url}
    certificate-authority-data: {_encoded(ca)}
users:
- name: user
  user:
{fields}
contexts:
- name: local
  context: {{cluster: local, user: user, namespace: {namespace}}}
""",
    )
    return path


def _authority() -> tuple[EllipticCurvePrivateKey, Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("opssight-localcluster", None)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    subject_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return key, builder.add_extension(subject_id, critical=False).sign(key, hashes.SHA256())


def _issue(
    pki: Pki,
    authority: tuple[EllipticCurvePrivateKey, Certificate],
    file: str,
    user: str,
    group: str | None,
    server_names: list[x509.GeneralName] | None,
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server_names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(_name(user, group), authority[1].subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority[0].public_key())
    builder = builder.add_extension(issuer_id, critical=False)
    if server_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(server_names), critical=False)
    pki.certificate(file).write_text(_pem(builder.sign(authority[0], hashes.SHA256())))
    write_private(pki.key(file), _key_pem(key))


def _name(user: str, group: str | None) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    return x509.Name(parts if group is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), *parts])


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    from cryptography import x509

    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    )


def _pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
