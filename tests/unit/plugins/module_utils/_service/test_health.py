# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How services are looked at: when, in how many commands, and what is made of who does not answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import Judged
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran
from ansible_collections.oncall.incident.plugins.module_utils._service import memory
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import Instance
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.seen import Terms
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.health import Watcher
from ansible_collections.oncall.incident.plugins.module_utils._service.instances import DaemonDown, NoSuchService
from ansible_collections.oncall.incident.plugins.module_utils._service.runtime import Runtime, look_side_by_side, runtime_of

from tests.support.run_module import run_module

CHECKS = ("daemon", "present", "running", "restarts", "age")
#: What systemd 252 printed of real units, in a container that it had booted; with what differs from look to look.
UNIT = """Type=simple
Restart=always
MainPID={pid}
Result={result}
NRestarts={restarts}
ExecMainStartTimestampMonotonic={started}
ExecMainExitTimestampMonotonic=0
ExecMainStatus={status}
Id={name}.service
ConsistsOf=
LoadState={loaded}
ActiveState={state}
SubState={sub}
StateChangeTimestampMonotonic={started}
ActiveEnterTimestampMonotonic={started}
InvocationID={invocation}
"""


def unit(name: str, **more: Any) -> str:
    """A unit of this name."""
    return UNIT.format(**{
        "name": name, "restarts": 0, "loaded": "loaded", "state": "active", "sub": "running", "invocation": "5f", "result": "success",
        "status": 0, "started": 1000000, "pid": 0, **more,
    })


class Systemctl:
    """Answers of systemctl, each look the next; it keeps the commands."""

    def __init__(self, *looks: dict[str, str]) -> None:
        self.looks, self.asked = list(looks), [[""]]
        self.asked.clear()

    def __call__(self, argv: Sequence[str]) -> Ran:
        self.asked.append(list(argv))
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        names = argv[argv.index("--") + 1:]
        missing = [name for name in names if name not in look]
        if missing:
            return Ran(problem=f"Failed to get properties: Unit name {missing[0]} is neither a valid invocation ID nor unit name.")
        return Ran(out="\n".join(look[name] for name in names))


class Clock:
    """One that stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.at = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def watcher(run: Any, *names: str, clock: Clock, window: float = 10.0) -> Watcher:
    """One of units."""
    services = [Service(name=name, identity=name) for name in names]
    return Watcher(services, terms=Terms(window=window), asked=CHECKS, run=run, clock=clock, sleep=clock.sleep)


def checks(judged: Judged, subject: str) -> dict[str, str]:
    """The statuses of a service."""
    return {one.check: one.status for one in judged.verdict.findings if one.subject == subject}


def test_units_are_looked_at_together_and_twice() -> None:
    looks = {"a": unit("a"), "b": unit("b")}, {"a": unit("a"), "b": unit("b", restarts=3, invocation="6a")}
    run, clock = Systemctl(*looks), Clock()
    found = watcher(run, "a", "b", clock=clock).look()
    assert clock.slept == [10.0] and len(run.asked) == 2
    assert run.asked[0][-3:] == ["--", "a", "b"]
    assert (checks(found, "a")["restarts"], checks(found, "b")["restarts"]) == ("ok", "critical")


def test_a_loop_of_restart_always_is_active_between_its_crashes() -> None:
    """Recorded of Restart=always with RestartSec=100ms and `sh -c 'sleep 1; exit 3'`: active at both looks, with Result=success."""
    first = unit("loop", pid=191, restarts=42, invocation="4f7a24240920445b82096b3aba5e07f6", started=3_660_072_498)
    last = unit("loop", pid=220, restarts=51, invocation="28ac052b5ed446c0a8ab787a6414f886", started=3_671_320_239)
    clock = Clock()
    found = watcher(Systemctl({"loop": first}, {"loop": last}), "loop", clock=clock).look()
    assert checks(found, "loop")["restarts"] == "critical"
    between = unit("loop", restarts=79, state="activating", sub="auto-restart", result="exit-code", status=3)
    found = watcher(Systemctl({"loop": between}), "loop", clock=Clock()).look()
    assert checks(found, "loop") == {**checks(found, "loop"), "restarts": "critical", "running": "critical"}
    hint = next(one.hint for one in found.verdict.findings if one.check == "restarts")
    assert "result exit-code; waits for its next start" in hint


def test_a_unit_that_was_ended_for_lack_of_memory() -> None:
    found = watcher(Systemctl({"a": unit("a", state="failed", sub="failed", result="oom-kill", status=9)}), "a", clock=Clock()).look()
    assert checks(found, "a")["oom"] == "critical"


def test_later_looks_are_compared_with_an_older_one_and_do_not_wait() -> None:
    run, clock = Systemctl({"a": unit("a")}), Clock()
    watching = watcher(run, "a", clock=clock)
    watching.look()
    for _number in range(30):
        clock.at += 1.0
        assert checks(watching.look(), "a")["restarts"] == "ok"
    assert clock.slept == [10.0]
    run.looks = [{"a": unit("a", restarts=1, invocation="6a", started=1000000)}]
    assert checks(watching.look(), "a")["restarts"] == "warning"
    for _number in range(11):
        clock.at += 1.0
        last = watching.look()
    assert checks(last, "a")["restarts"] == "ok", "it has been the same for a window"


def test_without_a_window_it_looks_once() -> None:
    run, clock = Systemctl({"a": unit("a")}), Clock()
    found = watcher(run, "a", clock=clock, window=0.0).look()
    assert (len(run.asked), clock.slept, found.verdict.statuses()["restarts"]) == (1, [], "unknown")


def test_nothing_is_waited_for_where_nobody_answers() -> None:
    clock = Clock()
    found = watcher(lambda _argv: Ran(problem="Failed to connect to bus"), "a", clock=clock).look()
    assert clock.slept == [] and found.verdict.healthy is None
    assert found.verdict.statuses()["daemon"] == "unknown"


def test_a_name_that_is_none_is_that_services_trouble_alone() -> None:
    looks = {"a": unit("a"), "b": unit("b", loaded="not-found", state="inactive")}
    found = watcher(Systemctl(looks), "a", "b", "c;d", clock=Clock()).look()
    assert checks(found, "a")["running"] == "ok"
    assert checks(found, "b")["running"] == checks(found, "c;d")["running"] == "unknown"
    assert found.verdict.statuses()["daemon"] == "ok", "systemd has answered"


def described(name: str, *, service: str = "web", project: str = "shop", directory: str = "/opt/shop") -> str:
    """What the engine says of a container."""
    state = {"Status": "running", "StartedAt": "2026-11-29T10:00:00Z", "Pid": 12, "OOMKilled": False}
    return json.dumps([name, f"/{name}", 0, state, "sha256:ab", "web:1", "no", "none", {}, "False", service, project, directory, "", None])


class Docker:
    """An engine with containers; it keeps the commands."""

    def __init__(self, *containers: str, services: str = "web db") -> None:
        self.containers, self.services = containers, services
        self.asked: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str]) -> Ran:
        self.asked.append(argv)
        if "config" in argv:
            return Ran(out=self.services)
        return Ran(out="id\n" * bool(self.containers) if "ps" in argv else "\n".join(self.containers))


def compose(name: str = "web", **where: Any) -> Service:
    """A service of a project."""
    return Service(name=name, runtime="compose", identity=name, where=where)


def look(run: Any, service: Service) -> list[str]:
    """The names of its containers."""
    return [one.name for one in runtime_of("compose").look(service, run=run)]


def test_containers_are_found_by_service_and_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    run = Docker(described("a"), described("b", project="other", directory=str(tmp_path)), described("c", service="db"))
    assert look(run, compose(directory="/opt/shop")) == ["a"]
    assert look(run, compose(directory=str(tmp_path / "link"))) == ["b"]
    assert look(run, compose(files=[str(tmp_path / "compose.yml")])) == ["b"]
    assert look(run, compose(project="shop")) == ["a"]
    with pytest.raises(NoSuchService, match="the projects other, shop each have a service web"):
        look(run, compose())
    assert look(run, compose("db")) == ["c"]


def test_a_service_without_containers_is_one_that_the_project_has(tmp_path: Path) -> None:
    assert look(Docker(), compose(directory=str(tmp_path))) == []
    with pytest.raises(NoSuchService, match="has no service web"):
        look(Docker(services="db"), compose(directory=str(tmp_path)))
    with pytest.raises(NoSuchService, match="there is no directory"):
        look(Docker(), compose(directory=str(tmp_path / "gone")))


def test_all_services_of_an_engine_are_two_commands() -> None:
    services = [compose(f"s{number}", directory="/opt/shop") for number in range(50)]
    run = Docker(*(described(f"c{number}", service=f"s{number}") for number in range(50)))
    found = look_side_by_side(services, run=run)
    assert len(run.asked) == 2
    assert all(isinstance(one, list) and len(one) == 1 for one in found.values())


@pytest.mark.parametrize(("said", "kind"), [
    ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", DaemonDown),
    ("permission denied while trying to connect to the Docker daemon socket", Blind),
])
def test_an_engine_that_does_not_answer(said: str, kind: type[Blind]) -> None:
    found = look_side_by_side([compose(), compose("db")], run=lambda _argv: Ran(problem=said))
    assert {type(one) for one in found.values()} == {kind}


def test_a_container_that_goes_meanwhile_is_looked_for_again() -> None:
    answers = [Ran(out="a\nb"), Ran(problem="Error: No such object: b"), Ran(out="a"), Ran(out=described("a"))]
    assert look(lambda _argv: answers.pop(0), compose()) == ["a"]


@pytest.mark.parametrize("name", ["kubernetes", "pm2", "command"])
def test_every_runtime_of_the_list_is_asked_or_refused_as_unknown(name: str) -> None:
    try:
        runtime: Runtime = runtime_of(name)
    except Blind:
        return
    assert callable(runtime.look)


@pytest.mark.parametrize(("line", "file", "text", "kills"), [
    ("0::/system.slice/docker-c0ffee.scope", "system.slice/docker-c0ffee.scope/memory.events", "oom 3\noom_kill 2\noom_group_kill 0\n", 2),
    ("4:memory:/docker/c0ffee", "memory/docker/c0ffee/memory.oom_control", "under_oom 0\noom_kill 1\n", 1),
    ("4:memory:/docker/c0ffee", "memory/docker/c0ffee/memory.oom_control", "under_oom 0\n", None),
    # The engine is elsewhere, and this pid is somebody else's.
    ("0::/system.slice/shop.service", "system.slice/shop.service/memory.events", "oom_kill 2\n", None),
    ("0::/docker/c0ffee", "elsewhere", "oom_kill 2\n", None),
])
def test_memory_counters_of_the_control_group(tmp_path: Path, line: str, file: str, text: str, kills: int | None) -> None:
    (tmp_path / "proc/12").mkdir(parents=True)
    (tmp_path / "proc/12/cgroup").write_text(f"3:cpu:/docker/c0ffee\n{line}\n")
    counters = tmp_path / "cg" / file
    counters.parent.mkdir(parents=True)
    counters.write_text(text)
    instance = Instance(id="c0ffee", name="a", start="", state="running", up=True, main_pid=12)
    (found,) = memory.with_kills([instance], proc=str(tmp_path / "proc"), groups=str(tmp_path / "cg"))
    assert found.oom_kills == kills


@pytest.mark.parametrize(("args", "says"), [
    ({"services": []}, "services is empty"), ({"services": [{"name": "a", "desired": -1}]}, "desired is not a whole number"),
    ({"services": [{"name": "a"}], "since": "yesterday"}, "since: 'yesterday' is not a time"),
    ({"services": [{"name": "a"}], "window": "10 apples"}, "window"),
    ({"services": [{"name": "a"}], "asked": ["runing"]}, "no check 'runing'"),
    ({"services": [{"name": "a"}], "restarts_warning": "4"}, "restarts_warning is beyond"),
])
def test_input_that_is_refused_before_anything_is_looked_at(args: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ansible")
    def never(*_args: Any, **_more: Any) -> Ran:
        raise AssertionError("something was looked at")

    monkeypatch.setattr("ansible_collections.oncall.incident.plugins.modules.service_health.run", never)
    said = run_module("service_health", **args)
    assert (said["failed"], said["error"]) == (True, "bad_input") and says in said["msg"]
