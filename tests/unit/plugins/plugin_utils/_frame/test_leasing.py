# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease of a host, taken from the controller by one command, with real processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Locked
from ansible_collections.oncall.incident.plugins.module_utils._module import lease
from ansible_collections.oncall.incident.plugins.module_utils._module.lease import lease_path
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import leasing
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.leasing import Lease, command, held
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.marker import MARKER

from tests.support.need import need
from tests.support.until import until


def on_host(script: str) -> dict[str, Any]:
    """Run a command as a connection does."""
    argv = ["/bin/sh", "-c", f"echo Welcome to this host; {script}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


@pytest.fixture
def what() -> Iterator[str]:
    """A subject that nobody else has."""
    name = f"host:{uuid.uuid4().hex} it's"
    yield name
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lease_path(name))


def lease_of(what: str | list[str], *, run: str = "run-1", seconds: float = 60, **more: Any) -> Lease:
    who = {"run": run, "holder": "ann at desk, process 7"}
    return Lease(more.pop("execute", on_host), what=what, who=who, seconds=seconds, **more)


def test_one_run_at_a_time(what: str) -> None:
    said: list[str] = []
    with held(lease_of(what), warn=said.append) as ours:
        assert ours.taken_over == ""
        with pytest.raises(Locked, match="Run run-1 of ann at desk, process 7 is acting on") as caught, \
                held(lease_of(what, run="run-2"), warn=said.append):
            pass
        assert caught.value.facts["held_by"]["run"] == "run-1" and "If that run is dead" in str(caught.value.hint)
        assert str(caught.value.hint) not in caught.value.message
    assert not os.path.exists(lease_path(what)) and not said


def test_what_is_raised_meanwhile_gives_it_back(what: str) -> None:
    with pytest.raises(KeyboardInterrupt), held(lease_of(what), warn=print):
        raise KeyboardInterrupt
    assert not os.path.exists(lease_path(what))


def test_a_holder_that_was_killed_loses_it_when_its_time_is_over(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "SLACK", 0.0)
    child = os.fork()
    if not child:
        with held(lease_of(what, run="dead", seconds=2), warn=print):
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    said: list[str] = []

    def taken() -> bool:
        try:
            with held(lease_of(what, run="run-2"), warn=print) as ours:
                said.append(ours.taken_over)
                return True
        except Locked as exc:
            assert exc.facts["held_by"]["run"] == "dead"
            return False

    until(taken, what="the end of the dead run's lease", seconds=60)
    assert said == ["taken over from run dead of ann at desk, process 7, which did not give it back"]


def test_it_is_made_to_last_only_where_it_must(what: str) -> None:
    asked = []

    def counting(script: str) -> dict[str, Any]:
        asked.append(script)
        return on_host(script)

    with held(lease_of(what, execute=counting), warn=print) as ours:
        ours.keep()
        assert len(asked) == 1
        ours._end -= leasing.SLACK + 1
        ours.keep()
        ours.keep()
        assert len(asked) == 2


def test_who_lost_it_is_told(what: str) -> None:
    said: list[str] = []
    with held(lease_of(what), warn=said.append):
        os.unlink(lease_path(what))
    assert "no longer ours" in said[0]
    broken = lease_of(what)
    with held(broken, warn=said.append):
        broken._execute = lambda _script: {"rc": 255, "stdout": "", "stderr": "connection lost"}
    assert "was not given back" in said[1] and "connection lost" in said[1]


@pytest.mark.parametrize(("done", "text"), [
    ({"rc": 127, "stdout": "", "stderr": ""}, "no Python 3 was found"), ({"rc": 1, "stdout": "x\n", "stderr": "sudo: no"}, "sudo: no"),
    ({"rc": 0, "stdout": "", "stderr": ""}, "status 0, no reason given"),
])
def test_a_host_that_does_not_answer_is_an_error(done: dict[str, Any], text: str) -> None:
    with pytest.raises(Locked, match="cannot be seen") as caught:
        lease_of("x", execute=lambda _script: done).take()
    assert text in caught.value.message


def test_the_hosts_own_python_comes_first() -> None:
    request = {"do": "give_back", "what": "x", "run": "r", "holder": "h"}
    assert "for one in '/opt/my python' python3 " in command(request, python="/opt/my python")
    assert len(command(request)) < 16_000


def test_an_action_within_an_entry_point_leaves_the_lease_to_it(what: str) -> None:
    entry = lease_of(what)
    entry.take()
    assert not entry.lent
    with held(lease_of(what), warn=pytest.fail) as ours:
        ours.keep()
        assert ours.lent
    with pytest.raises(Locked):
        lease_of(what, run="run-2").take()
    assert entry.give_back_all() == 1
    lease_of(what, run="run-2").take()
    assert lease_of(what, run="run-2").give_back()


def test_several_names_are_taken_with_one_command(what: str) -> None:
    commands: list[str] = []

    def execute(script: str) -> dict[str, Any]:
        commands.append(script)
        return on_host(script)

    entry = lease_of([what, f"{what} too"], execute=execute)
    entry.take()
    with pytest.raises(Locked):
        lease_of(f"{what} too", run="run-2").take()
    assert (entry.give_back_all(), len(commands)) == (2, 2)


def test_two_hosts_of_a_run_share_a_lease_and_one_of_them_acts_alone(what: str) -> None:
    first, second = ({**leasing.who_acts(name), "run": "run-1"} for name in ("db1", "db2"))
    assert first["execution"] == second["execution"] and first["holder"] != second["holder"]
    entries = [Lease(on_host, what=what, who=who, seconds=60) for who in (first, second)]
    for entry in entries:
        entry.take()
        assert not entry.lent and not entry.taken_over
    with held(Lease(on_host, what=what, who=first, seconds=60, by=lease.ACTION), warn=pytest.fail) as acting:
        assert acting.lent
        with pytest.raises(Locked, match="for db1 is acting on") as caught:
            Lease(on_host, what=what, who=second, seconds=60, by=lease.ACTION).take()
        assert "another host of this run" in str(caught.value.hint)
    with held(Lease(on_host, what=what, who=second, seconds=60, by=lease.ACTION), warn=pytest.fail):
        pass
    for entry in entries:
        with pytest.raises(Locked):
            lease_of(what, run="run-2").take()
        assert entry.give_back_all() == 1
    assert not os.path.exists(lease_path(what))


def elsewhere(script: str) -> dict[str, Any]:
    """Run a command where the processes of this machine cannot be seen, as on another host."""
    need(os.geteuid() == 0, "root, for a namespace of processes")
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def taken_by(process: subprocess.Popen[bytes], what: str | list[str], *, by: str = lease.ENTRY_POINT) -> None:
    who = {"run": "run-1", "holder": "ann at desk", "execution": lease.execution_of(process.pid)}
    Lease(elsewhere, what=what, who=who, seconds=60, by=by).take()


def test_a_run_that_died_on_this_machine_gives_way_on_every_host(what: str) -> None:
    """A controller that was killed, a host that was cut off: whoever runs it again from there need not wait."""
    others = {"execution": lease.execution_of(os.getpid())}
    mine = Lease(elsewhere, what=[what], who={"run": "run-2", "holder": "ann at desk", **others}, seconds=60)
    with subprocess.Popen(["sleep", "600"]) as first:
        # Its modules have leases by other names.
        taken_by(first, [what, f"{what} too"])
        with pytest.raises(Locked, match="Run run-1 of ann at desk is acting on"):
            mine.take()
        first.kill()
    mine.take()
    assert mine.taken_over == "taken over from run run-1 of ann at desk, which did not give it back"
    assert not os.path.exists(lease_path(f"{what} too"))
    assert mine.give_back_all() == 1 and not os.path.exists(lease_path(what))


def test_a_worker_that_outlived_its_run_acts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent is process 1 then, which never dies: nobody else could act until the time is over."""
    with subprocess.Popen(["sleep", "600"]) as recording:
        monkeypatch.setenv(MARKER, f"{recording.pid}:run-1:/var/lib/x/000001.jsonl")
        assert leasing.who_acts("db1"), "an outer run's marker, and that one is alive"
        recording.kill()
    with pytest.raises(Locked, match=f"Process {recording.pid} of this run is gone"):
        leasing.who_acts("db1")
    for pid in (os.getpid(), os.getppid(), "", "x", -1, 0):
        monkeypatch.setenv(MARKER, f"{pid}:run-1:/var/lib/x/000001.jsonl")
        assert leasing.who_acts("db1")


def test_a_killed_run_is_dead_also_before_its_own_parent_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "600"]) as recording:
        execution = lease.execution_of(recording.pid)
        monkeypatch.setenv(MARKER, f"{recording.pid}:run-1:/var/lib/x/000001.jsonl")
        assert not lease.has_died(execution)
        recording.kill()
        os.waitid(os.P_PID, recording.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        with pytest.raises(Locked, match=f"Process {recording.pid} of this run is gone"):
            leasing.who_acts("db1")
        assert lease.has_died(execution)


def test_a_worker_knows_its_run_is_dead_where_nobody_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MARKER, raising=False)
    monkeypatch.setattr(leasing, "_LOADED_BY", 2**22 + 1)
    with pytest.raises(Locked, match="Process 4194305 of this run is gone"):
        leasing.who_acts("db1")


def test_what_an_action_of_a_dead_run_has_started_is_respected_from_here_too(what: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as first:
        taken_by(first, what, by=lease.ACTION)
        first.kill()
    with pytest.raises(Locked) as caught:
        Lease(elsewhere, what=what, who={"run": "run-2", "holder": "ann at desk"}, seconds=60).take()
    assert caught.value.facts["held_by"]["seconds"] <= 120
