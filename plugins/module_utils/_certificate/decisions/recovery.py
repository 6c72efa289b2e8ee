# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why certificates are not called recovered.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import OK
from ..._core.recovery import say_not_recovered


def not_recovered(verified: t.Mapping[str, t.Any], *, checks: t.Collection[str]) -> str:
    """Why they are not called recovered, in one text; empty when they are.

    Args:
        verified: what cert_expiry returned with wait_for.
        checks: that were waited for.
    """
    troubled = [f"{finding['check']} {finding['subject']}" for finding in verified["findings"]
                if finding["check"] in checks and finding["status"] != OK]
    return say_not_recovered(troubled, held=verified["held"], waited=verified.get("waited", 0), worse=verified.get("new", {}))
