# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two targets of one host, in a loop and one after the other: the plan states the limit of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.site import Site

ROLE = {"name": "oncall.incident.incident", "rolespec_validate": False}
ACT = {
    "verb": "restart_service", "target": {"service": "{{ item.name }}"}, "resource": "service:{{ item.name }}", "reason": "A test.",
    "limit": "{{ item.limit }}", "module": "ansible.builtin.command", "args": {"argv": ["true"]},
    "measure": {"module": "ansible.builtin.ping", "until": "true"},
}


def keeping(results: str, **more: str) -> dict[str, Any]:
    """A task that keeps the results of an entry point."""
    return {"ansible.builtin.include_role": {**ROLE, "tasks_from": "keep"}, "vars": {"incident_keep_results": results, **more}}


def acting(name: str, *targets: dict[str, Any]) -> dict[str, Any]:
    """A task that acts on each target."""
    return {"oncall.incident.act": ACT, "loop": list(targets), "register": name}


def planned(tmp_path: Path, *limits: int) -> dict[str, Any]:
    """The plan of a run over three targets of a host."""
    first, second, third = ({"name": name, "limit": limit} for name, limit in zip("abc", limits, strict=True))
    site = Site(tmp_path)
    site.group("app", web1={})
    book = site.book([
        acting("looped", first, second), keeping("{{ looped.results }}"),
        acting("alone", third), keeping("{{ alone.results }}", incident_keep_of="the third one"),
        {"ansible.builtin.include_role": {**ROLE, "tasks_from": "publish"}},
    ])
    done = site.play("--check", playbook=book, variables={"incident_run_id": "r"})
    assert done.status == 0, done.output
    return done.plan()


def test_each_action_has_the_limit_of_its_own_target(tmp_path: Path) -> None:
    plan = planned(tmp_path, 1, 3, 2)
    ids = [action["id"] for action in plan["actions"]["web1"]]
    whose = ["service:a", "service:b", "the third one"]
    assert plan["limits"] == {"web1": {"restart_service": [
        {"limit": limit, "of": of, "actions": [identity]} for limit, of, identity in zip((1, 3, 2), whose, ids, strict=True)
    ]}}


def test_where_they_agree_the_limit_is_one_number(tmp_path: Path) -> None:
    assert planned(tmp_path, 2, 2, 2)["limits"] == {"web1": {"restart_service": 2}}
