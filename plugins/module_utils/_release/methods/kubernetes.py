# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are revisions of a Deployment, as kubectl tells them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from ..._core.errors import Blind
from ..._module.programs import Run
from ..decisions.kubernetes import seen_of
from ..decisions.releases import Seen
from ..decisions.where import Where
from ..notes import Notes

_HINT = "Allow get and list of deployments, replicasets and pods in the namespace, or correct where."


def look(where: Where, *, notes: Notes, to: str, run: Run) -> Seen:
    """See looking.look_at()."""
    texts = []
    for what in (("deployment", where.name), ("replicasets",), ("pods",)):
        ran = run([*where.kubectl, "--namespace", where.namespace, "get", *what, "--output=json"])
        if ran.problem:
            return Seen(where.subject, trouble=f"kubectl get {' '.join(what)}: {ran.problem}", hint=_HINT)
        texts.append(ran.out)
    try:
        return seen_of(where.subject, *texts, notes=notes)
    except Blind as exc:
        return Seen(where.subject, trouble=exc.message, hint=exc.hint or _HINT)
