# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's command that frees the disk of a Redis runs only on a full file system. The role's own expressions, on real verdicts."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import judge_look
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import DECISIVE, GOOD
from ansible_collections.oncall.incident.plugins.module_utils._host.survey import look

TASKS = Path(__file__).parents[2] / "roles" / "redis" / "tasks" / "optional" / "disk.yml"
(FREE,) = [task["oncall.incident.act"] for task in yaml.safe_load(TASKS.read_text()) if task["name"].startswith("Free the disk")]


def holds(expression: str, **known: Any) -> bool:
    """What the expression comes to."""
    return bool(jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).compile_expression(expression)(**known))


def verdict(*, free: int = 90, inodes: int = 100, free_inodes: int = 90, flags: int = 0, closed: bool = False) -> dict[str, Any]:
    """The verdict of disk_health with the role's thresholds on a file system of 100 blocks."""
    def statvfs(path: str) -> Any:
        if closed:
            raise PermissionError(13, "Permission denied")
        return SimpleNamespace(f_frsize=4096, f_blocks=100, f_bavail=free, f_files=inodes, f_favail=free_inodes, f_flag=flags)

    found = look(["/srv"], warning=95, critical=100, sample=0, full_within=0, statvfs=statvfs, kernel=lambda point: [])
    return judge_look(*found, asked=DECISIVE, good=GOOD).as_dict()


@pytest.mark.parametrize(("seen", "status", "needed", "freed"), [
    (verdict(), "ok", False, True),
    (verdict(flags=os.ST_RDONLY), "critical", False, True),
    (verdict(closed=True), "unknown", False, False),
    (verdict(free=3), "warning", True, False),
    (verdict(free=0), "critical", True, False),
    (verdict(free_inodes=3), "warning", True, False),
    (verdict(inodes=0, free_inodes=0), "ok", False, True),
    (verdict(free=0, inodes=0, free_inodes=0), "critical", True, False),
])
def test_the_disk_is_freed_only_where_it_is_full(seen: dict[str, Any], status: str, needed: bool, freed: bool) -> None:
    assert seen["status"] == status
    assert holds(FREE["needed"], before=seen) is needed
    assert holds(FREE["measure"]["until"], measured=seen) is freed
