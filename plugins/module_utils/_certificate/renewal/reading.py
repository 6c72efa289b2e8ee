# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a PEM file, as a server reads them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from ..._core.errors import CannotReach
from ..bundle import Unreadable, read_bundle
from ..decisions.model import Cert

_MAX_BYTES = 1024 * 1024


def read(path: str) -> list[Cert]:
    """The certificates in a file, in their order; empty when there is no file, or a server would refuse it.

    Raises:
        CannotReach: it may not be read: that is not the same as not being there.
    """
    try:
        with open(path, "rb") as source:
            data = source.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise CannotReach(f"{path} cannot be read: {exc.strerror}.", hint="Run it as a user who may, often root.") from exc
    try:
        return list(read_bundle(data, form="pem").certs)
    except Unreadable:
        return []
