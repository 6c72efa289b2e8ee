# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What records of version 0.1 lack: their actions and spared targets have no name.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

#: Longer values are texts, such as a query, and name nobody.
_LONGEST = 60


def name_of(target: t.Mapping[str, t.Any]) -> str:
    """A name for a target of an earlier record: a session as it was named then, anything else by its keys and values."""
    pid, user, database = (target.get(key) for key in ("pid", "user", "database"))
    if pid and (user or database):
        parts = (
            f"pid {pid} {user or ''}", f"@{database}" if database else "",
            f" ({target['application_name']})" if target.get("application_name") else "",
            f" from {target['client_addr']}" if target.get("client_addr") else "",
            f", {target['state']}" if target.get("state") else "",
        )
        return "".join(parts)
    return ", ".join(
        f"{key} {value}" for key, value in target.items()
        if isinstance(value, (str, int, float)) and 0 < len(str(value)) < _LONGEST
    )
