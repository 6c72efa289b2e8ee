# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate is revoked: by OCSP (RFC 6960) where it names a responder, else by its CRL (RFC 5280 section 5).

An answer counts only with a signature of the CA, or of a responder that the CA says may answer.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import datetime
import hashlib
import typing as t

from .decisions.model import Cert, Revocation
from .fetch import Fetcher, NotFetched
from .parse import load, signed_by

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509 import ocsp
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError:
    # Said by library.require_cryptography().
    pass


def ask(
    cert: Cert, issuer: t.Optional[Cert], *, fetcher: Fetcher, now: datetime.datetime, staple: bytes = b"",
) -> tuple[list[Revocation], list[str]]:
    """What OCSP and CRL say of a certificate, and why those that say nothing do not; both empty where it names neither.

    Args:
        staple: the answer that the server sent along; one of use spares asking the responder.
    """
    urls = [("OCSP", "staple")] if staple else []
    urls += [("OCSP", url) for url in cert.ocsp_urls[:2]] + [("CRL", url) for url in cert.crl_urls[:2]]
    if not urls:
        return [], []
    if issuer is None:
        return [], ["the issuer's certificate is not at hand, so no answer could be checked"]
    found: list[Revocation] = []
    problems: list[str] = []
    for kind, url in urls:
        if any(one.source.startswith(kind) for one in found):
            continue
        try:
            if url == "staple":
                told = read_ocsp(ocsp.load_der_ocsp_response(staple), cert, issuer, source=url, now=now)
            else:
                told = _ocsp(cert, issuer, url, fetcher, now) if kind == "OCSP" else _crl(cert, issuer, url, fetcher, now)
            found.append(told)
        except NotFetched as exc:
            problems.append(exc.message)
        # What others send may break the library in any way: it says nothing then.
        except Exception as exc:
            problems.append(f"{url}: not readable: {str(exc)[:100] or type(exc).__name__}")
    # One that answers is enough.
    return found, [] if found else problems


def _ocsp(cert: Cert, issuer: Cert, url: str, fetcher: Fetcher, now: datetime.datetime) -> Revocation:
    about, above = load(cert.der), load(issuer.der)
    request = ocsp.OCSPRequestBuilder().add_certificate(about, above, hashes.SHA1()).build()
    data = request.public_bytes(serialization.Encoding.DER)
    answer = ocsp.load_der_ocsp_response(fetcher.post(url, data, content_type="application/ocsp-request"))
    return read_ocsp(answer, cert, issuer, source=url, now=now)


def read_ocsp(answer: t.Any, cert: Cert, issuer: Cert, *, source: str, now: datetime.datetime) -> Revocation:
    """What an OCSP answer says.

    Raises:
        NotFetched: it is refused, of another certificate, too old, or not signed by who may.
    """
    if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise NotFetched(f"{source}: {answer.response_status.name.lower()}")
    about, above = load(cert.der), load(issuer.der)
    if answer.serial_number != about.serial_number or answer.issuer_key_hash != _key_hash(above, answer.hash_algorithm):
        raise NotFetched(f"{source}: an answer about another certificate")
    if not _signed(answer, above, now):
        raise NotFetched(f"{source}: the answer is not signed by the CA or a responder of it")
    until = _aware(answer, "next_update")
    if until is not None and until < now:
        raise NotFetched(f"{source}: the answer has expired")
    if answer.certificate_status == ocsp.OCSPCertStatus.UNKNOWN:
        raise NotFetched(f"{source}: the responder does not know the certificate")
    revoked = answer.certificate_status == ocsp.OCSPCertStatus.REVOKED
    reason = getattr(answer.revocation_reason, "value", "") if revoked else ""
    return Revocation(revoked, f"OCSP {source}", str(reason or ("revoked" if revoked else "")), _aware(answer, "revocation_time"))


def _signed(answer: t.Any, issuer: t.Any, now: datetime.datetime) -> bool:
    if _verifies(answer, issuer):
        return True
    for responder in answer.certificates:
        try:
            usage = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (x509.ExtensionNotFound, ValueError):
            continue
        end, begin = _aware(responder, "not_valid_after"), _aware(responder, "not_valid_before")
        valid = begin is not None and end is not None and begin <= now <= end
        if valid and ExtendedKeyUsageOID.OCSP_SIGNING in usage and responder.issuer == issuer.subject and signed_by(responder, issuer):
            return _verifies(answer, responder)
    return False


def _verifies(answer: t.Any, cert: t.Any) -> bool:
    key = cert.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), answer.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))
        else:
            key.verify(answer.signature, answer.tbs_response_bytes)
    # InvalidSignature, or a key that does not fit the algorithm: either way it is not signed by it.
    except Exception:
        return False
    return True


def _key_hash(issuer: t.Any, algorithm: t.Any) -> bytes:
    """The hash of an issuer's public key as OCSP has it: of the bit string alone, which the subject key identifier's method gives too."""
    digest = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    if algorithm.name == "sha1":
        return bytes(digest)
    data = issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.new(algorithm.name, _bit_string(data)).digest()


def _bit_string(spki: bytes) -> bytes:
    """The content of the bit string at the end of a SubjectPublicKeyInfo."""
    def element(data: bytes) -> tuple[int, int]:
        size, start = data[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        return start, size

    start, _size = element(spki)
    inner = spki[start:]
    start, size = element(inner)
    bits = inner[start + size:]
    start, size = element(bits)
    return bits[start + 1:start + size]


def _crl(cert: Cert, issuer: Cert, url: str, fetcher: Fetcher, now: datetime.datetime) -> Revocation:
    data = fetcher.get(url)
    crl = x509.load_pem_x509_crl(data) if data.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl(data)
    return read_crl(crl, cert, issuer, source=url, now=now)


def read_crl(crl: t.Any, cert: Cert, issuer: Cert, *, source: str, now: datetime.datetime) -> Revocation:
    """What a CRL says. One that has expired still revokes, but clears nobody.

    Raises:
        NotFetched: it is another CA's, not signed by it, or has expired.
    """
    about, above = load(cert.der), load(issuer.der)
    if crl.issuer != above.subject or not crl.is_signature_valid(above.public_key()):
        raise NotFetched(f"{source}: not signed by the CA that issued the certificate")
    entry = crl.get_revoked_certificate_by_serial_number(about.serial_number)
    if entry is not None:
        return Revocation(True, f"CRL {source}", _reason(entry), _aware(entry, "revocation_date"))
    until = _aware(crl, "next_update")
    if until is not None and until < now:
        raise NotFetched(f"{source}: the list has expired")
    return Revocation(False, f"CRL {source}")


def _reason(entry: t.Any) -> str:
    try:
        return str(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)
    except (x509.ExtensionNotFound, ValueError):
        return "revoked"


def _aware(holder: t.Any, name: str) -> t.Optional[datetime.datetime]:
    found = getattr(holder, f"{name}_utc", None)
    if found is None:
        found = None if hasattr(type(holder), f"{name}_utc") else getattr(holder, name, None)
        found = found.replace(tzinfo=datetime.timezone.utc) if found is not None else None
    return t.cast("t.Optional[datetime.datetime]", found)
