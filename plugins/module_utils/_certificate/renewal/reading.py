# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a PEM file, as a server reads them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import ssl

from ..._core.errors import CannotReach
from ..decisions.model import Cert
from ..parse import BadCertificate, parse

_BLOCK = re.compile(r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----")
_MAX_BYTES = 1024 * 1024


def read(path: str) -> list[Cert]:
    """The certificates in a file, in their order; empty when there is no file, or something in it is no certificate.

    Raises:
        CannotReach: it may not be read: that is not the same as not being there.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as source:
            text = source.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise CannotReach(f"{path} cannot be read: {exc.strerror}.", hint="Run it as a user who may, often root.") from exc
    try:
        return [parse(ssl.PEM_cert_to_DER_cert(_plain(block))) for block in _BLOCK.findall(text)]
    except (BadCertificate, ValueError):
        return []


def _plain(block: str) -> str:
    lines = block.strip().splitlines()
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines[1:-1], "-----END CERTIFICATE-----", ""])
