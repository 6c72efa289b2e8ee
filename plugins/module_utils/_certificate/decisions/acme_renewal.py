# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ACME renewal information: RFC 9773.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import datetime
import typing as t

from .model import Cert, Renewal

#: Directories of CAs that offer it, by what their issuers' names hold.
KNOWN_DIRECTORIES: tuple[tuple[str, str], ...] = (
    ("O=Let's Encrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("O=Google Trust Services", "https://dv.acme-v02.api.pki.goog/directory"),
)


def known_directory(cert: Cert) -> str:
    """The ACME directory of the CA that issued it; "" where it isn't known."""
    return next((url for mark, url in KNOWN_DIRECTORIES if mark in cert.issuer), "")


def certificate_id(cert: Cert) -> str:
    """How a certificate is called there (section 4.1): authority key identifier and serial number; "" without the former."""
    if not cert.issuer_key_id or cert.serial.startswith("-"):
        return ""
    number = int(cert.serial, 16)
    # The content of the DER integer: a leading zero keeps it positive.
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return f"{_url_safe(bytes.fromhex(cert.issuer_key_id))}.{_url_safe(serial)}"


def read_renewal(said: t.Any) -> Renewal:
    """The window in the answer of the CA (section 4.2).

    Raises:
        ValueError: it is none.
    """
    window = said.get("suggestedWindow") if isinstance(said, dict) else None
    if not isinstance(window, dict):
        raise ValueError("the answer has no suggestedWindow")
    start, end = (_moment(window.get(name)) for name in ("start", "end"))
    if end <= start:
        raise ValueError("the suggested window ends before it starts")
    explanation = said.get("explanationURL")
    return Renewal(start, end, explanation[:500] if isinstance(explanation, str) else "")


def _moment(text: t.Any) -> datetime.datetime:
    """RFC 3339; fractions are cut, since Python before 3.11 takes only some of them."""
    if not isinstance(text, str):
        raise ValueError("a moment is missing")
    whole, mark, rest = text.strip().upper().replace("Z", "+00:00").partition(".")
    if mark:
        whole += rest.lstrip("0123456789")
    found = datetime.datetime.fromisoformat(whole)
    if found.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone")
    return found.astimezone(datetime.timezone.utc)


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
