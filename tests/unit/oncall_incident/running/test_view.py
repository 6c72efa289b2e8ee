# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator sees of findings."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from oncall_incident.running.view import View


def finding(check: str, **more: Any) -> dict[str, Any]:
    return {"type": "finding", "host": "db1", "phase": "investigate", "finding": {"check": check, "status": "ok", "subject": "", **more}}


def shown(*events: dict[str, Any]) -> list[str]:
    """The lines without the time since the start."""
    out = io.StringIO()
    view = View(Console(file=out, width=200))
    for event in events:
        view.event(event)
    view.end()
    return [line[6:].rstrip() for line in out.getvalue().splitlines()]


def test_what_is_well_is_one_line_and_advice_follows_it() -> None:
    lines = shown(finding("availability"), finding("probe"), finding("probe", subject="login", hint="Better a role of its own."))
    assert "  ok        db1  availability, probe" in lines
    assert lines[-1].strip() == "Better a role of its own."
    assert not any("Better" in line for line in shown(finding("availability"), finding("probe")))


def on(host: str, task: str = "Look", **more: Any) -> list[dict[str, Any]]:
    """What a host's look puts into the record."""
    return [
        {"type": "intent", "host": host, "phase": "investigate", "task": task},
        {**finding("overcommit_memory", **{"status": "warning", "observed": 0, "hint": "Set it to 1.", **more}), "host": host},
        {**finding("availability"), "host": host},
        {"type": "skipped_check", "host": host, "phase": "investigate", "skipped": {"check": "backup", "reason": "there is none"}},
        {"type": "result", "host": host, "phase": "investigate", "task": task, "status": "ok"},
    ]


def test_one_finding_on_many_hosts_is_one_line() -> None:
    hosts = [f"redis{number}" for number in range(1, 21)]
    lines = shown(*(event for host in hosts for event in on(host)))
    others = ", ".join(hosts[1:])
    assert lines == [
        "Investigate",
        "  WARNING   redis1  overcommit_memory  0", "            Set it to 1.", "  ok        redis1  availability",
        "  skipped   redis1  backup: there is none",
        f"  WARNING   19 more hosts  overcommit_memory  the same as on redis1: {others}",
        f"  ok        19 more hosts  availability  the same as on redis1: {others}",
        f"  skipped   19 more hosts  backup  the same as on redis1: {others}",
    ]


def test_what_differs_is_told_of_each_host() -> None:
    lines = shown(*on("redis1"), *on("redis2", observed=2), *on("redis3", status="critical"))
    assert [line for line in lines if "overcommit_memory" in line] == [
        "  WARNING   redis1  overcommit_memory  0", "  WARNING   redis2  overcommit_memory  2", "  CRITICAL  redis3  overcommit_memory  0",
    ]


def test_another_task_says_it_anew() -> None:
    lines = shown(*on("redis1"), *on("redis2"), *on("redis3", task="Look again"))
    assert [line for line in lines if "overcommit_memory" in line] == [
        "  WARNING   redis1  overcommit_memory  0", "  WARNING   1 more host  overcommit_memory  the same as on redis1: redis2",
        "  WARNING   redis3  overcommit_memory  0",
    ]


def failure(message: str, **more: Any) -> dict[str, Any]:
    return {"type": "result", "host": "db1", "phase": "investigate", "task": "Look", "status": "failed", "result": {"msg": message}, **more}


def test_a_failure_in_the_last_lines_is_not_said_again_at_the_end() -> None:
    view = View(Console(file=io.StringIO(), width=200))
    long = "no password was given " * 30
    view.event(failure(long))
    view.event({**failure("Connection timed out"), "host": "db2", "status": "unreachable"})
    assert view.just_said(f"db1: {long[:299].rstrip()}…") and view.just_said(f"db1: mitigate: {long.strip()}")
    assert view.just_said("db2: unreachable: Connection timed out")
    assert not view.just_said("db1: another") and not view.just_said(f"db3: {long.strip()}")
    view.event(finding("availability"))
    view.end()
    assert not view.just_said(f"db1: {long.strip()}"), "there are lines between"
