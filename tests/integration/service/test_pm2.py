# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps of a real pm2: looked at, restarted, reloaded, scaled, and left alone where its daemon is not there."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.runtimes import pm2 as runtime

from demo.ports import free_port
from oncall_incident.evidence import engines
from tests.support.advice import advised
from tests.support.need import need
from tests.support.pm2 import CANARY, WEB, Pm2, crash, pm2
from tests.support.run_module import run_module, start_module
from tests.support.until import until

pytestmark = pytest.mark.timeout(600)
OTHER = "nobody"
STRANGER = 65533


@pytest.fixture(scope="module")
def daemon() -> Iterator[Pm2]:
    """One with an app of each kind."""
    with pm2() as running:
        running.app("web", WEB, workers=2, PORT=str(free_port()))
        running.app("alone", WEB, PORT=str(free_port()))
        running.app("fast", crash(0), gives_up=True)
        running.app("slow", crash(1500))
        running.app("half", crash(0, worker="1"), workers=2, gives_up=True)
        yield running


def service(on: Pm2, name: str, **where: Any) -> Service:
    """An app as an inventory has it."""
    return Service(name=f"the {name}", runtime="pm2", identity=name, where={**on.where, **where})


def look(on: Pm2, name: str, **where: Any) -> dict[str, Any]:
    """What the module says of an app."""
    return run_module("service_instances", service={"name": name, "runtime": "pm2", "where": {**on.where, **where}})


def judge(on: Pm2, *names: str, **args: Any) -> dict[str, Any]:
    """The verdict on some apps."""
    services = [{"name": name, "runtime": "pm2", "where": on.where} for name in names]
    return run_module("service_health", services=services, **{"window": "3s", **args})


def by_check(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The findings of a verdict by app and check."""
    return {(one["subject"], one["check"]): one for one in found["findings"]}


def act(on: Pm2, name: str, verb: str, *, check: bool = False, count: int | None = None) -> dict[str, Any]:
    """Do what the call of a verb says."""
    call = call_of(service(on, name), verb, instances=look(on, name)["instances"], count=count)
    assert not call.forbidden, call.forbidden
    return run_module(call.module.rpartition(".")[2], check=check, **call.args)


def all_new(after: dict[str, Any], *, before: dict[str, Any]) -> bool:
    """Whether every process was started again, and is up."""
    return bool(after["up"]) and not set(after["starts"]) & set(before["starts"])


def state(on: Pm2, name: str) -> list[str]:
    """The states of an app's processes."""
    return [one["state"] for one in look(on, name)["instances"]]


def ask(port: int) -> tuple[int, str]:
    """One request on a connection of its own."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        asked.request("GET", "/")
        answer = asked.getresponse()
        return answer.status, answer.read().decode()
    finally:
        asked.close()


def port_of(on: Pm2, name: str) -> int:
    """The port that an app was given."""
    return int(json.loads((on.place / f"{name}.json").read_text())["apps"][0]["env"]["PORT"])


def environment(pid: int) -> bytes:
    """What a process has."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_a_look_tells_each_process_by_identity_and_nothing_of_its_environment(daemon: Pm2) -> None:
    assert daemon.daemon is not None and daemon.daemons() == [daemon.daemon.pid]
    found = look(daemon, "web")
    assert found["up"] and [one["main_pid"] for one in found["instances"]] == [one["pid"] for one in daemon.processes("web")]
    assert [(one["type"], one["state"], one["restarts"]) for one in found["instances"]] == [("cluster", "online", 0)] * 2
    assert look(daemon, "web")["identity"] == found["identity"] and len(set(found["starts"])) == 2
    assert look(daemon, "alone")["instances"][0]["type"] == "fork"
    assert look(daemon, "no-such-app")["instances"] == [], "the daemon answers that there is none"
    assert CANARY in daemon.run("jlist"), "pm2 would tell it"
    kept = runtime.evidence([service(daemon, "web")], since="1h", run=run)
    assert CANARY not in json.dumps([found, [(one.argv, one.text) for one in kept]])
    assert daemon.daemons() == [daemon.daemon.pid]


def evidence(on: Pm2, *names: str) -> dict[tuple[str, str], str]:
    """What a snapshot keeps of some apps, by service and kind."""
    kept = runtime.evidence([service(on, name) for name in names], since="1h", run=run)
    return {(one.service, one.what): run(one.argv).out if one.argv else one.text for one in kept}


def test_evidence_has_states_and_last_lines(daemon: Pm2) -> None:
    until(lambda: "line of the log" in evidence(daemon, "alone")["the alone", "logs"], what="the app's line")
    kept = evidence(daemon, "alone", "web", "no-such-app")
    states = [json.loads(line) for line in kept["", "state"].splitlines()]
    web = ("web", "cluster", "online")
    assert [(one["name"], one["mode"], one["state"]) for one in states] == [("alone", "fork", "online"), web, web]
    told = engines.moments("services1_pm2_state", kept["", "state"])
    assert [text.split()[:2] for _at, text, _bad in told] == [["app", "alone"], ["app", "web"], ["app", "web"]]
    assert all(0 <= time.time() - at < 3600 and "started, online now" in text and not bad for at, text, bad in told), told
    assert kept["the no-such-app", "logs"] == "" and CANARY not in json.dumps(list(kept.values()))
    assert kept["the web", "logs"].count("line of the log") == 2
    log = daemon.home / "logs" / "alone-out.log"
    log.write_text("".join(f"{'x' * 400} {number}\n" for number in range(1000)))
    lines = evidence(daemon, "alone")["the alone", "logs"].splitlines()
    assert f"{'x' * 400} 999" in lines and len(lines) <= 2 + 200
    log.unlink()
    assert "No such file" in evidence(daemon, "alone")["the alone", "logs"]


def test_an_app_that_crashes_fast_is_errored_and_a_slow_one_shows_in_its_counter(daemon: Pm2) -> None:
    until(lambda: state(daemon, "fast") == ["errored"], what="pm2 to give up")
    assert not look(daemon, "fast")["up"]
    # None while it is not known whether somebody started it.
    seen = []
    until(lambda: seen.append(look(daemon, "slow")["instances"][0]) or seen[-1]["restarts"] is not None, what="its counter")
    first = seen[-1]["restarts"]
    until(lambda: seen.append(look(daemon, "slow")["instances"][0]) or (seen[-1]["restarts"] or 0) >= first + 2, what="two more crashes")
    assert "online" in {one["state"] for one in seen}, "it looks well in between"
    assert len({one["start"] for one in seen}) >= 2


def test_one_of_two_workers_is_down(daemon: Pm2) -> None:
    until(lambda: sorted(state(daemon, "half")) == ["errored", "online"], what="the worker's end")
    assert not look(daemon, "half")["up"]


def test_the_verdict(daemon: Pm2) -> None:
    until(lambda: state(daemon, "fast") == ["errored"], what="pm2 to give up")
    until(lambda: sorted(state(daemon, "half")) == ["errored", "online"], what="the worker's end")
    # A crash of the slow app is within the window however busy the machine is.
    found = judge(daemon, "web", "fast", "slow", "half", window="15s", since="1")
    of = {key: one["status"] for key, one in by_check(found).items()}
    assert {check: of["web", check] for check in ("present", "running", "restarts", "age")} == {
        "present": "ok", "running": "ok", "restarts": "ok", "age": "ok",
    }
    assert (of["fast", "running"], of["half", "running"], of["slow", "restarts"]) == ("critical", "warning", "critical")
    assert by_check(found)["half", "running"]["observed"] == 1 and "status 3" in by_check(found)["slow", "restarts"]["hint"]
    assert of[f"pm2 of {daemon.user} in {daemon.home}", "daemon"] == "ok" and CANARY not in json.dumps(found)


def test_a_restart_by_hand_is_none_of_pm2s(daemon: Pm2) -> None:
    act(daemon, "web", "restart")
    found = judge(daemon, "web", asked=["running", "restarts"])
    assert found["healthy"], found["findings"]
    assert [one["restarts"] for one in found["instances"]] == [None, None]


def test_the_calls_of_each_mode(daemon: Pm2) -> None:
    assert act(daemon, "web", "restart", check=True)["changed"]
    before = look(daemon, "web")
    assert call_of(service(daemon, "web"), "restart", instances=before["instances"]).args["verb"] == "reload"
    port, lost = port_of(daemon, "web"), []
    with AskingAllTheTime(port, lost):
        act(daemon, "web", "restart")
        after = look(daemon, "web")
    # One that node hands to a worker in the moment of its end has no answer. None is refused, as all would be with every worker down.
    assert len(lost) <= 1 and not any("refused" in one for one in lost), lost
    assert all_new(after, before=before), "every worker is new"
    assert ask(port)[0] == 200 and all(CANARY.encode() in environment(one["main_pid"]) for one in after["instances"]), "the app's own stays"

    before = look(daemon, "alone")
    act(daemon, "alone", "restart")
    assert all_new(look(daemon, "alone"), before=before)
    assert ask(port_of(daemon, "alone"))[1] == str(look(daemon, "alone")["instances"][0]["main_pid"]), "it listens"
    for verb, count in (("reload", None), ("scale", 2)):
        forbidden = call_of(service(daemon, "alone"), verb, instances=look(daemon, "alone")["instances"], count=count).forbidden
        assert "fork mode" in forbidden[0]
    refused = run_module("service_pm2", name="alone", verb="scale", count=2, where=daemon.where)
    assert refused["failed"] and "fork mode" in refused["msg"] and len(look(daemon, "alone")["instances"]) == 1


def test_stop_and_start(daemon: Pm2) -> None:
    act(daemon, "alone", "stop")
    assert state(daemon, "alone") == ["stopped"]
    act(daemon, "alone", "start")
    assert look(daemon, "alone")["up"]
    pid = look(daemon, "alone")["instances"][0]["main_pid"]
    assert CANARY.encode() in environment(pid) and f"PORT={port_of(daemon, 'alone')}".encode() in environment(pid)


def test_scale_there_and_back(daemon: Pm2) -> None:
    before = [one["id"] for one in look(daemon, "web")["instances"]]
    act(daemon, "web", "scale", count=3)
    more = look(daemon, "web")
    assert more["up"] and [one["id"] for one in more["instances"]][:2] == before and len(more["instances"]) == 3
    assert all(CANARY.encode() in environment(one["main_pid"]) for one in more["instances"])
    fewer = call_of(service(daemon, "web"), "scale", instances=more["instances"], count=2)
    assert "oldest" in fewer.notes[0]
    act(daemon, "web", "scale", count=2)
    assert [one["id"] for one in look(daemon, "web")["instances"]] == [one["id"] for one in more["instances"]][1:], "the oldest went"


def test_a_process_that_is_gone_is_not_touched(daemon: Pm2) -> None:
    before = look(daemon, "alone")["identity"]
    done = run_module("service_pm2", name="alone", verb="restart", numbers=["99"], where=daemon.where)
    assert done["error"] == "command_failed" and "99" in done["msg"]
    assert look(daemon, "alone")["identity"] == before


@pytest.mark.parametrize("ended", [False, True])
def test_without_a_daemon_none_is_started(ended: bool) -> None:
    with pm2(started=ended) as on:
        if ended:
            on.app("alone", WEB, PORT=str(free_port()))
            assert on.daemon is not None
            on.daemon.kill()
            on.daemon.wait(30)
            assert (on.home / "rpc.sock").exists() and (on.home / "pm2.pid").exists(), "it has left both"
        found = look(on, "alone")
        assert (found["error"], found["failed"]) == ("daemon_down", True) and "No daemon of pm2 runs" in found["msg"]
        assert "No daemon of pm2 runs" in evidence(on, "alone")["", "state"]
        verdict = judge(on, "alone")
        assert {one["check"]: one["status"] for one in verdict["findings"]} == {
            name: "critical" if name == "daemon" else "unknown" for name in verdict["asked"]
        }
        done = run_module("service_pm2", name="alone", verb="start", numbers=["0"], where=on.where)
        assert done["error"] == "daemon_down"
        assert on.daemons() == []


def test_a_stopped_daemon_is_not_waited_for(daemon: Pm2) -> None:
    assert daemon.daemon is not None
    pid = daemon.daemon.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", what="the daemon to stop")
        began = time.monotonic()
        found = look(daemon, "web")
        assert (found["error"], time.monotonic() - began < 60) == ("blind", True) and f"kill -CONT {pid}" in advised(found["msg"])
        assert {one["status"] for one in judge(daemon, "web")["findings"]} == {"unknown"}
        # Where its state cannot be seen in time, the deadline ends the look.
        place = runtime.Place.of(service(daemon, "web"))
        found_daemon = runtime.Daemon(
            pid=pid, owner=runtime.pwd.getpwuid(os.geteuid()), home=str(daemon.home), program=os.readlink(f"/proc/{pid}/exe"),
            command=place.command,
        )
        assert run(found_daemon.argv(runtime.quiet(place.command, "jlist"), seconds=2)).status == 124
        subprocess.run(advised(found["msg"])[0].split(), check=True, timeout=10)
        assert look(daemon, "web")["instances"], "what the hint says lets it go on"
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_daemon_of_another_user() -> None:
    need(os.geteuid() == 0, "root, to become another user")
    with pm2(user=OTHER) as on:
        on.app("alone", WEB, PORT=str(free_port()))
        assert look(on, "alone")["up"], "root asks as the owner"
        assert look(on, "alone", user="")["up"], "who owns the directory is the owner"
        assert "runs as nobody, not as root" in look(on, "alone", user="root")["msg"]
        act(on, "alone", "restart")
        (one,) = look(on, "alone")["instances"]
        assert Path(f"/proc/{one['main_pid']}").stat().st_uid == on.daemon_uid
        assert "no user no-such-user" in look(on, "alone", user="no-such-user")["msg"]
        # Who is neither the owner nor root: the right that docs/rights.md names.
        entry = {"name": "alone", "runtime": "pm2", "where": on.where}
        denied = start_module("service_health", user=STRANGER, services=[entry], window="1s").result()
        assert denied["healthy"] is None and "Become" in json.dumps(denied["findings"] + denied["skipped_checks"])


class AskingAllTheTime:
    """Requests one after the other, as long as it is open; what was not answered by 200 is in `lost`."""

    def __init__(self, port: int, lost: list[str]) -> None:
        import threading

        self._port, self._lost, self._end = port, lost, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_args: object) -> None:
        self._end.set()
        self._thread.join(60)

    def _ask(self) -> None:
        while not self._end.is_set():
            try:
                status, text = ask(self._port)
                if status != 200:
                    self._lost.append(text)
            except OSError as exc:
                self._lost.append(repr(exc))
