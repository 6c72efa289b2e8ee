# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the renewal needed of the role service, by itself: restart in Docker Compose, reload shown by systemd's word, validate.

Docker is a stand-in too; what it restarts and reloads is a real NGINX.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.site import Ended

from .conftest import NOT_DONE, Web

COMPOSE = {"service_runtime": "compose", "service_compose_directory": "/opt/example", "service_name": "nginx"}


def play(web: Web, *doors: str, check: bool = False, **variables: Any) -> Ended:
    """Go through doors of the role service, permission first, and conclude."""
    roles = [("incident", "permit"), *(("service", door) for door in doors), ("incident", "conclude")]
    tasks = [
        {"name": f"Go through {door}", "ansible.builtin.import_role": {"name": f"oncall.incident.{role}", "tasks_from": door}}
        for role, door in roles
    ]
    playbook = web.site.place / "doors.yml"
    playbook.write_text(json.dumps([{"name": "Doors", "hosts": "web", "gather_facts": False, "tags": ["mitigate"], "tasks": tasks}]))
    web.site.group("web", web1={"service_timeout": "30s", "service_name": "nginx", **variables})
    return web.site.play(*(["--check"] if check else []), playbook=playbook, **web.environ)


def test_restarted_in_docker_compose(web: Web) -> None:
    pid = web.nginx.pid
    checked = play(web, "mitigate", check=True, service_restart="always", **COMPOSE)
    assert (checked.outcomes(), web.nginx.pid) == (["planned"], pid), checked.output
    done = play(web, "mitigate", service_restart="always", **COMPOSE)
    assert (done.status, done.outcomes()) == (0, ["done"]), done.output
    assert web.nginx.pid != pid


def test_a_restarted_container_that_does_not_become_healthy(web: Web) -> None:
    (web.nginx.place / "health").write_text("starting")
    done = play(web, "mitigate", service_restart="always", service_timeout="8s", **COMPOSE)
    assert done.status == 2
    assert len(done.outcomes()) == 1 and set(done.outcomes()) <= NOT_DONE, done.output


def test_reloaded_by_systemds_word(web: Web) -> None:
    pid = web.nginx.pid
    done = play(web, "reload", service_validate=web.nginx.validate)
    assert (done.status, done.outcomes()) == (0, ["done"]), done.output
    assert web.nginx.pid == pid
    (web.nginx.place / "broken").touch()
    done = play(web, "reload", service_timeout="4s")
    assert len(done.outcomes()) == 1 and set(done.outcomes()) <= NOT_DONE, done.output
    assert done.status == 2


def test_containers_are_reloaded_only_in_a_way_that_is_known(web: Web) -> None:
    done = play(web, "reload", **COMPOSE)
    assert done.status == 2
    assert "set service_reload_command to what reloads it inside one" in " ".join(done.output.split())
    assert done.actions() == []


def test_validated_where_it_runs(web: Web) -> None:
    assert play(web, "validate", service_validate=["nginx", "-t"], **COMPOSE).status == 0
    web.nginx.configuration.write_text(web.nginx.configuration.read_text() + "rubbish;")
    done = play(web, "validate", service_validate=["nginx", "-t"], **COMPOSE)
    assert done.status == 2
    assert "The configuration of nginx is not valid" in " ".join(done.output.split())
