# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs this: what the wrapper's segments begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import provenance


def user() -> str:
    """The person: the user of this process, and who called sudo."""
    people = provenance.who()
    name = people["user"] or f"uid {people['uid']}"
    caller = people.get("sudo_user")
    return f"{name} (sudo by {caller})" if caller and caller != name else str(name)


def opening(versions: Mapping[str, str]) -> dict[str, Any]:
    """The payload of the wrapper's segment.open."""
    return {"kind": "wrapper", "versions": dict(versions), **provenance.who()}
