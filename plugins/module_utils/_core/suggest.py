# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which known name somebody probably meant.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t


def nearest(name: str, known: t.Iterable[str], *, likeness: float = 0.6) -> t.Optional[str]:
    """The known name that is most like a given one.

    Args:
        likeness: from 0 to 1, which a name must reach to count at all.
    """
    # Only a slip needs it, and it is not quick to import.
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return found[0] if found else None


def suggest(name: str, known: t.Iterable[str], *, likeness: float = 0.6) -> str:
    """The question to begin a hint with, with a space behind it; empty where nothing known is like the name."""
    found = nearest(name, known, likeness=likeness)
    return f"Did you mean {found}? " if found else ""
