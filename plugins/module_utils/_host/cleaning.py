# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning a host's files by rules: look, judge, limit, act, measure.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
import typing as t

from .._core import actions
from .._core.errors import IncidentError
from . import files
from .decisions.cleaning import Candidate, File, Rule, choose, within_limits

#: Spared files that a result names; the rest is counted in `spared_more`.
MOST_SPARED = 100


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much may be cleaned."""

    max_files: int
    max_bytes: int
    spent: int = 0

    def as_dict(self) -> dict[str, t.Any]:
        """As they enter results and the plan's hash."""
        return {"max_files": self.max_files, "max_bytes": self.max_bytes}


class CleaningFailed(IncidentError):
    """Some files could not be cleaned."""

    kind = "cleaning_failed"


def clean_up(
    rules: t.Sequence[Rule], *, protect: t.Sequence[str], limits: Limits, approved: t.Sequence[str] | None, check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Clean what the rules allow.

    Returns:
        The result, and the problem that fails the task.

    Raises:
        IncidentError: bad rules, blindness, or more than the limits; nothing was touched.
    """
    opened = files.open_files()
    found: list[tuple[File, Rule]] = []
    devices: dict[str, int] = {}
    avoided: list[str] = []
    now = time.time()
    for rule in rules:
        if not os.path.lexists(rule.directory):
            avoided.append(f"{rule.directory}: is not there")
            continue
        there, device, not_entered = files.find(rule, opened=opened, now=now)
        devices[rule.directory] = device
        avoided += not_entered
        found += [(file, rule) for file in there]
    candidates, spared = choose(found, protected=protect, devices=devices)
    resource = f"host:{socket.gethostname()}"
    planned = [(one, one.action(resource=resource)) for one in candidates]
    covered = {action.id for _one, action in planned if actions.is_approved([action.id], approved)}
    allowed = [one for one, action in planned if action.id in covered]
    within_limits(allowed, max_files=limits.max_files, max_bytes=limits.max_bytes, spent=limits.spent)
    done = []
    for one, action in planned:
        if action.id not in covered:
            done.append(action.with_outcome(actions.REFUSED, why="not in the approved plan"))
        else:
            done.append(action if check_mode else _carry_out(one, action))
    counted = (actions.PLANNED,) if check_mode else (actions.DONE,)
    freed = sum(int(action.target["bytes"]) for action in done if action.outcome in counted)
    result = {
        **actions.result(done, check_mode=check_mode, limits=limits.as_dict(), protected=spared[:MOST_SPARED]),
        "freed": freed, "avoided": avoided, "spared_more": max(len(spared) - MOST_SPARED, 0),
    }
    failed = actions.failed_actions(done)
    if failed:
        first = failed[0]
        return result, CleaningFailed(f"{len(failed)} files could not be cleaned, first {first.target['path']}: {first.detail.get('why')}.")
    return result, None


def _carry_out(one: Candidate, action: actions.Action) -> actions.Action:
    outcome, why = files.clean(one)
    return action.with_outcome(outcome, **({"why": why} if why else {}))
