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

from .._core import actions, ranges, why
from .._core.acting import Candidate, Sight, Subject, act, answered
from .._core.actions import Action, Approved
from .._core.errors import IncidentError
from .._core.limits import Limit
from .._module.lease import acting_alone
from . import files
from .decisions.cleaning import VERBS, File, Found, Rule, sight

#: Spared files that a result names; the rest is counted in `spared_more`.
MOST_SPARED = 100
#: Candidates that a result names where a limit refuses them.
_MOST_NAMED = 50


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much may be cleaned.

    Attributes:
        max_files_for_inodes: of files that are removed where inodes are used to inodes_percent or more; they do not count as max_files.
    """

    max_files: int
    max_bytes: int
    spent: int = 0
    max_files_for_inodes: int = 0
    inodes_percent: float = 90.0

    def __post_init__(self) -> None:
        ranges.read(self.spent, name="spent")

    def as_dict(self, *, inodes: bool = False) -> dict[str, t.Any]:
        """As they enter results and the plan's hash.

        Args:
            inodes: whether a file system is out of them, so that its own limit is one of the plan's.
        """
        more = {"max_files_for_inodes": self.max_files_for_inodes} if inodes else {}
        return {"max_files": self.max_files, "max_bytes": self.max_bytes, **more}

    def out_of_inodes(self, directory: str) -> bool:
        """Whether the file system of a directory has to get inodes back."""
        usage = os.statvfs(directory)
        return usage.f_files > 0 and 100.0 * (usage.f_files - usage.f_favail) / usage.f_files >= self.inodes_percent

    def now(self) -> tuple[Limit, Limit]:
        """What may be cleaned now."""
        return (
            Limit("max_files", max(self.max_files - self.spent, 0), f"max_files {self.max_files}, {self.spent} used already"),
            Limit("max_bytes", self.max_bytes, f"max_bytes {self.max_bytes}", unit="bytes"),
        )


def clean_up(
    rules: t.Sequence[Rule], *, protect: t.Sequence[str], limits: Limits, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Clean what the rules allow.

    Returns:
        The result, and the problem that fails the task.

    Raises:
        IncidentError: bad rules, blindness, or another run at work; nothing was touched.
    """
    subject = _Files(rules, protect, limits)
    done = act(subject, approved=approved, check_mode=check_mode)
    counted = actions.PLANNED if check_mode else actions.DONE
    return {
        **done.as_result(limits=limits.as_dict(inodes=bool(subject.crowded))), "avoided": subject.avoided,
        "spared_more": subject.spared_more,
        "freed": sum(candidate.target.file.allocated for candidate, action in done.acted if action.outcome == counted),
    }, done.problem


class _Files(Subject[Found]):
    """The files of this host that rules name."""

    verbs = VERBS
    noun, done = "files", "cleaned"
    advice = "Look at the candidates; narrow the rules, or raise the limit if it is right."

    def __init__(self, rules: t.Sequence[Rule], protect: t.Sequence[str], limits: Limits) -> None:
        self._rules, self._protect, self._limits = rules, protect, limits
        self.resource = f"host:{socket.gethostname()}"
        self.avoided: list[str] = []
        self.spared_more = 0
        self.crowded: list[str] = []
        self._spared: dict[str, str] = {}

    def alone(self) -> t.ContextManager[None]:
        return acting_alone("the files of this host")

    def look(self) -> Sight[Found]:
        opened, now = files.open_files(), time.time()
        found: list[tuple[int, File]] = []
        devices: dict[str, int] = {}
        for place, rule in enumerate(self._rules):
            if not os.path.lexists(rule.directory):
                self.avoided.append(f"{rule.directory}: is not there")
                continue
            there, devices[rule.directory], not_entered = files.find(rule, opened=opened, now=now)
            self.avoided += not_entered
            if rule.directory not in self.crowded and self._limits.out_of_inodes(rule.directory):
                self.crowded.append(rule.directory)
            found += [(place, file) for file in there]
        seen = sight(
            self._rules, found, protected=self._protect, devices=devices, limits=self._limits.now(), resource=self.resource,
            crowded=self.crowded, for_inodes=max(self._limits.max_files_for_inodes - self._limits.spent, 0),
        )
        self._spared = {one.name: one.reasons[0] for one in seen.protected}
        self.spared_more = max(len(seen.protected) - MOST_SPARED, 0)
        return dataclasses.replace(seen, protected=seen.protected[:MOST_SPARED])

    def carry_out(self, candidate: Candidate[Found]) -> Action:
        cleaned = files.clean(candidate.target)
        detail = {key: text for key, text in (("why", cleaned.why), ("error", cleaned.error)) if text}
        return candidate.action.with_outcome(cleaned.outcome, **detail)

    def answer(self, one: Approved) -> Action:
        path, inode = str(one.identity.get("path", "")), one.identity.get("inode")
        now = files.inode_of(path)
        if now is None:
            return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY)
        if now != inode:
            return answered(one, actions.MOVED_ON, why.IDENTITY_CHANGED)
        return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error=self._spared.get(path, "no rule takes it now"))

    def told_over(self, limit: Limit, chosen: t.Sequence[Candidate[Found]]) -> dict[str, t.Any]:
        return {"candidates": [one.target.brief() for one in chosen[:_MOST_NAMED]]}
