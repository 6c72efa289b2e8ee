# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rungs run in one loop, the frame's, and what is asked between them is exactly what verify asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import rungs

from tests.support.entry_points import LOOP, ROLES, named, remedies

#: What tells one server from another.
WHERE = ("via", "login_host", "login_port", "login_unix_socket", "container_name", "ssh_destination", "kubernetes_target")
#: Options by which a look is as long as the loop says, and fails nothing.
ASKED_SO = ("wait_for", "retry", "fail_on")
#: Role by role the ladder that its variables state.
LADDERS: dict[str, dict[str, Any]] = {
    path.parents[1].name: variables[f"__{path.parents[1].name}_ladder"] for path in sorted(ROLES.glob("*/vars/main.yml"))
    if f"__{path.parents[1].name}_ladder" in (variables := yaml.safe_load(path.read_text()))
}


def tasks(path: Path) -> Iterator[dict[str, Any]]:
    """All tasks of a file, blocks opened."""
    def opened(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in found:
            inner = [one for part in ("block", "rescue", "always") for one in task.get(part) or []]
            yield from opened(inner) if inner else [task]
    yield from opened(yaml.safe_load(path.read_text()))


def defaults(role: str) -> set[str]:
    """The variables that a role has defaults for."""
    return set(yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text()))


def waits(path: Path) -> list[dict[str, Any]]:
    """What the tasks of a file wait for."""
    return [arguments["wait_for"] for task in tasks(path) for arguments in task.values()
            if isinstance(arguments, dict) and "wait_for" in arguments]


#: Entry points of which more than one task changes something, outside a ladder and for a reason: none is in case of another's failure.
ALL_OF_THEM = {
    "certificate/mitigate": "what is renewed serves nobody before it is loaded",
    "fail2ban/mitigate_attack": "a ban keeps out whom it names, and the daemon is touched only where it is to ban by itself again",
    "maintenance/mitigate": "it is either put on or taken off, as the caller says, and the silence is beside it",
    "postgres/mitigate": "who names objects to maintain wants them maintained, whatever blocks the server",
    "service/help": "a raised pool needs the restart that makes the application use it",
}


def test_who_has_remedies_in_an_order_has_rungs() -> None:
    mitigating = [*sorted(ROLES.glob("*/tasks/mitigate*.yml")), ROLES / "service" / "tasks" / "help.yml"]
    found = {named(entry): remedies(entry) for entry in mitigating}
    assert {name: several for name, several in found.items() if len(several) > 1 and name not in ALL_OF_THEM} == {}
    assert [name for name in ALL_OF_THEM if len(found[name]) < 2] == [], "no longer needed"


def test_a_list_of_remedies_in_a_loop_is_found(tmp_path: Path) -> None:
    """As the roles `host` and `fail2ban` had them."""
    (tmp_path / "loop.yml").write_text(yaml.safe_dump([
        {"block": [
            {"name": "Steps", "ansible.builtin.include_tasks": "optional/{{ item }}.yml", "loop": ["rotate", "images"]},
            {"name": "Clean", "oncall.incident.disk_clean": {}}, {"name": "Look", "oncall.incident.disk_survey": {}},
            {"name": "Plan", "oncall.incident.disk_clean": {}, "check_mode": True},
        ], "rescue": [{"name": "Undo", "oncall.incident.act": {}}]},
    ]))
    assert remedies(tmp_path / "loop.yml", role="host") == ["Steps", "Steps", "Clean"]


def test_who_has_rungs() -> None:
    assert set(LADDERS) >= {"postgres", "redis"}
    importing = {
        path.parents[1].name: task["vars"] for path in ROLES.glob("*/tasks/mitigate*.yml") for task in tasks(path)
        if task.get("ansible.builtin.import_tasks") == LOOP
    }
    assert importing == {role: {"incident_ladder": f"{{{{ __{role}_ladder }}}}"} for role in LADDERS}


def test_there_is_one_loop() -> None:
    deciding = {str(path.relative_to(ROLES)) for path in ROLES.glob("*/*/**/*.yml") if "oncall.incident.rung" in path.read_text()}
    assert deciding == {"incident/tasks/rungs.yml", "incident/tasks/next_rung.yml"}
    assert rungs.ASKING == LOOP.replace("rungs.yml", "next_rung.yml") and (ROLES / "redis" / "tasks" / rungs.ASKING).is_file()
    modules = {key for name in deciding for task in tasks(ROLES / name) for key in task if "." in key}
    assert modules == {"ansible.builtin.include_tasks", "ansible.builtin.set_fact", "ansible.builtin.debug"}, "it changes nothing itself"


def asking(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The tasks of a file that ask something, each with its module."""
    return [(module, task) for task in tasks(path) for module in task if module.startswith("oncall.incident.")]


@pytest.mark.parametrize("role", LADDERS)
def test_between_rungs_is_asked_what_verify_asks(role: str) -> None:
    """By the same modules, in the same order: what one of them would see is not left out."""
    ladder, directory = LADDERS[role], ROLES / role / "tasks"
    looks, verifying = asking(directory / ladder["look"]), asking(directory / "verify.yml")
    assert [module for module, _task in looks] == [module for module, _task in verifying]
    verified, asked = waits(directory / "verify.yml"), waits(directory / ladder["look"])
    assert len(verified) == len(asked)
    stated = verified[0].get("checks") if isinstance(verified[0], dict) else f"__{role}_verify"  # else all that the module asks
    assert str(stated).strip("{} ").partition(".")[0] in ladder["checks"]
    assert asked[0]["timeout"] == "{{ incident_rung.wait }}"
    assert {one["hold"] for one in asked} == {"0s"}
    times = [*(one["timeout"] for one in asked[1:]), *(look[name]["retry"] for name, look in looks if "retry" in look[name])]
    rest = "{{ incident_rung.wait | oncall.incident.redis_time_left("
    assert [time for time in times if not time.startswith(rest) and time != "0s"] == [], "one time for all"
    assert len(ladder["seen"]) == len(looks)
    for (module, look), (_module, verify) in zip(looks, verifying, strict=True):
        assert any(look["register"] in seen for seen in ladder["seen"])
        assert look["failed_when"] is False, "a look that fails is answered by the loop"
        # The log asks nothing: it tells people why a server is down.
        other = ("checks", "baseline", "server_log", *ASKED_SO)
        same = {name: value for name, value in verify[module].items() if name not in other}
        assert {name: value for name, value in look[module].items() if name not in ASKED_SO} == same


@pytest.mark.parametrize("role", LADDERS)
def test_a_ladder_says_everything_and_its_files_are_there(role: str) -> None:
    ladder = LADDERS[role]
    assert set(ladder) - {"down"} == {"of", "look", "seen", "checks", "wait", "results", "rungs"}
    assert ladder["wait"] == "{{ incident_rung_wait | default('20s') }}"
    assert ladder["of"] == f"{{{{ __{role}_subject }}}}" or ladder["of"].startswith(f"{{{{ ['{role}', ")
    where = {f"{role}_{name}" for name in WHERE if f"{role}_via" in defaults(role)}
    assert {name for name in where if name not in ladder["of"]} == set(), "two servers of one host have a list each"
    files = [path for rung in ladder["rungs"] for path in rung.get("files", {})]
    restarting = any("oncall.incident.service" in (ROLES / role / "tasks" / path).read_text() for path in files)
    assert ("__service_done | default({})" in ladder["results"]) is restarting, "what the role service did for a rung"
    names = [rung["name"] for rung in ladder["rungs"]]
    assert len(names) == len(set(names)) > 1
    assert [rung["name"] for rung in ladder["rungs"] if rung.get("here")] in ([], names[:1])
    missing = [path for rung in ladder["rungs"] for path in rung.get("files", {}) if not (ROLES / role / "tasks" / path).is_file()]
    assert missing == []


@pytest.mark.parametrize("role", LADDERS)
def test_what_was_done_to_another_server_of_the_host_is_left_out(role: str) -> None:
    """A registered result stays with the host. All that the list counts as done is cleared before anything is."""
    variables = yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())
    counted = set(re.findall(r"__[a-z0-9_]+(?= \| default\(\{\}\))", variables[f"__{role}_results"] + LADDERS[role]["results"]))
    found = list(tasks(ROLES / role / "tasks" / "mitigate.yml"))
    (place,) = [number for number, task in enumerate(found) if "ansible.builtin.set_fact" in task]
    assert found[place]["ansible.builtin.set_fact"] == {name: {} for name in counted}
    assert not any("register" in task or "ansible.builtin.import_tasks" in task for task in found[:place])
