# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run to start, stop, restart, reload or scale a service, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import Call, call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

UP = [
    "docker", "compose", "--project-directory", "/opt/shop", "up", "--detach", "--no-deps", "--no-recreate", "--no-build", "--pull",
    "never",
]


def compose(verb: str, *instances: dict[str, Any], count: int | None = None, where: dict[str, Any] | None = None, **more: Any) -> Call:
    """The call for a service `web` of a project."""
    service = Service(name="web", runtime="compose", identity="web", where={"directory": "/opt/shop", **(where or {})}, **more)
    return call_of(service, verb, instances=instances, count=count)


def systemd(verb: str, state: str = "active", *, identity: str = "shop", **more: Any) -> Call:
    """The call for a unit."""
    return call_of(Service(name="shop", identity=identity, **more), verb, instances=[{"id": identity, "state": state}])


def one(identity: str, state: str = "running", **more: Any) -> dict[str, Any]:
    """A container."""
    return {"id": identity, "state": state, **more}


def test_containers_that_are_there_are_touched_by_their_ids_alone() -> None:
    both = (one("a"), one("b", "exited"))
    assert compose("restart", *both).args == {"argv": ["docker", "restart", "a", "b"]}
    assert compose("start", *both).args == {"argv": ["docker", "start", "b"]}
    assert compose("stop", *both, where={"container_command": "podman --log-level error"}).args == {
        "argv": ["podman", "--log-level", "error", "stop", "a"],
    }
    assert compose("start", one("a", "created")).args == {"argv": ["docker", "start", "a"]}


def test_what_is_not_there_is_made_without_anything_beside_it() -> None:
    assert compose("start").args == {"argv": [*UP, "web"]}
    assert compose("start", desired=3).args == {"argv": [*UP, "--scale", "web=3", "web"]}
    first = compose("start", where={"command": ["docker-compose"]}).args["argv"]
    assert "--pull" not in first, "version 1 does not know it"


def test_scaling() -> None:
    assert compose("scale", one("a"), count=3).args == {"argv": [*UP, "--scale", "web=3", "web"]}
    assert compose("scale", one("a", published=["8080"]), one("b", "created", published=["8080"]), count=1).forbidden == ()


@pytest.mark.parametrize(("call", "why"), [
    (compose("scale", one("a", published=["8080"]), count=2), "the fixed port 8080"), (compose("scale", one("a"), count=0), "at least 1"),
    (compose("scale", one("a")), "at least 1"), (compose("scale", count=2), "start it first"),
    (compose("restart"), "no container to restart"), (compose("stop", one("a", "exited")), "no container to stop"),
    (compose("start", one("a")), "runs already"), (compose("start", one("a", "exited"), one_shot=True), "a job with an end"),
    (compose("restart", one("a", "exited"), one_shot=True), "a job with an end"), (compose("reload", one("a")), "where.reload"),
    (compose("reload", one("a", "exited"), where={"reload": ["nginx", "-s", "reload"]}), "nothing to reload"),
    (compose("rollback", one("a")), "no earlier release"), (systemd("rollback"), "no earlier release"), (systemd("scale"), "one instance"),
    (systemd("reload", "inactive"), "nothing to reload"), (systemd("restart", one_shot=True), "a job with an end"),
    (systemd("restart", identity="docker"), "every container"), (systemd("stop", identity="containerd.service"), "every container"),
])
def test_what_is_refused(call: Call, why: str) -> None:
    (said,) = call.forbidden
    assert why in said


def test_units() -> None:
    assert systemd("restart").as_dict() == {
        "module": "ansible.builtin.systemd_service", "args": {"name": "shop", "scope": "system", "state": "restarted"}, "forbidden": [],
        "kind": "command", "notes": [],
    }
    assert systemd("start", where={"scope": "user"}).args == {"name": "shop", "scope": "user", "state": "started"}
    assert systemd("reload").args == {"argv": ["systemctl", "--system", "reload", "--", "shop"]}
    assert systemd("reload", where={"reload": "nginx -s reload"}).args == {"argv": ["nginx", "-s", "reload"]}
    assert systemd("restart", identity="docker", where={"daemon": True}).forbidden == ()
    assert systemd("start", identity="docker").forbidden == ()


def test_reload_in_containers() -> None:
    found = compose("reload", one("a"), where={"reload": ["nginx", "-s", "reload"], "files": "a.yml,b.yml"})
    assert (found.module, found.args["argv"], found.args["compose_files"]) == (
        "oncall.incident.service_exec", ["nginx", "-s", "reload"], ["a.yml", "b.yml"],
    )


def test_there_is_no_such_verb_or_runtime() -> None:
    with pytest.raises(BadInput, match="restrat"):
        compose("restrat")
    with pytest.raises(BadInput, match="nomad"):
        call_of(Service(name="x", runtime="nomad"), "restart", instances=[])
