# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate files as people, programs and full disks leave them; which of them servers take, OpenSSL says. Runs on Python 3.9."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def labelled(pem: bytes, label: bytes) -> bytes:
    """The same with another label."""
    return pem.replace(b"CERTIFICATE-----", label + b"-----")


def body(pem: bytes) -> bytes:
    """The Base64 lines of one block."""
    return b"".join(pem.splitlines(keepends=True)[1:-1])


def block(inner: bytes, label: bytes = b"CERTIFICATE") -> bytes:
    """A block of PEM."""
    return b"-----BEGIN " + label + b"-----\n" + inner + b"-----END " + label + b"-----\n"


def request_pem() -> bytes:
    """A certificate signing request."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.org")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def corpus(leaf: bytes, above: bytes, key: bytes) -> dict[str, bytes]:
    """Files by what is the matter with them, from three blocks of PEM."""
    chain, request = leaf + above, request_pem()
    inner, half = body(leaf), len(leaf) // 2
    one_line = inner.replace(b"\n", b"")
    found = {
        "whole": chain, "windows": chain.replace(b"\n", b"\r\n"), "blanks at the ends": chain.replace(b"\n", b" \t\n"),
        "text around": b"subject=CN = a\n\n" + leaf + b"# the CA's: it issued the one above\n" + above + b"end\n",
        "attributes": b"Bag Attributes\n    localKeyID: 01 02\n" + leaf, "no last line break": chain[:-1],
        "old label": labelled(leaf, b"X509 CERTIFICATE"), "key before": key + chain, "key behind": chain + key,
        "request before": request + chain, "trusted": labelled(leaf, b"TRUSTED CERTIFICATE") + above,
        "trusted behind": leaf + labelled(above, b"TRUSTED CERTIFICATE"), "one long line": block(one_line + b"\n") + above,
        "lines of 76": block(b"\n".join(one_line[i:i + 76] for i in range(0, len(one_line), 76)) + b"\n"),
        "lines of 254": block(b"\n".join(one_line[i:i + 254] for i in range(0, len(one_line), 254)) + b"\n"),
        "blanks inside": block(inner[:20] + b" \t" + inner[20:]), "empty line first": block(b"\n" + inner),
        "commented out": leaf + b"#" + above, "cut in the last line": chain[:-3], "cut in the END line": chain[:-10],
        "cut before the word END": chain[:-20], "cut in the data": chain[:-60], "cut in the first": chain[:half],
        "cut between": leaf + above[:1], "cut in a BEGIN line": leaf + above[:18], "cut behind a BEGIN line": leaf + above[:28],
        "cut key behind": chain + key[:-30], "cut request before": request[:90] + chain,
        "cut and another behind it": leaf[:half] + b"\n" + above, "glued": leaf[:-1] + above,
        "indented": b"".join(b"  " + line for line in chain.splitlines(keepends=True)),
        "indented END": chain.replace(b"-----END", b" -----END"), "second indented": leaf + b" " + above,
        "text before BEGIN": b"cert: " + chain, "text behind BEGIN": chain.replace(b"CERTIFICATE-----\nM", b"CERTIFICATE----- x\nM", 1),
        "four dashes": chain.replace(b"-----\n", b"----\n"), "long dashes": chain.replace(b"-----", "—".encode()),
        "another END": leaf.replace(b"END CERTIFICATE", b"END X509 CERTIFICATE") + above, "damaged Base64": block(b"MIIB!!!!\n") + chain,
        "damaged in the second": leaf + block(inner[:40] + b"?" + inner[41:]), "a character lost": block(inner[:30] + inner[31:]),
        "not a certificate": block(b"bm90IGEgY2VydGlmaWNhdGU=\n") + chain, "half a certificate": block(inner[:64] + b"\n"),
        "equal signs inside": block(inner[:4] + b"==\n" + inner[4:]), "nothing inside": block(b""),
        "two empty lines": block(b"\n\n" + inner), "empty line inside": block(inner[:65] + b"\n" + inner[65:]),
        "empty line last": block(inner + b"\n"), "header": block(b"Comment: mine\n\n" + inner),
        "header without an end": block(b"Comment: mine\n" + inner),
        "short line behind an empty one": block(b"\n" + inner[:32] + b"\n" + inner[32:]),
        "other data behind it": block(_longer(inner, b"\x05\x00")), "zeros at the end": chain + bytes(512),
        "zeros inside": chain[:half] + bytes(64) + chain[half + 64:], "zeros first": bytes(8) + chain, "mark": b"\xef\xbb\xbf" + chain,
        "two marks": b"\xef\xbb\xbf" + leaf + b"\xef\xbb\xbf" + above, "mark and text": b"\xef\xbb\xbfhello\n" + chain,
        "request": request, "key": key, "list": block(inner, b"X509 CRL"), "bundle": block(inner, b"PKCS7"), "no PEM": b"hello\n",
        "line breaks only": b"\n\n",
    }
    return {**found, **{f"cut to {size}": chain[:size] for size in range(len(leaf), len(chain), max(1, len(above) // 12))}}


def _longer(inner: bytes, more: bytes) -> bytes:
    import base64

    return base64.encodebytes(base64.b64decode(inner) + more)


def openssl_takes(path: Path, key: Path) -> bool:
    """Whether a server could load a certificate file; the key may be another one's, since it is read after the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        context.load_cert_chain(path, key, password=lambda: "")
    except OSError as exc:
        return "MISMATCH" in str(exc).upper()
    return True
