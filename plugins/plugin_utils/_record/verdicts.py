# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts of an execution: what was asked of whom, and what is not good.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import typing as t

from ...module_utils._core.findings import CRITICAL
from .looks import Source, Whom, count, fewer
from .phases import INVESTIGATE, VERIFY

Dict = dict[str, t.Any]


class Verdicts:
    """By phase and host, of each task, item and target the last one: a task may look again until it is content."""

    def __init__(self) -> None:
        # What was asked, and of whom, of each source; the verdict itself only where it is not good.
        self._asked: dict[tuple[str, str], dict[tuple[str, Source], tuple[tuple[str, ...], Whom]]] = {}
        self._unmet: dict[tuple[str, str, str, Source], Dict] = {}
        # Of the last execution that investigated a host.
        self._investigated: dict[str, dict[str, list[Whom]]] = {}

    def anew(self) -> None:
        """Another execution begins: it looks again."""
        self._investigated = self._targets_before()
        self._asked, self._unmet = {}, {}

    def put(self, told: Dict, *, source: Source) -> None:
        """Take in a verdict.

        Args:
            told: host, phase, task, item, target, and what a health module said: asked, healthy, held, status, checks.
        """
        host, phase, task = (str(told.get(name) or "") for name in ("host", "phase", "task"))
        asked = tuple(str(check) for check in told.get("asked") or ())
        whom = (str(told.get("item", "")), str(told.get("target", "")))
        self._asked.setdefault((phase, host), {})[task, source] = (asked, whom)
        self._unmet.pop((phase, host, task, source), None)
        good = told.get("healthy") is True and told.get("held") is not False if asked else told.get("status") != CRITICAL
        if not good:
            self._unmet[phase, host, task, source] = told

    def unmet(self) -> list[Dict]:
        """Those that are not good."""
        return list(self._unmet.values())

    def told(self) -> dict[str, list[str]]:
        """Hosts by phase."""
        return self._hosts(lambda _asked: True)

    def judged(self) -> dict[str, list[str]]:
        """Hosts by phase of which something was asked."""
        return self._hosts(bool)

    def asked(self) -> dict[str, list[str]]:
        """By host, each check once."""
        found: dict[str, dict[str, None]] = {}
        for (_phase, host), entries in self._asked.items():
            for checks, _whom in entries.values():
                found.setdefault(host, {}).update(dict.fromkeys(checks))
        return {host: list(checks) for host, checks in found.items()}

    def left_out(self) -> list[Dict]:
        """See Summary.left_out."""
        earlier = self._targets_before()
        return [
            {"host": host, "check": check, "before": count(earlier[host][check]), "after": count(looks)}
            for (phase, host) in self._asked if phase == VERIFY and host in earlier
            for check, looks in self._targets(phase, host).items()
            if check in earlier[host] and fewer(earlier[host][check], looks)
        ]

    def taken_out(self) -> list[Dict]:
        """See Summary.taken_out."""
        earlier = self._targets_before()
        return [
            {"host": host, "check": check} for (phase, host) in self._asked if phase == VERIFY and host in earlier
            for check in earlier[host] if check not in self._targets(phase, host)
        ]

    def _targets_before(self) -> dict[str, dict[str, list[Whom]]]:
        return {**self._investigated, **{host: self._targets(phase, host) for phase, host in self._asked if phase == INVESTIGATE}}

    def _targets(self, phase: str, host: str) -> dict[str, list[Whom]]:
        """Of whom each check was asked."""
        found: dict[str, list[Whom]] = collections.defaultdict(list)
        for asked, whom in self._asked[phase, host].values():
            for check in asked:
                found[check].append(whom)
        return dict(found)

    def _hosts(self, counts: t.Callable[[tuple[str, ...]], bool]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for (phase, host), entries in self._asked.items():
            if any(counts(asked) for asked, _whom in entries.values()):
                found.setdefault(phase, []).append(host)
        return found
