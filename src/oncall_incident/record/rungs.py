# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rungs of a plan, for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import Rung

from ..terminal import words


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an action stands in its list.

    Attributes:
        number: of its rung, from 1.
        condition: when the rung is run; empty for the first one.
    """

    number: int
    condition: str

    def __str__(self) -> str:
        return f"{self.number}. {self.condition}" if self.condition else f"{self.number}."


def places(plan: Mapping[str, Any] | None) -> dict[tuple[str, str], Place]:
    """The places of a plan's actions by host and action id; nothing of a host on which no list has more than one rung.

    A plan of a record that is damaged here shows none: what may be carried out is not decided by this.
    """
    found: dict[tuple[str, str], Place] = {}
    stated = (plan or {}).get("rungs")
    for host, listed in stated.items() if isinstance(stated, Mapping) else ():
        numbers: dict[str, int] = {}
        try:
            rungs = [Rung.from_dict(one) for one in listed]
        except (BadInput, TypeError):
            continue
        for rung in rungs:
            number = numbers[rung.of] = numbers.get(rung.of, 0) + 1
            found.update({(str(host), identity): Place(number, _condition(rung)) for identity in rung.actions})
    return found


def lines(plan: Mapping[str, Any], actions: Sequence[tuple[str, Action]]) -> list[str]:
    """`2. only if still failing after 20 s (memory, writes): restart cache (cache1)`, in their order; nothing without rungs."""
    known = places(plan)
    by_place: dict[Place, dict[str, dict[str, int]]] = {}
    for host, action in actions:
        if (host, action.id) in known:
            verbs = by_place.setdefault(known[host, action.id], {})
            verbs.setdefault(action.verb.replace("_", " "), {})[host] = 1
    return [
        f"{place.number}. {place.condition + ': ' if place.condition else ''}"
        + ", ".join(f"{verb} ({', '.join(hosts)})" for verb, hosts in verbs.items())
        for place, verbs in sorted(by_place.items(), key=lambda item: (item[0].number, item[0].condition))
    ]


def _condition(rung: Rung) -> str:
    if not rung.checks:
        return ""
    try:
        seconds = parse_duration(rung.wait)
    except BadInput:
        seconds = 0.0
    after = f" after {seconds:g} s" if seconds else ""
    return f"only if still failing{after} ({words.one_line(', '.join(rung.checks), limit=200)})"
