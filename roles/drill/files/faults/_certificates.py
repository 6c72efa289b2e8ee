# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a site, as each of its addresses serves it."""

from __future__ import annotations

import socket
import ssl


def served(name: str, port: int) -> dict[str, bytes | None]:
    """By address, the certificate (DER) that is served there; None where nobody answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    found: dict[str, bytes | None] = {}
    for *_how, address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
        where = str(address[0])
        try:
            with socket.create_connection((where, port), timeout=5) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
                found[where] = secure.getpeercert(binary_form=True)
        except OSError:
            found[where] = None
    return found
