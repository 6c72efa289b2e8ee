# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the faults and probes of a drill are to one host.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import typing as t

#: Between the ways back of two faults.
_SECONDS = 10


def of_host(entries: t.Iterable[t.Mapping[str, t.Any]], *, host: str, groups: t.Sequence[str]) -> list[t.Mapping[str, t.Any]]:
    """The entries whose `hosts` is this host or one of its groups.

    Args:
        entries: faults or probes.
        host: its name in the inventory.
        groups: those that it is in.
    """
    return [entry for entry in entries if entry["hosts"] in (*groups, host)]


def course(faults: t.Sequence[t.Mapping[str, t.Any]], *, drill_id: str, host: str, groups: t.Sequence[str]) -> dict[str, t.Any]:
    """The faults in their order, as one host has them.

    Args:
        faults: of the drill.
        drill_id: name of the drill.
        host: its name in the inventory.
        groups: those that it is in.

    Returns:
        `numbers`, from 1 on, and `faults` by number: the `fault` as given, whether it is `mine`, its `name` on the host, a `mark` that
        tells whose it is on a server to which several hosts may do the same, and how much `later` than the last one's its way back goes.
    """
    numbered = dict(enumerate(faults, start=1))
    found = {}
    for number, fault in numbered.items():
        # The position is part of the name: a host may get two of a kind.
        name = f"oncall-drill-{drill_id}-{number}-{str(fault['fault']).rpartition('.')[2]}"
        found[number] = {
            "fault": fault, "mine": bool(of_host([fault], host=host, groups=groups)), "name": name,
            "mark": hashlib.sha256(f"{host}/{name}".encode()).hexdigest()[:8],
            # Backwards: who attacks has stopped before the daemon is as it was.
            "later": f"{(len(faults) - number) * _SECONDS}s",
        }
    return {"numbers": list(numbered), "faults": found}


def failures(probed: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """The probes that did not succeed, each with its `name` and a `message`.

    Args:
        probed: results of the probes' commands, each with its probe as `item`.
    """
    found = []
    for one in probed:
        if one.get("rc") != 0:
            said = str(one.get("stderr") or one.get("stdout") or one.get("msg") or "").strip()
            found.append({"name": one["item"]["name"], "message": f"{one['item']['name']}: {said}"})
    return found
