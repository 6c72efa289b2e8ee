# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write records as an execution would, so that what reads them is tested against real files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import actions, findings
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import Rung, make_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

RUN = "20260102T030405Z-db-recovery-abcdef"


class Story:
    """One run's record in the making."""

    def __init__(self, home: Path) -> None:
        self.run_dir = home / "runs" / RUN
        self._segment: Segment | None = None

    @contextmanager
    def segment(self, kind: str = "execution", **opening: Any) -> Iterator[Story]:
        """One writer's part."""
        redactor = Redactor(key=b"k" * 32)
        with Segment.open(self.run_dir, run=RUN, redactor=redactor, opening={"kind": kind, **opening}) as segment:
            self._segment = segment
            yield self
        self._segment = None

    def tell(self, kind: str, **payload: Any) -> None:
        """One event."""
        if self._segment is None:
            raise ValueError("no segment is open")
        self._segment.append(kind, payload, sync=False)

    def finding(
        self, phase: str, host: str, status: str, *, check: str = "connections", source: Mapping[str, Any] | None = None, **more: Any,
    ) -> None:
        """A finding.

        Args:
            source: task_id, item_index and item, which records from before 0.2 do not tell.
        """
        finding = findings.Finding(check, status, **{"observed": 97, "threshold": 90, "unit": "percent", **more})
        self.tell("finding", host=host, phase=phase, finding=finding.as_dict(), **(source or {}))

    def verdict(
        self, phase: str, host: str, *, healthy: bool | None, asked: Sequence[str] = ("connections",),
        source: Mapping[str, Any] | None = None, **more: Any,
    ) -> None:
        """What a health check that asks something came to."""
        verdict = {"healthy": healthy, "asked": list(asked), **more}
        self.tell("verdict", host=host, phase=phase, task="Judge", verdict=verdict, **(source or {}))

    def looked(self, phase: str, host: str, status: str, *, source: Mapping[str, Any]) -> None:
        """A look as a health module of today tells it: a finding that was asked for, and the verdict."""
        self.finding(phase, host, status, asked=True, source=source)
        self.verdict(phase, host, healthy={"ok": True, "unknown": None}.get(status, False), status=status, source=source)

    def place(self, host: str) -> None:
        """Where investigate looks."""
        self.tell("place", host=host, phase="investigate", place=f"PostgreSQL at {host}")

    def action(self, host: str, outcome: str, *, number: int = 1, query: str = "SELECT 1", **more: Any) -> None:
        """An action."""
        done = _action(number, query, outcome, **more)
        self.tell("action", host=host, phase="mitigate", check_mode=outcome == actions.PLANNED, action=done.as_dict())

    def plan(self, *hosts: str, number: int = 1, query: str = "SELECT 1") -> None:
        """The plan of one action per host."""
        planned = {host: [_action(number, query, actions.PLANNED)] for host in hosts}
        limits = {host: {"max_victims": 10} for host in hosts}
        self.tell("plan", plan=make_plan(run=RUN, now=1000.0, actions=planned, limits=limits).as_dict())

    def plan_of_rungs(self, host: str) -> None:
        """The plan of two rungs, of one action each."""
        planned = [_action(number, "SELECT 1", actions.PLANNED) for number in (1, 2)]
        rungs = [Rung("pg", name, (action.id,), ("connections",), "20s") for name, action in zip(("end", "restart"), planned, strict=True)]
        self.tell("plan", plan=make_plan(run=RUN, now=1000.0, actions={host: planned}, rungs={host: rungs}).as_dict())

    def stats(self, **hosts: int) -> None:
        """Ansible's counters: failures by host."""
        self.tell("stats", hosts={host: {"ok": 1, "failures": failures, "unreachable": 0} for host, failures in hosts.items()})

    def intent(self, host: str, task: str, *, phase: str = "mitigate", task_id: str = "t1", **args: Any) -> None:
        """A task that starts."""
        self.tell("intent", host=host, task=task, task_id=task_id, phase=phase, action="oncall.incident.x", args=args)

    def result(self, host: str, task: str, status: str, *, phase: str = "mitigate", task_id: str = "t1", msg: str = "") -> None:
        """A task that ends."""
        who = {"host": host, "task": task, "task_id": task_id, "phase": phase, "action": "oncall.incident.x"}
        self.tell("result", **who, status=status, result={"msg": msg})


def _action(number: int, query: str, outcome: str, **more: Any) -> actions.Action:
    target = {"pid": number, "user": "app", "database": "shop", "query": query, "transaction_age": 310.0}
    return actions.Action(
        "terminate", "pg", {"pid": number}, target, "idle in transaction for 5m10s", f"pid {number} app@shop", outcome, more,
    )
