# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runtimes say of a service is understood, or it is said that nobody could look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran
from ansible_collections.oncall.incident.plugins.module_utils._service import instances, looking
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import Instance, described, is_only

UNIT = """Type=notify
MainPID=812
NRestarts=0
ExecStart={ path=/usr/bin/redis-server ; argv[]=/usr/bin/redis-server /etc/redis/redis.conf --requirepass canary ; ignore_errors=no }
Id=redis-server.service
ConsistsOf=
LoadState=loaded
ActiveState=active
SubState=running
InvocationID=5f0e3d
"""
UMBRELLA = """Type=oneshot
MainPID=0
Id=postgresql.service
ConsistsOf=postgresql@15-main.service postgresql@13-old.service
LoadState=loaded
ActiveState=active
SubState=exited
InvocationID=77
"""


def container(
    *, health: Any = None, status: str = "running", restarts: Any = 0, started: str = "2026-11-29T10:00:00Z", one_off: str = "False",
) -> str:
    """A line of docker inspect."""
    state = {"Status": status, "StartedAt": started, "Pid": 12, **({"Health": {"Status": health}} if health is not None else {})}
    return json.dumps([
        "c0ffee", "/shop-web-1", restarts, state, "sha256:ab", "shop/web:3", "always", "shop_default", {"80/tcp": [{"HostPort": "8080"}]},
        one_off, "web", "shop", "/opt/shop", "3.1", [5 * 10**9, 0, 10**9],
    ])


def test_a_unit() -> None:
    unit = instances.from_systemd(UNIT)
    assert (unit.id, unit.up, unit.main_pid, unit.restarts, unit.type) == ("redis-server.service", True, 812, 0, "notify")
    assert unit.paths == ("/usr/bin/redis-server", "/etc/redis/redis.conf")
    assert "canary" not in str(unit.as_dict())


@pytest.mark.parametrize(("environment", "paths"), [
    ("LANG=C PGDATA=/var/lib/pgsql/data PGPASSWORD=canary", ("/var/lib/pgsql/data",)),
    ('"PGDATA=/srv/my data" X=canary', ("/srv/my data",)),
    ("PGDATA=/a PGDATA=/b", ("/b",)), ("OLD_PGDATA=/a", ()), ("PGDATA=data", ()), ("", ()), ('"canary', ()),
])
def test_the_data_directory_of_a_unit_and_nothing_else_of_its_environment(environment: str, paths: tuple[str, ...]) -> None:
    unit = instances.from_systemd(f"{UMBRELLA}Environment={environment}\n")
    assert unit.paths == paths
    assert "canary" not in str(unit.as_dict())
    with pytest.raises(Blind) as caught:
        instances.from_systemd(f"Environment={environment}\nExecStart=canary\n")
    assert "canary" not in str(caught.value.as_result())


def test_an_umbrella() -> None:
    unit = instances.from_systemd(UMBRELLA)
    assert (unit.up, unit.main_pid, unit.restarts) == (True, 0, None)
    assert unit.members == ("postgresql@13-old.service", "postgresql@15-main.service")


@pytest.mark.parametrize(("change", "same"), [
    (("MainPID=812", "MainPID=813"), False), (("NRestarts=0", "NRestarts=1"), False), (("5f0e3d", "5f0e3e"), False),
    (("SubState=running", "SubState=x"), True),
])
def test_the_identity_of_a_unit(change: tuple[str, str], same: bool) -> None:
    now = instances.from_systemd(UNIT.replace(*change))
    assert (now.identity == instances.from_systemd(UNIT).identity) is same


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", "deactivating"])
def test_a_unit_that_is_not_up(state: str) -> None:
    assert not instances.from_systemd(UNIT.replace("ActiveState=active", f"ActiveState={state}")).up


@pytest.mark.parametrize("text", ["", "rubbish", UNIT.replace("LoadState=loaded", "LoadState=not-found"), UNIT.replace("812", "x")])
def test_no_unit(text: str) -> None:
    with pytest.raises(Blind):
        instances.from_systemd(text)


@pytest.mark.parametrize(("given", "up", "health"), [
    ({}, True, ""), ({"health": ""}, True, ""), ({"health": "none"}, True, ""), ({"health": "healthy"}, True, "healthy"),
    ({"health": "starting"}, False, "starting"), ({"health": "unhealthy"}, False, "unhealthy"), ({"status": "restarting"}, False, ""),
    ({"status": "exited"}, False, ""), ({"status": "paused"}, False, ""), ({"restarts": None}, True, ""),
])
def test_containers(given: dict[str, Any], up: bool, health: str) -> None:
    (found,) = instances.from_containers(container(**given) + "\n")
    assert (found.up, found.health, found.name, found.main_pid) == (up, health, "shop-web-1", 12)


@pytest.mark.parametrize("given", [{"restarts": 1}, {"started": "2026-11-29T10:00:04Z"}])
def test_the_identity_of_a_container(given: dict[str, Any]) -> None:
    (one,), (two,) = instances.from_containers(container()), instances.from_containers(container(**given))
    assert one.identity != two.identity


@pytest.mark.parametrize("text", ["{", "[]", '["a", "b", 0]', '["a", "b", 0, {}, ""]', '["a", "b", 0, null, ""]', "3", "<no value>"])
def test_text_of_no_container(text: str) -> None:
    with pytest.raises(Blind):
        instances.from_containers(text)


def test_a_service_is_up_when_all_of_it_is() -> None:
    two = instances.from_containers(container() + "\n" + container(status="exited"))
    assert described(two)["up"] is False
    assert described(two[:1])["up"] is True
    one_off = instances.from_containers(container() + "\n" + container(status="exited", one_off="True"))
    assert (len(one_off), described(one_off)["up"]) == (1, True)
    assert described([]) == {"instances": [], "up": False, "starts": [], "identity": []}


def test_who_cannot_look_says_what() -> None:
    with pytest.raises(Blind, match=r"docker compose ps: permission denied"):
        looking.containers("web", compose=looking.Compose(), run=lambda argv: Ran(problem="permission denied"))


def test_how_it_is_asked() -> None:
    asked: list[list[str]] = []

    def run(argv: Any) -> Ran:
        asked.append(list(argv))
        return Ran(out="c0ffee\n" if "ps" in argv else container())

    compose = looking.Compose(directory="/opt/shop", files=["/opt/shop/a.yml"], container_command=["podman"])
    (found,) = looking.containers("web", compose=compose, run=run)
    assert found.up
    assert asked[0] == ["docker", "compose", "--project-directory", "/opt/shop", "--file=/opt/shop/a.yml", "ps", "--all", "--quiet", "web"]
    assert asked[1] == ["podman", "inspect", "--type", "container", "--format", instances.CONTAINER_FORMAT, "c0ffee"]
    assert "Env" not in instances.CONTAINER_FORMAT
    assert looking.containers("web", compose=compose, run=lambda _argv: Ran()) == []
    assert looking.container_id("web-1", compose=compose, run=lambda argv: Ran(out=f"{argv[-2]}{argv[-1]}\n")) == "{{.ID}}web-1"


@pytest.mark.parametrize(("found", "only"), [(["a"], True), (["b"], False), (["a", "b"], False), ([], False)])
def test_the_only_container(found: list[str], only: bool) -> None:
    made = [Instance(id=one, name=one, start="", state="running", up=True, main_pid=1) for one in found]
    assert is_only("a", made) is only


def test_workers_are_known_by_pid_and_start_time(tmp_path: Path) -> None:
    def process(pid: int, children: str, since: int) -> None:
        place = tmp_path / str(pid) / "task" / str(pid)
        place.mkdir(parents=True)
        (place / "children").write_text(children)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S {' '.join('0' for _ in range(18))} {since} 0 0\n")

    process(7, "8 9 10 ", 100)
    process(8, "11 ", 200)
    process(9, "", 300)
    process(11, "", 400)
    unit = Instance(id="x", name="x", start="", state="active", up=True, main_pid=7)
    idle = Instance(id="y", name="y", start="", state="inactive", up=False, main_pid=0)
    found = looking.with_workers([unit, idle], proc=str(tmp_path))
    assert [one.workers for one in found] == [("8.200", "11.400", "9.300"), ()]
    assert found[0].identity == unit.identity


def test_a_command_runs_in_each_container_until_it_fails() -> None:
    asked: list[list[str]] = []

    def run(argv: Any) -> Ran:
        asked.append(list(argv))
        if "ps" in argv:
            return Ran(out="a b c\n")
        if "inspect" in argv:
            return Ran(out="\n".join(container().replace("c0ffee", one) for one in "abc"))
        return Ran(problem="no such file" if broken and argv[2] == "b" else "")

    compose, broken = looking.Compose(container_command=["podman"]), False
    assert looking.run_in_containers("web", ["nginx", "-s", "reload"], compose=compose, run=run) == ["a", "b", "c"]
    assert asked[-1] == ["podman", "exec", "c", "nginx", "-s", "reload"]
    broken = True
    with pytest.raises(looking.CommandFailed, match=r"nginx -s reload failed in container .*: no such file"):
        looking.run_in_containers("web", ["nginx", "-s", "reload"], compose=compose, run=run)
    assert asked[-1][2] == "b"
    with pytest.raises(looking.CommandFailed, match="web has no container"):
        looking.run_in_containers("web", ["true"], compose=compose, run=lambda _argv: Ran())
