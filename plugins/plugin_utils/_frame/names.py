# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt variable names: found before anything runs.

This plugin util is PRIVATE to the collection: it may change at any time.

Ansible ignores a variable that nobody reads, so `postgres_max_victim: 2` would silently leave the limit at its default.
"""

from __future__ import annotations

import difflib
import typing as t

#: How alike two names must be (difflib's ratio over the part after the prefix) to be taken for a slip of the finger.
ALIKE = 0.8


def near_misses(given: t.Iterable[str], *, known: t.Collection[str], prefix: str) -> dict[str, str]:
    """Find the names that are almost one of ours.

    Args:
        given: all variable names of a host.
        known: the documented names.
        prefix: only names beginning with it are looked at, for example `postgres_`.

    Returns:
        Documented name by misspelt name. Names that resemble none of ours belong to other people and are left alone.
    """
    tails = {name[len(prefix):]: name for name in sorted(known) if name.startswith(prefix)}
    found: dict[str, str] = {}
    for name in sorted(set(given) - set(known)):
        if name.startswith(prefix) and (meant := _meant(name[len(prefix):], tails)):
            found[name] = meant
    return found


def _meant(tail: str, tails: t.Mapping[str, str]) -> str | None:
    words = sorted(tail.split("_"))
    for known, name in tails.items():
        if sorted(known.split("_")) == words or known.replace("_", "") == tail.replace("_", ""):
            return name
    close = difflib.get_close_matches(tail, tails, n=1, cutoff=ALIKE)
    return tails[close[0]] if close else None
