# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a drill, before anything is touched: its scenario, its severity, its rounds, its faults and their parameters."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._drill import faults

from ..errors import Stop
from ..evidence.policy import Policy
from ..running import scenarios
from .definition import Drill, Round

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        key: where in the file, such as rounds[0].faults[1].params.path; empty where the file as a whole is meant.
        message: what is wrong, and what to do.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


def problems(drill: Drill, *, collection: Path, roots: Sequence[Path], cwd: Path, policy: Policy) -> list[Problem]:
    """Everything that is wrong with a drill that could be read.

    Args:
        collection: the collection oncall.incident, with its scenarios and faults.
        roots: where other collections are looked for.
        policy: the severity policy.
    """
    return [
        *_top(drill, collection, cwd, policy),
        *(problem for number, part in enumerate(drill.rounds) for problem in _round(part, f"rounds[{number}]", collection, roots)),
    ]


def of_stop(key: str, stop: Stop | BadInput) -> Problem:
    """A problem of what another part of the program has found."""
    return Problem(key, " ".join(part for part in (stop.message, stop.hint) if part))


def _top(drill: Drill, collection: Path, cwd: Path, policy: Policy) -> Iterator[Problem]:
    try:
        scenarios.choose(drill.scenario, collection=collection, cwd=cwd)
    except Stop as stop:
        yield of_stop("scenario", stop)
    if drill.severity and policy.level(drill.severity) is None:
        known = ", ".join(level.name for level in policy.levels)
        yield Problem("severity", f"{drill.severity}: policy {policy.name} has no such level. It has {known}.")
    for name, times in Counter(part.name for part in drill.rounds).items():
        if times > 1:
            yield Problem("rounds", f"{times} rounds are named {name}. Give each a name of its own, by which --round finds it.")


def _round(part: Round, where: str, collection: Path, roots: Sequence[Path]) -> Iterator[Problem]:
    if not part.faults:
        yield Problem(f"{where}.faults", f"round {part.name} has no fault, so there is nothing to recover. Name at least one.")
    if not part.findings:
        yield Problem(f"{where}.findings", f"round {part.name} has no finding by which its fault is seen. Name at least one check.")
    for number, entry in enumerate(part.faults):
        yield from _fault(entry, f"{where}.faults[{number}]", collection, roots)


def _fault(entry: Json, where: str, collection: Path, roots: Sequence[Path]) -> Iterator[Problem]:
    name = str(entry["fault"])
    try:
        fault = faults.find(name, roots=roots, collection=collection)
    except BadInput as exc:
        yield of_stop(f"{where}.fault", exc)
        return
    if fault.root and entry.get("user", "root") != "root":
        yield Problem(f"{where}.user", f"fault {name} cannot run as {entry['user']}: it needs root. Leave out its user.")
    for key, what in faults.problems(fault, entry.get("params") or {}).items():
        yield Problem(f"{where}.params.{key}" if key else f"{where}.params", f"fault {name}: {what}")
