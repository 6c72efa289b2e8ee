# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for tests: roots, intermediates and leaves with whatever is wrong with them, made on the spot."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now() -> datetime.datetime:
    """Now, UTC, without fractions, as certificates have it."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@functools.cache
def weak_rsa_key() -> rsa.RSAPrivateKey:
    """RSA of 1024 bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A good one, quickly."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate with its key and those above it, the root not among them."""

    cert: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...] = ()

    @property
    def serial(self) -> str:
        """As cert_expiry says it."""
        text = f"{self.cert.serial_number:X}"
        return text if len(text) % 2 == 0 else f"0{text}"

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What a well set up server serves."""
        return (self.cert, *self.above)

    @property
    def key_pem(self) -> bytes:
        """Its key, unencrypted."""
        return self.key.private_bytes(  # type: ignore[no-any-return]
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        )

    def write(self, directory: Path, *, name: str = "server", chain: Sequence[x509.Certificate] | None = None) -> tuple[Path, Path]:
        """Write certificate chain and key; the paths of both."""
        directory.mkdir(parents=True, exist_ok=True)
        cert_file, key_file = directory / f"{name}.pem", directory / f"{name}.key"
        cert_file.write_bytes(to_pem(*(self.chain if chain is None else chain)))
        key_file.write_bytes(self.key_pem)
        key_file.chmod(0o600)
        return cert_file, key_file


def to_pem(*certs: x509.Certificate) -> bytes:
    """PEM of several."""
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certs)


def to_der(cert: x509.Certificate) -> bytes:
    """DER of one."""
    return cert.public_bytes(serialization.Encoding.DER)


@dataclasses.dataclass(frozen=True)
class Authority:
    """A CA. `above`: what its leaves need to be served, itself first if it is an intermediate."""

    cert: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...] = ()

    def write(self, path: Path) -> Path:
        """Its certificate as PEM, for ca_path."""
        path.write_bytes(to_pem(self.cert))
        return path

    def intermediate(self, name: str = "Test Intermediate", **dates: Any) -> Authority:
        """A CA below it."""
        made = make(subject=name, issuer=self, ca=True, **dates)
        return Authority(made.cert, made.key, (made.cert, *self.above))

    def issue(self, *names: str, **more: Any) -> Issued:
        """A certificate for these names and addresses: a server's, unless told otherwise."""
        return make(subject=names[0] if names else "nobody", issuer=self, names=names, **more)

    def crl(self, *revoked: x509.Certificate, next_update: datetime.timedelta = DAY, key: Any = None) -> bytes:
        """A list of revoked certificates, DER; `key` signs in place of its own."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.cert.subject).last_update(now() - 2 * DAY)
        builder = builder.next_update(now() + next_update)
        for cert in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(cert.serial_number).revocation_date(now() - DAY)
            builder = builder.add_revoked_certificate(entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False).build())
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def root(name: str = "Test Root", **more: Any) -> Authority:
    """A CA that nobody else signed."""
    made = make(subject=name, ca=True, **more)
    return Authority(made.cert, made.key)


def make(
    *, subject: str, issuer: Authority | None = None, names: Sequence[str] = (), ca: bool = False, key: Any = None,
    starts: datetime.timedelta | None = None, lasts: datetime.timedelta | None = None, ends: datetime.timedelta | None = None,
    hash_name: str = "sha256", policies: Sequence[str] = (), ocsp: str = "", crl: str = "", ca_issuers: str = "", must_staple: bool = False,
    serial: int | None = None, client: bool = False,
) -> Issued:
    """A certificate.

    Args:
        issuer: None signs it with its own key.
        starts, ends: from now on; negative is in the past. `lasts` from the start, in place of one of them.
        hash_name: a name in cryptography's hashes; sha1 for a weak one, if the issuer's key is RSA.
        ocsp, crl, ca_issuers: URLs.
        client: for a client instead of a server.
    """
    key = key or new_key()
    usual = 3650 * DAY if ca else 90 * DAY
    if starts is None:
        begun_long_ago = ends is not None and (lasts is not None or ends <= -DAY)
        starts = ends - (lasts or usual) if begun_long_ago and ends is not None else -DAY
    if ends is None:
        ends = starts + (lasts or usual)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(issuer.cert.subject if issuer else name).public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number()).not_valid_before(now() + starts).not_valid_after(now() + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer.key if issuer else key
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    if ca:
        # RFC 5280 4.2.1.3 wants it, and Python 3.13 trusts no authority without.
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    if policies:
        found = [x509.PolicyInformation(x509.ObjectIdentifier(policy), None) for policy in policies]
        builder = builder.add_extension(x509.CertificatePolicies(found), critical=False)
    access = [(AuthorityInformationAccessOID.OCSP, ocsp), (AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers)]
    described = [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in access if url]
    if described:
        builder = builder.add_extension(x509.AuthorityInformationAccess(described), critical=False)
    if crl:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    above = issuer.above if issuer else ()
    if hash_name == "sha1":
        return Issued(_with_sha1(builder, signer), key, above)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else getattr(hashes, hash_name.upper())()
    return Issued(builder.sign(signer, algorithm), key, above)


def _with_sha1(builder: x509.CertificateBuilder, signer: rsa.RSAPrivateKey) -> x509.Certificate:
    """Signed with SHA-1 and RSA: the library no longer does that, but both algorithms' names are of one length."""
    good = builder.sign(signer, hashes.SHA256())
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    signed = good.tbs_certificate_bytes.replace(sha256, sha1)
    signature = signer.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    der = to_der(good).replace(good.tbs_certificate_bytes, signed).replace(good.signature, signature).replace(sha256, sha1)
    return x509.load_der_x509_certificate(der)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
