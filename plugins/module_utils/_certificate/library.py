# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library that the certificate modules need on their target.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._module.results import require_library
from .parse import CRYPTOGRAPHY_TRACEBACK, CRYPTOGRAPHY_VERSION


def require_cryptography(module: t.Any) -> None:
    """End the module with a helpful failure when cryptography is missing or too old."""
    require_library(
        module, name="cryptography >= 38 (pip: cryptography; Debian, Ubuntu, Fedora and RHEL: python3-cryptography)",
        url="https://cryptography.io/en/latest/installation/", found=CRYPTOGRAPHY_VERSION, minimum=(38,), traceback=CRYPTOGRAPHY_TRACEBACK,
    )
