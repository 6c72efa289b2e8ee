# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as plain data, read by `cryptography` (38, as in Debian 12, to 50).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import traceback
import typing as t
import warnings

from .._core.errors import IncidentError
from .decisions.model import Cert
from .decisions.pem import first_element

CRYPTOGRAPHY_TRACEBACK: t.Optional[str] = None
CRYPTOGRAPHY_VERSION: tuple[int, ...] = ()
try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
    from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID
except ImportError:
    CRYPTOGRAPHY_TRACEBACK = traceback.format_exc()
else:
    CRYPTOGRAPHY_VERSION = tuple(int(part) for part in cryptography.__version__.split(".")[:2] if part.isdigit())

_TEXT = 500


class BadCertificate(IncidentError):
    """Bytes that are not a certificate, or one that breaks the rules of X.509 so that it cannot be read. `damage` in its facts: why not."""

    kind = "bad_certificate"


@functools.lru_cache(maxsize=8192)
def parse(der: bytes) -> Cert:
    """Read a certificate. Kept: the same intermediates come with every server.

    Raises:
        BadCertificate: it cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # Serial numbers that are not positive and the like: told elsewhere or of no use to the reader.
            warnings.simplefilter("ignore")
            return _parse(der)
    except IncidentError:
        raise
    # Parsers written in other languages raise what they like; whatever it is, this certificate could not be read.
    except Exception as exc:
        damage = _damage(der)
        raise BadCertificate(f"a certificate that cannot be read: {damage}", damage=damage) from exc


def _damage(der: bytes) -> str:
    """What is wrong with bytes that no parser takes, in words for people: the parser's own are for those who write parsers."""
    if der[:1] != b"\x30":
        return "it is not DER"
    element, rest = first_element(der)
    if not element:
        return "its data ends too early"
    return "other data follows it" if rest else "its content is damaged"


def load(der: bytes) -> t.Any:
    """The library's own object, for signatures."""
    return x509.load_der_x509_certificate(der)


def _parse(der: bytes) -> Cert:
    cert = x509.load_der_x509_certificate(der)
    found: dict[str, t.Any] = {}
    extensions: t.Iterable[x509.Extension[t.Any]]
    try:
        extensions = cert.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        # A mistake in one of them: dates and names are still worth showing.
        extensions = ()
    for extension in extensions:
        reader = _READERS.get(extension.oid.dotted_string)
        if reader is not None:
            found.update(reader(extension.value))
    subject_id, issuer_id = cert.subject.public_bytes().hex(), cert.issuer.public_bytes().hex()
    kind, bits = _key(cert)
    names = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Cert(
        subject=_name(cert.subject), issuer=_name(cert.issuer), subject_id=subject_id, issuer_id=issuer_id,
        common_name=_clean(str(names[-1].value)) if names else "", serial=_serial(cert.serial_number),
        fingerprint=hashlib.sha256(der).hexdigest(), not_before=_moment(cert, "not_valid_before"),
        not_after=_moment(cert, "not_valid_after"), self_issued=subject_id == issuer_id,
        self_signed=subject_id == issuer_id and signed_by(cert, cert), key_type=kind, key_bits=bits, signature_hash=_hash(cert), der=der,
        **found,
    )


def signed_by(cert: t.Any, issuer: t.Any) -> bool:
    """Whether the issuer's key made the certificate's signature."""
    try:
        key = issuer.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            scheme = getattr(cert, "signature_algorithm_parameters", None) or padding.PKCS1v15()
            key.verify(cert.signature, cert.tbs_certificate_bytes, scheme, cert.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))
        else:
            key.verify(cert.signature, cert.tbs_certificate_bytes)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, AttributeError):
        return False
    return True


def pem(der: bytes) -> bytes:
    """The certificate in PEM."""
    return bytes(load(der).public_bytes(serialization.Encoding.PEM))


def _moment(cert: t.Any, name: str) -> datetime.datetime:
    aware = getattr(cert, f"{name}_utc", None)
    found: datetime.datetime = aware if aware is not None else getattr(cert, name).replace(tzinfo=datetime.timezone.utc)
    return found


def _serial(number: int) -> str:
    text = f"{abs(number):X}"
    return ("-" if number < 0 else "") + (text if len(text) % 2 == 0 else f"0{text}")


def _name(name: t.Any) -> str:
    return _clean(name.rfc4514_string())


def _clean(text: str) -> str:
    """Texts from outside are shown to people: nothing in them moves a cursor, and none fills the report."""
    return "".join(char if char.isprintable() else "?" for char in text)[:_TEXT]


def _key(cert: t.Any) -> tuple[str, int]:
    try:
        key = cert.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown", 0
    for kind, name in ((rsa.RSAPublicKey, "rsa"), (dsa.DSAPublicKey, "dsa"), (ec.EllipticCurvePublicKey, "ec")):
        if isinstance(key, kind):
            return name, int(key.key_size)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 256
    return ("ed448", 456) if isinstance(key, ed448.Ed448PublicKey) else ("unknown", 0)


def _hash(cert: t.Any) -> str:
    try:
        algorithm = cert.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return str(algorithm.name).lower() if algorithm is not None else ""


def _alternative(value: t.Any) -> dict[str, t.Any]:
    dns, addresses, others = [], [], []
    for one in value:
        if isinstance(one, x509.DNSName):
            dns.append(_clean(one.value))
        elif isinstance(one, x509.IPAddress):
            addresses.append(str(one.value))
        else:
            others.append(_clean(str(getattr(one, "value", one))))
    return {"dns_names": tuple(dns), "ip_addresses": tuple(addresses), "other_names": tuple(others)}


def _access(value: t.Any) -> dict[str, t.Any]:
    found: dict[str, list[str]] = {"ocsp_urls": [], "ca_issuer_urls": []}
    kinds = {AuthorityInformationAccessOID.OCSP: "ocsp_urls", AuthorityInformationAccessOID.CA_ISSUERS: "ca_issuer_urls"}
    for one in value:
        if one.access_method in kinds and isinstance(one.access_location, x509.UniformResourceIdentifier):
            found[kinds[one.access_method]].append(_clean(one.access_location.value))
    return {key: tuple(urls) for key, urls in found.items()}


def _crls(value: t.Any) -> dict[str, t.Any]:
    names = [name for point in value for name in point.full_name or ()]
    return {"crl_urls": tuple(_clean(name.value) for name in names if isinstance(name, x509.UniformResourceIdentifier))}


def _issuer_key(value: t.Any) -> dict[str, t.Any]:
    return {"issuer_key_id": (value.key_identifier or b"").hex()}


def _must_staple(value: t.Any) -> dict[str, t.Any]:
    return {"must_staple": any(feature.name == "status_request" for feature in value)}


_READERS: dict[str, t.Callable[[t.Any], dict[str, t.Any]]] = {} if CRYPTOGRAPHY_TRACEBACK else {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string: _alternative,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS.dotted_string: _access,
    ExtensionOID.CRL_DISTRIBUTION_POINTS.dotted_string: _crls,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string: _issuer_key,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER.dotted_string: lambda value: {"key_id": value.digest.hex()},
    ExtensionOID.BASIC_CONSTRAINTS.dotted_string: lambda value: {"is_ca": bool(value.ca)},
    ExtensionOID.CERTIFICATE_POLICIES.dotted_string: lambda value: {
        "policies": tuple(policy.policy_identifier.dotted_string for policy in value),
    },
    ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS.dotted_string: lambda _value: {"has_scts": True},
    ExtensionOID.TLS_FEATURE.dotted_string: _must_staple,
}
