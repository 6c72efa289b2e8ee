# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry point that acts changes nothing by itself: only through our mitigating modules or through `act`, and never in a handler.

Everything an entry point includes is followed.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.entry_points import ACTING, ROLES, acts, named, tasks

ROOT = Path(__file__).resolve().parents[2]
#: Change nothing on a managed system.
HARMLESS = {
    "ansible.builtin.assert",
    "ansible.builtin.debug",
    "ansible.builtin.fail",
    "ansible.builtin.find",
    "ansible.builtin.import_role",
    "ansible.builtin.import_tasks",
    "ansible.builtin.include_role",
    "ansible.builtin.include_tasks",
    "ansible.builtin.meta",
    "ansible.builtin.set_fact",
    "oncall.incident.access_health",
    "oncall.incident.http_health",
    "oncall.incident.service_health",
    "oncall.incident.approved",
    "oncall.incident.cert_expiry",
    "oncall.incident.conclude",
    "oncall.incident.config_health",
    "oncall.incident.disk_health",
    "oncall.incident.disk_survey",
    "oncall.incident.fail2ban_health",
    "oncall.incident.failed_logins",
    "oncall.incident.firewall_trace",
    "oncall.incident.lease",
    "oncall.incident.log_excerpt",
    "oncall.incident.maintenance_health",
    "oncall.incident.pg_health",
    "oncall.incident.pg_restart_check",
    "oncall.incident.pg_snapshot",
    "oncall.incident.port_health",
    "oncall.incident.publish_plan",
    "oncall.incident.recent_change",
    "oncall.incident.recording",
    "oncall.incident.redis_health",
    "oncall.incident.redis_restart_check",
    "oncall.incident.release_health",
    "oncall.incident.service_instances",
    "oncall.incident.tunnel",
}
#: Read only where the task says that it does.
READING = {"ansible.builtin.command", "ansible.builtin.uri"}
#: Measures as verify does, by a key of its own that comes and goes, or notes what verify has measured in a file of ours; in check mode it
#: writes nothing, and no task may change that.
MEASURING = {"oncall.incident.redis_probe", "oncall.incident.release_note"}
KEYWORDS = {
    "name", "when", "vars", "register", "become", "become_user", "delegate_to", "check_mode", "changed_when", "failed_when", "tags",
    "module_defaults", "block", "rescue", "always", "no_log", "loop", "loop_control", "run_once", "timeout", "until", "retries", "delay",
    "environment", "ignore_unreachable",
}


def task_files(role: Path) -> list[Path]:
    """All files of a role that its mitigate entry point can reach: all but those of the other entry points."""
    looking = ("investigate", "verify", "host", "in")  # in_force
    return [path for path in sorted((role / "tasks").rglob("*.yml")) if path.stem.partition("_")[0] not in looking]


def problems(found: list[dict[str, Any]]) -> list[str]:
    """What a mitigate entry point must not hold."""
    said = []
    for task in tasks(found):
        name = task.get("name", "?")
        if "notify" in task or "listen" in task:
            said.append(f"{name}: handlers run after the plan, outside its limits")
        for module in (key for key in task if key not in KEYWORDS | {"notify", "listen", "block"}):
            if module in READING:
                if module == "ansible.builtin.uri" and task[module].get("method", "GET") not in ("GET", "HEAD"):
                    said.append(f"{name}: {module} must only read: GET or HEAD")
                if task.get("changed_when") is not False or task.get("check_mode") is not False:
                    said.append(f"{name}: {module} must only read: changed_when: false and check_mode: false")
            elif module in ACTING and "approved" not in (task[module] or {}):
                said.append(f"{name}: {module} without approved")
            elif module in MEASURING and "check_mode" in task:
                said.append(f"{name}: {module} must follow check mode")
            elif module not in ACTING | HARMLESS | MEASURING:
                said.append(f"{name}: {module} changes things outside the contract; wrap it in oncall.incident.act")
    return said


MITIGATING = [role for role in sorted(ROLES.iterdir()) if (role / "tasks" / "mitigate.yml").is_file()]
#: Roles without such an entry point that mitigate entry points of other roles include.
INCLUDED = [ROLES / "reach"]


def test_mitigate_entry_points_act_by_contract() -> None:
    said = {
        str(path.relative_to(ROOT)): found
        for role in MITIGATING + INCLUDED for path in task_files(role) if (found := problems(yaml.safe_load(path.read_text()) or []))
    }
    assert said == {}


def test_no_role_has_handlers() -> None:
    assert list(ROLES.glob("*/handlers")) == []


#: Entry points that act and take no lease: a part of others, which call them inside their own. Their `act` has a lease of its own.
PARTS = {"release/switch", "service/reload", "service/restart", "service/scale", "service/start", "service/stop"}


@functools.lru_cache(maxsize=1)
def entry_points() -> list[Path]:
    """All that act, by what they and their files call. Each can make several changes, at least with the tasks that it includes."""
    stated = [
        path.parents[1] / "tasks" / f"{name}.yml" for path in sorted(ROLES.glob("*/meta/argument_specs.yml"))
        for name in yaml.safe_load(path.read_text())["argument_specs"] if name != "main"
    ]
    return [entry for entry in stated if named(entry) not in PARTS and acts(entry)]


def test_every_entry_point_that_acts_is_found() -> None:
    found = {named(entry) for entry in entry_points()}
    assert found == {
        *(named(path) for path in ROLES.glob("*/tasks/mitigate*.yml")), "fail2ban/undo", "maintenance/undo", "redis/undo", "release/undo",
        "service/help", "service/undo",
    }
    assert all(acts(ROLES / f"{part.replace('/', '/tasks/')}.yml") for part in PARTS)


def test_an_entry_point_that_acts_asks_first() -> None:
    before = []
    for entry in entry_points():
        unasked = entry.read_text().partition("tasks_from: permit")
        assert unasked[1], f"{entry} never asks"
        before += [f"{entry}: {module}" for module in (*ACTING, "optional/", "runtime/", "restart.yml") if module in unasked[0]]
    assert before == []


@pytest.mark.parametrize("entry", entry_points(), ids=named)
def test_no_other_run_comes_between_two_tasks_of_an_entry_point(entry: Path) -> None:
    found = yaml.safe_load(entry.read_text())
    leases = [task for task in tasks(found) if "oncall.incident.lease" in task]
    taken, given = (
        [task for task in leases if (task["oncall.incident.lease"].get("state", "present") == state)] for state in ("present", "absent")
    )
    assert len(taken) == len(given) == 1, "it is taken once and given back once"
    assert taken[0]["register"] == "__incident_lease" and "approved" in taken[0]["oncall.incident.lease"]
    assert taken[0].get("delegate_to") == given[0].get("delegate_to"), "it is given back where it was taken"
    (block,) = (one for one in found if taken[0] in one.get("block", []))
    assert "__incident_permit" in block["environment"]["ONCALL_INCIDENT_LEASE"], "its modules know whose they are"
    changing = (*ACTING, "optional/", "runtime/", "restart.yml", "rungs.yml")
    before = block["block"][:block["block"].index(taken[0])]
    assert not [name for name in changing if name in yaml.safe_dump(before)], "it is taken before anything is changed"
    kept = [task["vars"]["incident_keep_failure"] for task in block["rescue"] if "incident_keep_failure" in task.get("vars", {})]
    assert kept and all("ansible_failed_result.error" in one["error"] for one in kept), "every approved id is answered as locked"
    always = found[-1].get("always", found[-1:])
    assert given[0] in always, "it is given back at the end, also when a task failed"
    assert found[-1] is given[0] or not [name for name in changing if name in yaml.safe_dump(always)]


@pytest.mark.parametrize("entry", entry_points(), ids=named)
def test_it_asks_first_whatever_there_is_to_do(entry: Path) -> None:
    """Who has not asked what is approved cannot answer it: what was asked for may be gone since the approval."""
    first = yaml.safe_load(entry.read_text())[0]
    assert first["ansible.builtin.import_role"]["tasks_from"] == "permit" and set(first) == {"name", "ansible.builtin.import_role"}


@pytest.mark.parametrize(("task", "said"), [
    ({"name": "A", "ansible.builtin.systemd_service": {"name": "x", "state": "restarted"}}, "wrap it in oncall.incident.act"),
    ({"name": "A", "ansible.builtin.command": {"argv": ["kill"]}}, "must only read"),
    ({"name": "A", "ansible.builtin.command": {"argv": ["x"]}, "changed_when": False}, "must only read"),
    ({"name": "A", "ansible.builtin.shell": "x", "changed_when": False, "check_mode": False}, "wrap it"),
    ({"name": "A", "oncall.incident.act": {"verb": "x"}}, "without approved"),
    ({"name": "A", "ansible.builtin.debug": {}, "notify": "Restart"}, "handlers"),
    ({"block": [{"name": "A", "rescue": [], "ansible.builtin.file": {}}]}, "wrap it"),
    ({"block": [], "always": [{"name": "A", "ansible.builtin.file": {}}]}, "wrap it"),
    ({"name": "A", "service": {"name": "x"}}, "wrap it"),
    ({"name": "A", "ansible.builtin.uri": {"method": "POST"}, "changed_when": False, "check_mode": False}, "GET or HEAD"),
    ({"name": "A", "ansible.builtin.uri": {"url": "x"}, "changed_when": False}, "must only read"),
])
def test_the_test_finds_them(task: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems([task]))
