# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates in PEM or DER bytes, as a server that loads them would have them; and what else such bytes are.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ssl
import typing as t

from .._core.errors import IncidentError
from .decisions.model import Cert
from .decisions.pem import CERTIFICATES, TRUSTED, BadPem, Block, first_element, read_pem
from .parse import BadCertificate, parse

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7
except ImportError:
    # Said by library.require_cryptography().
    pass

#: The byte order mark before a BEGIN line is skipped since then.
_SKIPS_MARK = ssl.OPENSSL_VERSION_INFO >= (3,)
REQUEST, KEY, PUBLIC_KEY, PKCS7, CRL = (
    "a certificate signing request", "a private key", "a public key", "a PKCS#7 bundle", "a certificate revocation list",
)
_LABELS = {
    "CERTIFICATE REQUEST": REQUEST, "NEW CERTIFICATE REQUEST": REQUEST, "PKCS7": PKCS7, "PKCS #7 SIGNED DATA": PKCS7, "CMS": PKCS7,
    "X509 CRL": CRL, "DH PARAMETERS": "Diffie-Hellman parameters",
}
_HINTS = {
    REQUEST: "Put the certificate there that the CA issued for this request.",
    KEY: "Put the certificate there that belongs to this key.",
    PUBLIC_KEY: "Put the certificate there that has this public key.",
    PKCS7: "Servers do not read PKCS#7: put its certificates there as PEM, the server's own first.",
}


class Unreadable(IncidentError):
    """A file without a usable certificate; `blind` in its facts: nobody can say what is in it."""

    kind = "unreadable"


@dataclasses.dataclass(frozen=True)
class Bundle:
    """The certificates of a file in its order, and how many BEGIN lines in it are passed over."""

    certs: tuple[Cert, ...]
    passed_over: int = 0


def read_bundle(data: bytes, *, form: str = "auto") -> Bundle:
    """The certificates in PEM or DER bytes. Keys and other whole blocks beside them are passed over.

    Raises:
        Unreadable: none is there, or a server that loads the file would refuse it.
    """
    if form == "der" or (form == "auto" and b"-----BEGIN" not in data):
        return Bundle((_der(data),))
    try:
        pem = read_pem(data, skips_mark=_SKIPS_MARK)
    except BadPem as exc:
        raise Unreadable(exc.message, hint="A server refuses the whole file: put a complete one there.") from None
    blocks = [block for block in pem.blocks if block.label in CERTIFICATES]
    if not blocks:
        raise _without_certificate(pem.blocks, pem.passed_over)
    certs = [_cert(block, number, len(blocks)) for number, block in enumerate(blocks, 1)]
    # OpenSSL takes trust settings with a server's own certificate, and passes over later ones that have them. A trust store has only CAs.
    if not certs[0].is_ca:
        certs = [cert for number, (cert, block) in enumerate(zip(certs, blocks)) if number == 0 or block.label != TRUSTED]
    return Bundle(tuple(certs), pem.passed_over + len(blocks) - len(certs))


def _cert(block: Block, number: int, count: int) -> Cert:
    which = f"certificate {number} of {count}" if count > 1 else "the certificate"
    if block.header:
        raise Unreadable(f"{which} has a header as encrypted keys have, in line {block.line}")
    der, rest = first_element(block.data)
    # OpenSSL takes what follows the first certificate for trust settings, and what follows a later one for nothing.
    if der and number == 1 and rest and (rest[:1] != b"\x30" or not first_element(rest)[0]):
        raise Unreadable(f"{which} is followed by other data inside its block")
    try:
        return parse(der or block.data)
    except BadCertificate as exc:
        raise Unreadable(f"{which} cannot be read: {exc.facts['damage']}") from None


def _der(data: bytes) -> Cert:
    try:
        return parse(data)
    except BadCertificate as exc:
        kind = _kind_of_der(data)
        if kind:
            raise Unreadable(f"it is {kind}, not a certificate", hint=_HINTS.get(kind)) from None
        raise Unreadable(f"it holds {exc.message}") from None


def _without_certificate(blocks: t.Sequence[Block], passed_over: int) -> Unreadable:
    """Why PEM has no certificate: what it holds in its place."""
    if passed_over:
        return Unreadable(
            "there is no certificate in it: no BEGIN line stands alone at the beginning of a line",
            hint="Servers pass over what is indented or follows other text in its line: put each BEGIN line into a line of its own.",
        )
    kinds = list(dict.fromkeys(filter(None, (_kind_of_label(block.label) for block in blocks))))
    if not kinds:
        return Unreadable("there is no certificate in it")
    return Unreadable(f"it holds {' and '.join(kinds)}, and no certificate", hint=_HINTS.get(kinds[-1] if kinds[0] == KEY else kinds[0]))


def _kind_of_label(label: str) -> str:
    if label in _LABELS:
        return _LABELS[label]
    return KEY if label.endswith("PRIVATE KEY") else PUBLIC_KEY if label.endswith("PUBLIC KEY") else f"a block {label[:40]!r}"


def _kind_of_der(data: bytes) -> str:
    """What DER is in place of a certificate; "" where nobody knows."""
    loaders: tuple[tuple[str, t.Callable[[bytes], t.Any]], ...] = (
        (REQUEST, x509.load_der_x509_csr), (CRL, x509.load_der_x509_crl), (PUBLIC_KEY, serialization.load_der_public_key),
        (KEY, _load_key), (PKCS7, pkcs7.load_der_pkcs7_certificates),
    )
    for kind, load in loaders:
        # Parsers written in other languages raise what they like.
        with contextlib.suppress(Exception):
            load(data)
            return kind
    return ""


def _load_key(data: bytes) -> None:
    # A key that is encrypted is one: without its passphrase the library raises this.
    with contextlib.suppress(TypeError):
        serialization.load_der_private_key(data, None)
