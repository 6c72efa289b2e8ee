# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident --version`."""

from __future__ import annotations

from ..running.collection import Collection, versions


def text(found: Collection) -> str:
    """What takes part, with versions and the place of the collection."""
    parts = versions(found)
    return (
        f"incident {parts['wrapper']}\n"
        f"collection oncall.incident {parts['collection']} ({found.origin}: {found.path})\n"
        f"ansible-core {parts['ansible_core']}, ansible-runner {parts['ansible_runner']}, Python {parts['python']}"
    )
