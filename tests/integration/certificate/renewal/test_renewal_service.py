# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the renewal needed of the role service, by itself: restart in Docker Compose, reload shown by systemd's word, validate.

Docker is a stand-in too; what it restarts and reloads is a real NGINX. Two runs that the tests read: a check, and one in which each
host goes through an entry point of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import LONG, NOT_DONE, Fleet, Played, Web

#: The entry point of each host, and its variables.
ENTRY_POINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "restarted": ("help", {"service_restart": "always"}),
    "unhealthy": ("help", {"service_restart": "always", "service_timeout": "8s"}),
    "reloaded": ("reload", {}),
    "unloaded": ("reload", {"service_timeout": "3s"}),
    "unknown": ("reload", {}),
    "valid": ("validate", {"service_validate": ["nginx", "-t"]}),
    "invalid": ("validate", {"service_validate": ["nginx", "-t"]}),
}
#: Those without systemd.
IN_COMPOSE = {"restarted", "unhealthy", "unknown", "valid", "invalid"}
#: Several hosts, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2 * LONG)


@dataclass(frozen=True)
class Runs:
    """The runs."""

    checked: Played
    done: Played


def variables(name: str, web: Web) -> dict[str, Any]:
    """Those of a host."""
    entry_point, own = ENTRY_POINTS[name]
    systemd = {"service_name": web.nginx.unit, "service_validate": web.nginx.validate if name == "reloaded" else []}
    compose = {"service_runtime": "compose", "service_name": "nginx", "service_compose_directory": f"/opt/{name}"}
    where = compose if name in IN_COMPOSE else systemd
    return {"entry_point": entry_point, "stand_in": str(web.nginx.place), "service_timeout": "30s", **where, **own}


def go_through(role: str, entry_point: str) -> dict[str, Any]:
    """A task."""
    role_of_ours = {"name": f"oncall.incident.{role}", "tasks_from": entry_point}
    return {"name": f"Go through {entry_point}", "ansible.builtin.include_role": role_of_ours}


@pytest.fixture(scope="module")
def runs(fleet: Fleet) -> Runs:
    """Permission first, then each host's entry point, and the conclusion."""
    for name in ENTRY_POINTS:
        fleet.add(name)
    (fleet.webs["unhealthy"].nginx.place / "health").write_text("starting")
    (fleet.webs["unloaded"].nginx.place / "broken").touch()
    fleet.webs["invalid"].rubbish()
    # Included, so that nothing of another entry point is skipped on a host, and each by its name: Ansible would take every host through
    # the entry point that a template gives for the first one.
    service = [{**go_through("service", name), "when": f"entry_point == {name!r}"} for name in ("help", "reload", "validate")]
    tasks = [go_through("incident", "permit"), *service, go_through("incident", "conclude")]
    playbook = fleet.site.place / "entry_points.yml"
    environment = {"SYSTEMCTL_DOUBLE": "{{ stand_in }}"}
    playbook.write_text(json.dumps([{
        "name": "Entry points", "hosts": "web", "gather_facts": False, "tags": ["mitigate"], "environment": environment, "tasks": tasks,
    }]))
    hosts = {name: variables(name, web) for name, web in fleet.webs.items()}
    checked = fleet.play({"restarted": hosts["restarted"]}, "--check", playbook=playbook)
    return Runs(checked, fleet.play(hosts, playbook=playbook))


def test_each_host_ends_by_itself(runs: Runs) -> None:
    assert (runs.checked.ended.status, runs.done.ended.status) == (0, 2), runs.checked.ended.output
    assert runs.done.ended.failed == {"unhealthy", "unloaded", "unknown", "invalid"}, runs.done.ended.output


def test_restarted_in_docker_compose(runs: Runs) -> None:
    assert runs.checked.ended.outcomes("restarted") == ["planned"]
    assert runs.checked.after == runs.checked.before
    assert runs.done.ended.outcomes("restarted") == ["done"]
    assert runs.done.after["restarted"].pid != runs.done.before["restarted"].pid


def test_a_restarted_container_that_does_not_become_healthy(runs: Runs) -> None:
    outcomes = runs.done.ended.outcomes("unhealthy")
    assert len(outcomes) == 1 and set(outcomes) <= NOT_DONE, runs.done.ended.output


def test_reloaded_by_systemds_word(runs: Runs) -> None:
    assert runs.done.ended.outcomes("reloaded") == ["done"]
    assert runs.done.after["reloaded"].pid == runs.done.before["reloaded"].pid
    outcomes = runs.done.ended.outcomes("unloaded")
    assert len(outcomes) == 1 and set(outcomes) <= NOT_DONE, runs.done.ended.output


def test_containers_are_reloaded_only_in_a_way_that_is_known(runs: Runs) -> None:
    assert "set service_reload_command to what reloads it inside one" in runs.done.ended.said_of("unknown")
    assert runs.done.ended.actions("unknown") == []


def test_validated_where_it_runs(runs: Runs, fleet: Fleet) -> None:
    said = runs.done.ended.said_of("invalid")
    assert "The configuration of nginx is not valid" in said and "[emerg]" in said, said
    for name in ("valid", "invalid"):
        assert "exec -T nginx nginx -t" in (fleet.webs[name].nginx.place / "calls").read_text()
