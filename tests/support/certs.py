# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for tests: an authority with an intermediate, and leaves with any dates and names."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key; `chain_pem` has those that issued it, except the root."""

    certificate: x509.Certificate
    key: Any
    chain_pem: str

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return _pem(self.certificate)

    @property
    def key_pem(self) -> str:
        """The private key."""
        return str(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        ).decode())

    @property
    def serial(self) -> str:
        """As openssl prints it."""
        text = f"{self.certificate.serial_number:X}"
        return text if len(text) % 2 == 0 else f"0{text}"


@dataclass(frozen=True)
class Authority:
    """A root and an intermediate."""

    root: x509.Certificate
    intermediate: x509.Certificate
    key: Any

    @classmethod
    def make(cls, name: str = "Test") -> Authority:
        """A new one."""
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _make(f"{name} root", root_key.public_key(), f"{name} root", root_key, ca=True, since=-DAY, until=3650 * DAY)
        middle = _make(f"{name} intermediate", key.public_key(), f"{name} root", root_key, ca=True, since=-DAY, until=3650 * DAY)
        return cls(root=root, intermediate=middle, key=key)

    @property
    def pem(self) -> str:
        """The root, for those who are to trust it."""
        return _pem(self.root)

    def issue(
        self, names: Sequence[str], *, since: datetime.timedelta = -DAY, until: datetime.timedelta = 90 * DAY, key: Any = None,
        chain: bool = True,
    ) -> Issued:
        """A leaf whose validity is given from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        leaf = _make(names[0], key.public_key(), _common_name(self.intermediate), self.key, names=names, since=since, until=until)
        return Issued(certificate=leaf, key=key, chain_pem=_pem(leaf) + (_pem(self.intermediate) if chain else ""))


def weak_key() -> Any:
    """A key that a server of today refuses."""
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def _make(
    subject: str, public: Any, issuer: str, signer: Any, *, since: datetime.timedelta, until: datetime.timedelta, ca: bool = False,
    names: Sequence[str] = (),
) -> x509.Certificate:
    now = datetime.datetime.now(tz=datetime.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer)).public_key(public)
        .serial_number(x509.random_serial_number()).not_valid_before(now + since).not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if ca:
        # RFC 5280 4.2.1.3 wants it, and Python 3.13 trusts no authority without.
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
