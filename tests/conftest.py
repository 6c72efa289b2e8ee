# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as ansible_collections.oncall.incident, with or without ansible-core.

The package tree is a namespace package over `.collections` (a link to this checkout that `make` creates), so the
pure parts are tested on target Pythons that have no ansible-core at all.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _link_checkout() -> Path:
    tree = ROOT / ".collections"
    link = tree / "ansible_collections" / "oncall" / "incident"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../..")
    return tree


for entry in (str(_link_checkout()), str(ROOT), str(ROOT / "src")):
    if entry not in sys.path:
        sys.path.insert(0, entry)
