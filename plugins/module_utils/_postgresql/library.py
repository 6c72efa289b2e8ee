# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python library the PostgreSQL modules need on their target.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import missing_required_lib

from .connection import PSYCOPG_TRACEBACK, PSYCOPG_VERSION

_MINIMUM = (3, 1)
_URL = "https://www.psycopg.org/psycopg3/docs/basic/install.html"
_NAME = "psycopg >= 3.1 (pip: psycopg[binary]; Debian and Ubuntu: python3-psycopg; Fedora and RHEL: python3-psycopg3)"


def require_psycopg(module: t.Any) -> None:
    """End the module with a helpful failure when psycopg is missing or too old."""
    if PSYCOPG_VERSION >= _MINIMUM:
        return
    found = f" Found: {'.'.join(str(part) for part in PSYCOPG_VERSION)}." if PSYCOPG_VERSION else ""
    module.fail_json(
        msg=str(missing_required_lib(_NAME, url=_URL)) + found,
        error="missing_library", hint="Install it for the Python that runs the module on this host.", exception=PSYCOPG_TRACEBACK,
    )
