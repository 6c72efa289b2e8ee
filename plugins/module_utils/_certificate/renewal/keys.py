# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a private key belongs to a certificate: OpenSSL is asked, as the server will.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import ssl


def key_problem(certificate: str, key: str) -> str:
    """Why this key cannot be used with this certificate; empty when it can.

    Args:
        certificate, key: paths of PEM files, the leaf first.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # How strong a key must be is the server's own business; here it only has to be the right one.
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    asked = []

    def refuse() -> str:
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(certificate, key, password=refuse)
    except ssl.SSLError as exc:
        if asked:
            return f"the key in {key} is encrypted"
        if "MISMATCH" in str(exc).upper():
            return f"the key in {key} is not the certificate's"
        return f"certificate and key cannot be used: {exc.reason or exc}"
    except OSError as exc:
        return f"certificate and key cannot be read: {exc.strerror or exc}"
    return ""
