# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that the team's own script lists, names and goes back to.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from ..._module.programs import Run
from ..decisions.releases import Release, Seen
from ..decisions.where import Where
from ..notes import Notes

_MOST = 200


def look(where: Where, *, notes: Notes, to: str, run: Run) -> Seen:
    """See looking.look_at(). Both commands must only read."""
    said = {}
    for which, argv in (("list", where.list), ("current", where.current)):
        ran = run(argv)
        if ran.problem:
            text = f"{' '.join(argv)}: {ran.problem}"
            return Seen(where.subject, trouble=text, hint=f"Correct where.{which}, or what it complains about.")
        said[which] = list(dict.fromkeys(_names(ran.out, where.pattern)))
    if len(said["current"]) > 1:
        text = f"{' '.join(where.current)} names {len(said['current'])} releases, and not one"
        return Seen(where.subject, trouble=text, hint="Give a command that prints the one that runs, or where.pattern.")
    found = [Release(name) for name in said["list"][:_MOST]]
    there = {one.id for one in found}
    gone = [Release(name, present=False) for name in (*notes, *said["current"]) if name not in there]
    return Seen(where.subject, running=tuple(said["current"]), releases=(*found, *dict.fromkeys(gone)), identity=tuple(said["current"]))


def _names(text: str, pattern: str) -> t.Iterator[str]:
    for line in text.splitlines():
        found = re.search(pattern, line)
        if found and found.group(1):
            yield found.group(1)
