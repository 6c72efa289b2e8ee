# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The team's own status script: bounded, and judged by its exit status alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service import status
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.status import StatusSeen, judge_status

from tests.support.processes import alive
from tests.support.run_module import run_module
from tests.support.until import until


def script(text: str, *, seconds: float = 60) -> status.StatusSaid:
    """Run one."""
    return status.run_status(["sh", "-c", text], seconds=seconds)


def test_what_it_says_is_kept_and_its_exit_status_judged() -> None:
    said = script("echo all 3 up; echo slow >&2; exit 4")
    assert (said.seen, said.text) == (StatusSeen(status=4), "all 3 up\nslow")
    long = script("yes 0123456789 | head -c 100000; echo; echo the end")
    assert long.text.endswith("the end") and len(long.text) <= 16 * 1024


@pytest.mark.parametrize(("text", "trouble"), [("yes", "said more than"), ("kill -9 $$", "was ended by signal 9")])
def test_what_does_not_end_by_itself_has_no_status(text: str, trouble: str) -> None:
    said = script(text)
    assert said.seen.status is None and trouble in said.seen.trouble


def test_it_is_ended_with_what_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    said = script(f"sleep 600 & echo $! >{file}; echo begun; wait", seconds=2)
    assert (said.seen.trouble, said.text) == ("did not end within 2 s", "begun")
    until(lambda: not alive(int(file.read_text())), what="the end of its child")
    assert "is not installed" in status.run_status(["no-such-script"], seconds=1).seen.trouble


@pytest.mark.parametrize(("seen", "said"), [
    (StatusSeen(status=0), ("ok", 0)), (StatusSeen(status=1), ("warning", 1)), (StatusSeen(trouble="did not end"), None), (None, None),
])
def test_the_finding(seen: StatusSeen | None, said: Any) -> None:
    found = judge_status(seen)
    assert (getattr(found, "status", None) and (found.status, found.observed)) == said  # type: ignore[union-attr]
    assert said or getattr(found, "kind", "") == ("could_not_look" if seen else "not_applicable")


def verdict(text: str, *, asked: list[str]) -> dict[str, Any]:
    """Of a service that is well, with a script."""
    service = {"name": "web", "runtime": "command", "where": {"status": ["true"]}}
    return run_module(
        "service_health", services=[service], window="0s", asked=asked, status_command=["sh", "-c", text], status_timeout="2s")


@pytest.mark.parametrize(("text", "healthy", "checked"), [
    ("exit 0", True, "ok"), ("exit 1", False, "warning"), ("sleep 60", None, "unknown"),
])
def test_the_verdict_has_it_where_it_is_asked_for(text: str, healthy: bool | None, checked: str) -> None:
    pytest.importorskip("ansible")
    found = verdict(text, asked=["running", "status_command"])
    assert (found["healthy"], found["checks"]["status_command"]) == (healthy, checked)
    assert verdict(f"echo seen; {text}", asked=["running"])["healthy"] is True, "by default it is told, and does not decide"
    assert verdict(f"echo seen; {text}", asked=["running"])["status_command"]["text"] == "seen"
