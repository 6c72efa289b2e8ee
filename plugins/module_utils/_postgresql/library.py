# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library that the PostgreSQL modules need on their target.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._module.results import require_library
from .connection import PSYCOPG_TRACEBACK, PSYCOPG_VERSION


def require_psycopg(module: t.Any) -> None:
    """End the module with a helpful failure when psycopg is missing or too old."""
    require_library(
        module, name="psycopg >= 3.1 (pip: psycopg[binary]; Debian and Ubuntu: python3-psycopg; Fedora and RHEL: python3-psycopg3)",
        url="https://www.psycopg.org/psycopg3/docs/basic/install.html", found=PSYCOPG_VERSION, minimum=(3, 1), traceback=PSYCOPG_TRACEBACK,
        otherwise="Or let the role connect from the controller, where psycopg is installed: postgres_via: controller, with the server's "
        "address in postgres_login_host, or postgres_via: ssh_tunnel.",
    )
