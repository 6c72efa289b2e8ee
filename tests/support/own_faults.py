# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault that docs/drills.md shows as an example of one's own, in a collection made for a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The collection of the example.
COLLECTION = Path("ansible_collections") / "acme" / "shop"


def written(root: Path) -> Path:
    """Write the example's fault below a directory for collections, and its drill there; the drill's file."""
    page = (ROOT / "docs" / "drills.md").read_text()
    blocks = re.findall(r"^```(?:yaml|python)\n# (\S+)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    for name, text in blocks:
        path = root / "ansible_collections" / name if "/" in name else root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert {name for name, _text in blocks} == {"acme/shop/faults/full_spool.yml", "acme/shop/faults/full_spool.py", "my-drill.yml"}
    return root / "my-drill.yml"
