# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role drill breaks this host, a little: names, owners, and the order of its ways back. The drills themselves run on real systemd."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._drill import faults

from demo.postgres import Server
from tests.support import own_faults
from tests.support.need import need
from tests.support.site import environment
from tests.support.until import until

ROOT = Path(__file__).resolve().parents[3]
DOUBLES = ROOT / "tests" / "support" / "doubles" / "transient"
#: Of the fault's user, and somebody else.
USER, OTHER = "nobody", "daemon"

Json = Mapping[str, Any]


@dataclass
class Host:
    """This host, as something to break."""

    place: Path

    @property
    def scripts(self) -> Path:
        """The role's `drill_directory`."""
        return self.place / "drill"

    @property
    def units(self) -> Path:
        """What there is of units."""
        return self.place / "units"

    def play(self, tasks: Sequence[Json], *, names: Sequence[str] = ("here",), **variables: Any) -> subprocess.CompletedProcess[str]:
        """Tasks on this host, or on several that are this one."""
        inventory = {"drillable": {"hosts": {name: {"ansible_connection": "local"} for name in names}}}
        play = [{"hosts": "drillable", "gather_facts": False, "vars": variables, "tasks": list(tasks)}]
        (self.place / "play.yml").write_text(json.dumps(play))
        (self.place / "hosts.json").write_text(json.dumps(inventory))
        env = environment(
            self.place, ANSIBLE_COLLECTIONS_PATH=f"{ROOT / '.collections'}:{self.place}", TRANSIENT_DOUBLE=str(self.units),
            PATH=f"{DOUBLES}{os.pathsep}{os.environ.get('PATH', os.defpath)}", ANSIBLE_CALLBACKS_ENABLED="", ANSIBLE_PIPELINING="",
        )
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.place / "hosts.json"), str(self.place / "play.yml")]
        return subprocess.run(argv, env=env, cwd=self.place, text=True, capture_output=True, timeout=240, check=False)

    def door(self, name: str, *faults: Json) -> subprocess.CompletedProcess[str]:
        """One of the role's doors."""
        return self.play(
            [{"ansible.builtin.import_role": {"name": "oncall.incident.drill", "tasks_from": name}}],
            drill_id="test", drill_lifetime="15m", drill_directory=str(self.scripts), drill_faults=list(faults),
        )


@pytest.fixture
def host() -> Iterator[Host]:
    """It can be entered by the fault's user, which pytest's directories cannot."""
    need(os.geteuid() == 0, "root, to become somebody else")
    place = Path(tempfile.mkdtemp(prefix="drill-"))
    place.chmod(0o755)
    found = Host(place)
    found.units.mkdir()
    try:
        yield found
    finally:
        for unit in found.units.glob("*.service"):
            try:
                os.killpg(int(unit.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(place)


def touching(path: Path, **more: Any) -> dict[str, Any]:
    """A fault that makes a file."""
    return {"fault": "touch_file", "hosts": "here", "params": {"path": str(path)}, **more}


def as_user(user: str, *argv: str) -> int:
    """The status of a command that somebody else runs."""
    return subprocess.run(["setpriv", "--reuid", user, "--regid", user if user != "nobody" else "nogroup", "--clear-groups", *argv],
                          capture_output=True, timeout=30, check=False).returncode


def test_two_of_a_kind_come_and_go_each_by_itself(host: Host) -> None:
    paths = [host.place / "first", host.place / "second"]
    wanted = [touching(path) for path in paths]
    done = host.door("inject", *wanted)
    assert done.returncode == 0, done.stdout
    assert all(path.exists() for path in paths)
    names = ["oncall-drill-test-1-touch_file", "oncall-drill-test-2-touch_file"]
    assert sorted(path.name for path in host.scripts.iterdir()) == sorted(f"{name}{end}" for name in names for end in ("", ".d", ".kept"))
    assert sorted(path.name for path in host.units.glob("*.timer")) == [f"{name}-remove.timer" for name in names]
    # The way back of one takes back that one: as its timer would.
    armed = json.loads((host.units / f"{names[1]}-remove.timer").read_text())
    assert armed["argv"] == [str(host.scripts / names[1]), "remove"]
    subprocess.run(armed["argv"], check=True, timeout=30)
    assert [path.exists() for path in paths] == [True, False]
    done = host.door("remove", *wanted)
    assert done.returncode == 0, done.stdout
    assert not any(path.exists() for path in paths)
    assert list(host.scripts.iterdir()) == []
    assert list(host.units.glob("*.timer")) == [] and list(host.units.glob("*.service")) == []


def test_ways_back_are_armed_before_any_fault_and_go_backwards(host: Host) -> None:
    wanted = [touching(host.place / f"file{number}") for number in range(3)]
    done = host.door("inject", *wanted)
    assert done.returncode == 0, done.stdout
    calls = [line for line in (host.units / "calls").read_text().splitlines() if line.startswith("systemd-run")]
    numbers = [(int(re.findall(r"--unit=oncall-drill-test-(\d)-", line)[0]), "--on-active" in line) for line in calls]
    assert numbers == [(3, True), (2, True), (1, True), (1, False), (2, False), (3, False)]
    after = [json.loads((host.units / f"oncall-drill-test-{number}-touch_file-remove.timer").read_text())["after"] for number in (1, 2, 3)]
    assert after == ["15m 20s", "15m 10s", "15m 0s"]
    assert host.door("remove", *wanted).returncode == 0


def test_what_root_will_run_can_be_changed_by_nobody(host: Host) -> None:
    need(shutil.which("setpriv"), "setpriv, to become somebody else")
    (host.place / "open").mkdir(mode=0o755)
    (host.place / "open").chmod(0o777)
    path = host.place / "open" / "file"
    done = host.door("inject", touching(path, user=USER))
    assert done.returncode == 0, done.stdout
    script = host.scripts / "oncall-drill-test-1-touch_file"
    assert path.owner() == USER, "the fault ran as its user"
    assert (script.owner(), script.stat().st_mode & 0o7777) == ("root", 0o750)
    # It may run it, or it would not have been injected; but neither write to it, nor put another in its place.
    assert as_user(USER, "test", "-x", str(script)) == 0
    assert as_user(USER, "sh", "-c", f"echo >> {script}") != 0
    assert as_user(USER, "rm", "-f", str(script)) != 0
    assert as_user(USER, "mv", str(script), str(script) + ".away") != 0
    assert as_user(USER, "touch", str(host.scripts / "mine")) != 0
    # It may hold passwords.
    asked = host.scripts / f"{script.name}.d" / "fault.json"
    assert (asked.owner(), asked.stat().st_mode & 0o7777) == ("root", 0o640)
    assert as_user(USER, "cat", str(asked)) == 0 and as_user(OTHER, "cat", str(asked)) != 0
    for file in sorted(asked.parent.iterdir()):
        assert as_user(USER, "sh", "-c", f"echo >> {file}") != 0 and as_user(USER, "rm", "-f", str(file)) != 0, file
    assert as_user(USER, "touch", str(asked.with_name("json.py"))) != 0
    kept = Path(f"{script}.kept")
    assert (kept.owner(), kept.stat().st_mode & 0o7777, (kept / "made").owner()) == (USER, 0o700, USER)
    assert host.door("remove", touching(path, user=USER)).returncode == 0
    assert not path.exists() and list(host.scripts.iterdir()) == []


def test_a_fault_that_is_roots_alone_is_refused_as_somebody_else(host: Host) -> None:
    path = host.place / "file"
    done = host.door("inject", touching(path), {"fault": "cut_off", "hosts": "here", "user": USER, "params": {"file": "/nowhere/*"}})
    assert done.returncode != 0 and "Fault cut_off cannot run as nobody" in done.stdout
    assert not path.exists() and not host.scripts.exists() and not (host.units / "calls").exists()


def test_a_fault_of_another_collection_comes_and_goes(host: Host) -> None:
    """The example of docs/drills.md, as a user, and all that the role refuses about it."""
    drill = yaml.safe_load(own_faults.written(host.place).read_text())
    (entry,) = drill["rounds"][0]["faults"]
    spool = host.place / "spool"
    spool.mkdir()
    shutil.chown(spool, USER)
    # A number that a template came to is one.
    wanted = {**entry, "hosts": "here", "user": USER, "params": {"path": str(spool / "0001"), "mebibytes": "{{ 1 + 1 }}"}}
    for params, said in (({"path": "/x", "size": 1}, "size: the fault has no such parameter"), ({}, "path: is required")):
        done = host.door("inject", {**wanted, "params": params})
        assert done.returncode != 0 and said in done.stdout, done.stdout
    done = host.door("inject", {**wanted, "fault": "acme.shop.full_spol"})
    assert done.returncode != 0 and "Did you mean full_spool?" in done.stdout
    assert not host.scripts.exists() and not (host.units / "calls").exists()
    done = host.door("inject", wanted)
    assert done.returncode == 0, done.stdout
    assert ((spool / "0001").stat().st_size, (spool / "0001").owner()) == (2 * 1024 * 1024, USER)
    assert [path.name for path in host.units.glob("*.timer")] == ["oncall-drill-test-1-full_spool-remove.timer"]
    done = host.door("remove", wanted)
    assert done.returncode == 0, done.stdout
    assert list(spool.iterdir()) == [] and list(host.scripts.iterdir()) == []


def test_what_a_fault_needs_is_named_with_its_host_before_anything_is_injected(host: Host) -> None:
    own_faults.written(host.place)
    description = host.place / own_faults.COLLECTION / "faults" / "full_spool.yml"
    description.write_text(description.read_text().replace("modules: []", "modules: [no_such_module]"))
    path = host.place / "0001"
    needy = {"fault": "acme.shop.full_spool", "hosts": "here", "params": {"path": str(path)}}
    done = host.door("inject", touching(host.place / "file"), needy)
    assert done.returncode != 0 and not path.exists() and not (host.place / "file").exists()
    said = " ".join(done.stdout.split())
    assert "Fault acme.shop.full_spool on here: it needs the Python module no_such_module for /usr/bin/python3 (Debian:" in said, said


def laid_out(host: Host, fault: str, names: Sequence[str] = ("here",), *, user: str = "root", **params: Any) -> list[Path]:
    """The fault's program, one for each host, beside what the role would write of its parameters."""
    found = faults.find(fault, roots=[])
    programs = []
    for name in names:
        place = host.place / f"{name}.d"
        (place / "kept").mkdir(parents=True)
        for file, text in found.files().items():
            (place / file).write_text(text)
        asked = {"unit": f"oncall-drill-test-1-{fault}", "user": user, "mark": f"mark{name:0>4}"[-8:], "kept": str(place / "kept")}
        (place / "fault.json").write_text(json.dumps({**asked, "params": faults.filled(found, params)}))
        programs.append(place / found.program.name)
    return programs


def called(host: Host, *argv: str) -> subprocess.CompletedProcess[str]:
    """A fault's program, in a session of its own."""
    env = {**os.environ, "TRANSIENT_DOUBLE": str(host.units), "PATH": f"{DOUBLES}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    return subprocess.run(argv, env=env, text=True, capture_output=True, timeout=60, check=False, start_new_session=True)


def test_a_server_that_does_not_run_cannot_be_frozen(host: Host) -> None:
    (program,) = laid_out(host, "redis_frozen")
    (host.units / "main_pid").write_text("0\n")
    done = called(host, sys.executable, str(program), "inject")
    assert (done.returncode, done.stderr.strip()) == (1, "redis-server does not run: there is nothing to freeze")
    done = called(host, sys.executable, str(program), "remove")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert called(host, sys.executable, str(program), "left").stdout == ""


def test_one_that_runs_is_frozen_and_thawed(host: Host) -> None:
    (program,) = laid_out(host, "redis_frozen")
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            (host.units / "main_pid").write_text(f"{process.pid}\n")
            done = called(host, "systemd-run", "--unit=freeze", "--uid=root", "--", sys.executable, str(program), "inject")
            assert done.returncode == 0, done.stderr
            assert called(host, sys.executable, str(program), "left").stdout.strip() == "redis-server is frozen"
            assert called(host, sys.executable, str(program), "remove").returncode == 0
            assert called(host, sys.executable, str(program), "left").stdout == ""
        finally:
            process.kill()


def test_two_hosts_hold_locks_in_one_database_and_each_takes_back_its_own(host: Host, server18: Server) -> None:
    conninfo = server18.conninfo()
    names = ("app1", "app2")
    programs = dict(zip(names, laid_out(
        host, "pg_sessions", names, conninfo=conninfo, holders=2, waiters=1, idle=1, prepared=1,
    ), strict=True))

    def seen(what: str, where: str) -> list[str]:
        return [row[0] for row in server18.execute(f"SELECT {what} FROM {where} ORDER BY 1")]

    def sessions() -> list[str]:
        return seen("application_name", "pg_stat_activity WHERE application_name LIKE 'drill-%'")

    def tables() -> list[str]:
        return seen("relname::text", "pg_class WHERE relkind = 'r' AND relname LIKE 'oncall_drill%'")

    def prepared() -> list[str]:
        return seen("gid", "pg_prepared_xacts WHERE gid LIKE 'oncall-drill-%'")

    try:
        for name, program in programs.items():
            done = called(host, "systemd-run", f"--unit={name}", "--uid=root", "--", sys.executable, str(program), "inject")
            assert done.returncode == 0, (host.units / f"{name}.out").read_text()
        assert len(sessions()) == 8 and len(set(sessions())) == 6, sessions()
        assert (len(tables()), len(prepared())) == (2, 2)
        # Each waits for a holder of its own host, and for nobody else's.
        own = seen("count(*)", """pg_stat_activity AS w JOIN pg_stat_activity AS h ON h.pid = ANY (pg_blocking_pids(w.pid))
            WHERE w.application_name LIKE 'drill-waiter-%' AND right(w.application_name, 8) = right(h.application_name, 8)""")
        assert own == [2]
        assert called(host, sys.executable, str(programs["app1"]), "remove").returncode == 0
        assert called(host, sys.executable, str(programs["app1"]), "left").stdout == ""
        # Of the second, all is there still, and works.
        assert len(sessions()) == 4 and (len(tables()), len(prepared())) == (1, 1)
        assert len(called(host, sys.executable, str(programs["app2"]), "left").stdout.splitlines()) == 4 + 1 + 1
        assert called(host, sys.executable, str(programs["app2"]), "remove").returncode == 0
    finally:
        for name in names:
            called(host, "systemctl", "stop", f"{name}.service")
    until(lambda: not sessions(), what="the sessions to end")
    assert (tables(), prepared()) == ([], [])


def test_who_takes_back_a_user_s_sessions_comes_to_the_server_as_that_user(host: Host, server18: Server) -> None:
    server18.execute(f"CREATE ROLE {USER} LOGIN PASSWORD 'drill'")
    server18.execute(f"GRANT CREATE ON SCHEMA public TO {USER}")
    # No user is named: the server is told the one who asks.
    conninfo = f"host=127.0.0.1 port={server18.port} dbname=postgres password=drill"
    (program,) = laid_out(host, "pg_sessions", user=USER, conninfo=conninfo, holders=1, prepared=1)
    asks = "SELECT DISTINCT usename::text FROM pg_stat_activity WHERE application_name LIKE 'drill-%'"
    try:
        done = called(host, "systemd-run", "--unit=one", "--uid=root", "--", sys.executable, str(program), "inject")
        assert done.returncode == 0, (host.units / "one.out").read_text()
        assert [row[0] for row in server18.execute(asks)] == [USER]
        done = called(host, sys.executable, str(program), "remove")
        assert done.returncode == 0, done.stderr
        assert called(host, sys.executable, str(program), "left").stdout == ""
    finally:
        called(host, "systemctl", "stop", "one.service")
    until(lambda: not list(server18.execute(asks)), what="the session to end")
    assert list(server18.execute("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'oncall-drill-%'")) == []
    server18.execute(f"DROP OWNED BY {USER}")
    server18.execute(f"DROP ROLE {USER}")
