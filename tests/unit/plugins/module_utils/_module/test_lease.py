# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease of a host: one run at a time, also where its processes come and go, until it is given back or its time is over."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shlex
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Locked
from ansible_collections.oncall.incident.plugins.module_utils._module import lease, lock
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import PLACE_VARIABLE

ONE, OTHER = {"run": "run-1", "holder": "ann"}, {"run": "run-2", "holder": "bob"}


@pytest.fixture
def what() -> Iterator[str]:
    """A subject that nobody else has."""
    name = f"host:{uuid.uuid4().hex}"
    yield name
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_of(name))


def path_of(what: str) -> str:
    """The lease's file."""
    return lease.lease_path(what)


class Clock:
    """Of a host: which boot, and the seconds since."""

    def __init__(self) -> None:
        self.boot, self.at = "a boot", 1000.0

    def __call__(self) -> tuple[str, float]:
        return self.boot, self.at


def test_a_second_run_is_told_who_has_it_and_until_when(what: str) -> None:
    assert lease.take(what, seconds=90, **ONE)["before"] == {}
    with pytest.raises(Locked, match=rf"Run run-1 of ann is acting on {what}, until \d{{4}}-.*Z at the latest") as caught:
        lease.take(what, seconds=90, **OTHER)
    facts = caught.value.as_result()["held_by"]
    assert (facts["run"], facts["holder"]) == ("run-1", "ann") and 80 < facts["seconds"] <= 90
    assert not lease.give_back(what, **OTHER), "nobody gives back what is another one's"
    with pytest.raises(Locked):
        lease.take(what, seconds=90, **OTHER)
    assert lease.give_back(what, **ONE) and not os.path.exists(path_of(what))
    assert lease.take(what, seconds=90, **OTHER)["before"] == {}, "who gave it back is not said to have died"
    lease.give_back(what, **OTHER)
    assert not lease.give_back(what, **OTHER) and not os.path.exists(path_of(what))


def test_a_lease_that_is_removed_as_its_hint_says_is_free(what: str) -> None:
    lease.take(what, seconds=90, **ONE)
    with pytest.raises(Locked) as caught:
        lease.take(what, seconds=90, **OTHER)
    command = str(caught.value.hint).partition("at once with: ")[2]
    assert command.startswith("rm ")
    subprocess.run(shlex.split(command), check=True, timeout=30)
    assert lease.take(what, seconds=90, **OTHER)["before"] == {}


def test_a_run_that_died_loses_it_when_its_time_is_over_whatever_the_clock_on_the_wall_says(
    what: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    lease.take(what, seconds=60, now=clock, **ONE)
    for moved in (-86400 * 365, 86400 * 365):
        monkeypatch.setattr(time, "time", lambda moved=moved: 1e9 + moved)
        with pytest.raises(Locked):
            lease.take(what, seconds=60, now=clock, **OTHER)
    clock.at += 59.9
    with pytest.raises(Locked):
        lease.take(what, seconds=60, now=clock, **OTHER)
    clock.at += 0.2
    assert lease.take(what, seconds=60, now=clock, **OTHER)["before"] == ONE
    with pytest.raises(Locked, match="Run run-2"):
        lease.take(what, seconds=60, now=clock, **ONE)
    clock.boot, clock.at = "another boot", 5.0
    assert lease.take(what, seconds=60, now=clock, **ONE)["before"] == OTHER, "whatever a run did before a reboot it does no longer"


def test_who_has_it_may_have_it_for_longer(what: str) -> None:
    clock = Clock()
    lease.take(what, seconds=60, now=clock, **ONE)
    clock.at += 50
    assert lease.take(what, seconds=60, now=clock, **ONE)["before"] == {}
    clock.at += 50
    with pytest.raises(Locked):
        lease.take(what, seconds=60, now=clock, **OTHER)
    clock.at += 50
    assert lease.take(what, seconds=60, now=clock, **ONE)["before"] == {}, "also when it had run out, and nobody took it"


def test_every_user_of_the_host_may_change_it_under_a_strict_umask(what: str) -> None:
    before = os.umask(0o077)
    try:
        lease.take(what, seconds=60, **ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path_of(what)).st_mode) == 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_another_user_takes_over_what_root_left(what: str) -> None:
    lease.take(what, seconds=0, **ONE)
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            code = 0 if lease.take(what, seconds=60, **OTHER)["before"] == ONE and lease.give_back(what, **OTHER) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Path(path_of(what)).read_bytes() == b"", "another user's file stays, and says that nobody has it"
    assert lease.take(what, seconds=60, **ONE)["before"] == {}


def test_of_many_processes_one_takes_it(what: str) -> None:
    go, start = os.pipe()
    children = []
    for number in range(8):
        child = os.fork()
        if not child:
            code = 1
            try:
                os.close(start)
                os.read(go, 1)
                lease.take(what, seconds=60, run=f"run-{number}", holder="x")
                code = 0
            except Locked:
                code = 7
            finally:
                os._exit(code)
        children.append(child)
    os.close(go)
    os.close(start)  # all of them go at once
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [0] + [7] * 7


def test_who_changes_it_is_waited_for_and_not_for_ever(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lease.take(what, seconds=0, **ONE)
    monkeypatch.setattr(lease, "PATIENCE", 0.1)
    with open(path_of(what), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Locked, match=r"cannot be seen.*somebody holds it"):
            lease.take(what, seconds=60, **OTHER)
    assert lease.take(what, seconds=60, **OTHER)["before"] == ONE


@pytest.mark.parametrize("text", [
    b"hello\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b'{"run": 1, "holder": "h", "boot": "b", "until": 1}\n',
    b'{"run": "r", "holder": "h", "boot": "b", "until": 1e999}\n', b'{"run": "r", "holder": "h", "boot": "b", "until": NaN}\n',
])
def test_what_is_no_lease_is_an_error(what: str, text: bytes) -> None:
    Path(path_of(what)).write_bytes(text)
    with pytest.raises(Locked, match=r"cannot be seen.*it holds no lease; remove it"):
        lease.take(what, seconds=60, **ONE)


def test_what_others_wrote_does_not_reach_a_screen_as_it_is(what: str) -> None:
    lease.take(what, seconds=60, run="\x1b[2Jx" + "y" * 500, holder="h\n")
    with pytest.raises(Locked) as caught:
        lease.take(what, seconds=60, **OTHER)
    held_by = caught.value.facts["held_by"]
    assert held_by["run"].startswith("?[2Jxyyy") and len(held_by["run"]) == 200 and held_by["holder"] == "h?"


def test_the_rest_of_a_longer_lease_is_none_of_the_new_one(what: str) -> None:
    lease.take(what, seconds=60, run="run-1", holder="h" * 150)
    Path(path_of(what)).write_bytes(Path(path_of(what)).read_bytes() + b'{"run": "half of an older')
    with pytest.raises(Locked, match="Run run-1"):
        lease.take(what, seconds=60, **OTHER)


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file_is_an_error_and_not_followed(kind: str, what: str, tmp_path: Path) -> None:
    target, path = tmp_path / "target", path_of(what)
    make: dict[str, Any] = {"link": lambda: os.symlink(target, path), "pipe": lambda: os.mkfifo(path), "directory": lambda: os.mkdir(path)}
    make[kind]()
    try:
        with pytest.raises(Locked, match="cannot be seen"):
            lease.take(what, seconds=60, **ONE)
        assert not target.exists()
    finally:
        if kind == "directory":
            os.rmdir(path)


def test_requests_are_answered_as_json_can_say_it(what: str) -> None:
    request = {"what": what, "seconds": 60}
    assert lease.answer({"do": "take", **request, **ONE}) == {"before": {}, "ours": False}
    assert lease.answer({"do": "take", **request, **OTHER})["error"] == "locked"
    assert lease.answer({"do": "give_back", **request, **ONE}) == {"ours": True}


def test_the_time_is_counted_since_the_boot_of_the_host() -> None:
    boot, at = lease.since_boot()
    assert len(boot) == 36 and lease.since_boot()[1] >= at > 0


# Entry points: several tasks, and the modules that they run.

@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for locks of this test alone."""
    tmp_path.chmod(0o1777)
    monkeypatch.setenv(PLACE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(lease.VARIABLE, raising=False)
    return tmp_path


def test_a_module_leaves_its_lease_to_its_entry_point(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lease.VARIABLE, lease.token("run-1", "ann"))
    for _task in range(2):
        with lease.acting_alone("redis:x"):
            pass
    for token in ("", lease.token("run-2", "bob"), lease.token("run-1", "ann in another execution")):
        monkeypatch.setenv(lease.VARIABLE, token)
        with pytest.raises(Locked, match="Run run-1 of ann is acting on redis:x, until"), lease.acting_alone("redis:x"):
            pytest.fail("it was let in")
    assert lease.give_back_all(**OTHER) == 0
    assert lease.give_back_all(**ONE) == 1
    assert list(place.iterdir()) == []
    monkeypatch.delenv(lease.VARIABLE)
    with lease.acting_alone("redis:x"):
        assert [path.suffix for path in place.iterdir()] == [".lock"], "a module of its own leaves none"


def test_a_module_of_its_own_is_let_in_when_the_time_of_a_dead_run_is_over(place: Path) -> None:
    clock = Clock()
    lease.take("redis:x", seconds=60, now=clock, **ONE)
    with pytest.raises(Locked):
        lease.join("redis:x", now=clock)
    clock.at += 60
    lease.join("redis:x", now=clock)
    lease.take("redis:x", seconds=60, now=clock, **ONE)
    clock.boot = "another boot"
    lease.join("redis:x", now=clock)


def test_every_task_makes_the_lease_last_and_none_makes_it_shorter(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lease.VARIABLE, lease.token("run-1", "ann"))
    clock = Clock()
    lease.take("redis:x", seconds=1000, now=clock, **ONE)
    lease.join("redis:x", now=clock)
    clock.at += 990
    lease.join("redis:x", now=clock)
    clock.at += lease.KEPT - 1
    with pytest.raises(Locked):
        lease.take("redis:x", seconds=60, now=clock, **OTHER)
    clock.at += 1
    assert lease.take("redis:x", seconds=60, now=clock, **OTHER)["before"] == ONE


def test_all_names_of_a_subject_are_taken_or_none(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.1)
    lease.take("b", seconds=60, **OTHER)
    with pytest.raises(Locked, match="Run run-2 of bob is acting on b"):
        lease.take_all(["a", "b"], seconds=60, **ONE)
    assert not os.path.exists(lease.lease_path("a"))
    lease.give_back("b", **OTHER)
    with lock.acting_alone("b"), pytest.raises(Locked, match="Another run is acting on b now"):
        lease.take_all(["a", "b"], seconds=60, **ONE)
    assert list(place.iterdir()) == []
    assert lease.take_all(["a", "b"], seconds=60, **ONE) == {"before": {}, "ours": False}
    assert lease.take_all(["a"], seconds=60, **ONE) == {"before": {}, "ours": True}
    assert lease.answer({"do": "give_back_all", **ONE}) == {"ended": 2}


def test_what_is_left_of_others_is_no_obstacle_to_giving_back(place: Path) -> None:
    lease.take("a", seconds=60, **ONE)
    for name, text in (("x", "no lease"), ("y", "")):
        (place / f"{lock.PREFIX}{name}.lease").write_text(text)
    (place / f"{lock.PREFIX}z.lease").symlink_to(place / "nowhere")
    os.mkfifo(place / f"{lock.PREFIX}w.lease")
    with lock.acting_alone("somebody's"):
        assert lease.give_back_all(**ONE) == 1
    assert len(list(place.iterdir())) == 4


def test_a_long_or_odd_name_is_still_ours(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = {"run": "a;b", "holder": "ann\n" + "x" * 5000}
    token = lease.token(**who)
    assert token.count(";") == 2
    monkeypatch.setenv(lease.VARIABLE, token)
    with lease.acting_alone("s" * 5000):
        pass
    with lease.acting_alone("s" * 5000):
        pass
    run, execution, holder = token.split(";", 2)
    assert lease.give_back_all(run=run, holder=holder, execution=execution) == 1


def test_what_makes_room_is_not_kept_from_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Locked, match="No space left") as caught:
        lease.take_all(["a"], seconds=60, **ONE)
    assert caught.value.facts[lease.NO_ROOM]
    monkeypatch.setenv(lease.VARIABLE, lease.token("run-1", "ann"))
    with lease.acting_alone("a"):
        pass
    monkeypatch.undo()
    monkeypatch.setenv(PLACE_VARIABLE, str(place))
    lease.take("a", seconds=60, **OTHER)
    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setenv(lease.VARIABLE, lease.token("run-1", "ann"))
    with pytest.raises(Locked, match="Run run-2"), lease.acting_alone("a"):
        pytest.fail("another run has it")


# The hosts of one execution: an inventory may have several names for one server.

DB1, DB2 = (
    {"run": "without a record", "holder": f"ann at desk, process 7, for {host}", "execution": "7:1:desk"} for host in ("db1", "db2")
)
#: Another execution. Its run has no record either, so no id of its own.
ELSE = {"run": "without a record", "holder": "ann at desk, process 8, for db1", "execution": "8:1:desk"}


def said(what: str) -> dict[str, Any]:
    """What the lease's file says."""
    found: dict[str, Any] = json.loads(Path(path_of(what)).read_text())
    return found


def test_another_host_of_the_run_is_let_in_and_the_last_one_ends_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lease.take_all(["a"], seconds=60, **DB1) == {"before": {}, "ours": False}
    with lock.acting_alone("a"):  # the first one's module is at work
        assert lease.take_all(["a"], seconds=60, **DB2) == {"before": {}, "ours": False}
    assert lease.take_all(["a"], seconds=60, **DB1)["ours"]
    for who in (DB1, DB2):
        monkeypatch.setenv(lease.VARIABLE, lease.token(**who))
        with lease.acting_alone("a"), lease.acting_alone("as a module names it"):
            pass
    assert lease.give_back_all(**DB1) == 2 and lease.give_back_all(**DB1) == 0
    for token in ("", lease.token(**ELSE)):
        monkeypatch.setenv(lease.VARIABLE, token)
        with pytest.raises(Locked, match="process 7, for db2 is acting on a"), lease.acting_alone("a"):
            pytest.fail("db2 still has it")
    with pytest.raises(Locked):
        lease.take_all(["a"], seconds=60, **ELSE)
    assert lease.give_back_all(**ELSE) == 0
    assert lease.give_back_all(**DB2) == 2
    assert list(place.iterdir()) == []


def test_hosts_that_come_at_one_instant_are_all_let_in(place: Path) -> None:
    go, start = os.pipe()
    children = []
    for number in range(8):
        child = os.fork()
        if not child:
            code = 1
            try:
                os.close(start)
                os.read(go, 1)
                lease.take_all(["a"], seconds=60, **{**DB1, "holder": f"db{number}"})
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(go)
    os.close(start)  # all of them go at once
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 8
    assert len(said("a")["hosts"]) == 8


def test_one_host_at_a_time_acts_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    for who in (DB1, DB2):
        lease.take("a", seconds=300, now=clock, **who)
    lease.take("a", seconds=60, by=lease.ACTION, now=clock, **DB1)
    for by in (lease.ACTION, lease.MODULE):
        with pytest.raises(Locked, match="for db1 is acting on a") as caught:
            lease.take("a", seconds=60, by=by, now=clock, **DB2)
        assert caught.value.facts["held_by"]["seconds"] == 60 and "another host of this run" in str(caught.value.hint)
    lease.take("a", seconds=300, now=clock, **DB2)  # the entry point only begins
    monkeypatch.setenv(lease.VARIABLE, lease.token(**DB1))
    lease.join("a", now=clock)  # a module that the action runs
    assert not lease.give_back("a", **ELSE)
    assert lease.give_back("a", lent=True, **DB2), "it ends nothing of db1's"
    with pytest.raises(Locked):
        lease.take("a", seconds=60, by=lease.ACTION, now=clock, **DB2)
    assert lease.give_back("a", lent=True, **DB1)
    lease.take("a", seconds=60, by=lease.ACTION, now=clock, **DB2)
    clock.at += 60
    lease.take("a", seconds=60, by=lease.ACTION, now=clock, **DB1)  # db2's worker has died
    assert lease.give_back("a", **DB1) and lease.give_back("a", **DB2) and list(place.iterdir()) == []


def test_a_lease_has_room_for_many_hosts_and_stays_small(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "\N{GRINNING FACE}" * 500
    for number in range(lease._HOSTS + 1):
        lease.take(f"{wide}", run=wide, holder=f"{number} {wide}", execution=wide, seconds=60)
    found = said(wide)
    assert len(found["hosts"]) == lease._HOSTS and os.path.getsize(path_of(wide)) < lease._MOST
    monkeypatch.setenv(lease.VARIABLE, lease.token(wide, f"0 {wide}", wide))
    lease.join(wide)
    assert len(found["hosts"]) == lease._HOSTS
    assert lease.give_back_all(run=wide, holder=f"0 {wide}", execution=wide) == 1, "its next task has added it again"


def test_a_lease_of_an_older_version_is_read_as_before(place: Path) -> None:
    boot, at = lease.since_boot()
    old = {"what": "a", "run": DB1["run"], "holder": DB1["holder"], "boot": boot, "until": at + 60}
    Path(path_of("a")).write_text(json.dumps(old) + "\n")
    for who in (DB2, ELSE):
        with pytest.raises(Locked, match="process 7, for db1 is acting on a"):
            lease.take("a", seconds=60, **who)
    assert lease.take("a", seconds=60, **DB1) == {"before": {}, "ours": True}
    assert lease.give_back_all(**DB1) == 1


@pytest.mark.parametrize("more", [{"hosts": 1}, {"hosts": [1]}, {"alone": "soon"}, {"alone": -1}, {"execution": 7}])
def test_odd_fields_are_an_error(place: Path, more: dict[str, Any]) -> None:
    lease.take("a", seconds=60, **DB1)
    Path(path_of("a")).write_text(json.dumps({**said("a"), **more}) + "\n")
    with pytest.raises(Locked, match="it holds no lease; remove it"):
        lease.take("a", seconds=60, **DB1)


# An execution whose process is gone.

@contextlib.contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when it is killed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as made:
        try:
            yield made
        finally:
            made.kill()


def test_a_lease_whose_process_is_gone_counts_for_nothing(place: Path) -> None:
    with process() as run:
        dead = {"run": "run-1", "holder": "ann", "execution": lease.execution_of(run.pid)}
        lease.take("a", seconds=60, **dead)
        with pytest.raises(Locked):
            lease.take_all(["a"], seconds=60, **OTHER)
        with pytest.raises(Locked):
            lease.join("a")
        run.kill()
        run.wait()
    assert lease.has_died(dead["execution"])
    lease.join("a")
    assert lease.take_all(["a"], seconds=60, **OTHER)["before"] == {"run": "run-1", "holder": "ann"}


def test_what_an_action_of_a_dead_process_has_started_is_respected(place: Path) -> None:
    clock = Clock()
    with process() as run:
        dead = {"run": "run-1", "holder": "ann", "execution": lease.execution_of(run.pid)}
        lease.take("a", seconds=300, now=clock, **dead)
        lease.take("a", seconds=60, by=lease.ACTION, now=clock, **dead)
        run.kill()
        run.wait()
    with pytest.raises(Locked) as caught:
        lease.take("a", seconds=60, now=clock, **OTHER)
    assert caught.value.facts["held_by"]["seconds"] == 60
    clock.at += 60
    lease.take("a", seconds=60, now=clock, **OTHER)


def test_whether_a_process_is_gone_is_told_only_where_it_ran() -> None:
    with process() as run:
        pid, start, place_of = lease.execution_of(run.pid).split(":", 2)
        run.kill()
        run.wait()
    assert int(pid) == run.pid and start.isdigit() and place_of
    assert not lease.has_died(lease.execution_of(os.getpid()))
    ours = lease.execution_of(os.getpid()).split(":", 2)
    assert lease.has_died(f"{pid}:{start}:{place_of}")
    assert lease.has_died(f"{ours[0]}:1:{place_of}"), "its id is another process's by now"
    for no in (f"{pid}:{start}:{place_of} of another boot", f"{pid}:{start}:", f"{ours[0]}::{place_of}", f"0:{start}:{place_of}",
               f"-1:{start}:{place_of}", f"x:{start}:{place_of}", f"{'9' * 60}:{start}:{place_of}", "", ":", "::"):
        assert not lease.has_died(no), no


@pytest.mark.parametrize("missing", ["/proc/self", "/proc/self/ns/pid"])
def test_without_proc_nobody_is_said_to_be_dead(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.readlink

    def readlink(path: str) -> str:
        if path == missing:
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os, "readlink", readlink)
    execution = lease.execution_of(2**22 + 1)
    assert execution == f"{2**22 + 1}::{os.uname().nodename}" and not lease.has_died(execution)
