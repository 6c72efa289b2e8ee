# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as Ansible takes them: of this machine, by every way an output can come, and when something is in the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, stated, verify

from oncall_incident.reporting import run as report
from tests.support.need import need
from tests.support.site import ROOT, Ended, Site

SECRET = "zeppelin-quartz-91"
EXPENSIVE = ("open_files",)  # of a busy machine
MEBIBYTE = 1 << 20


class Snapped(Site):
    """A host, and the one run that was made there.

    Attributes:
        host: its name.
        variables: its variables, over those of this machine.
    """

    def __init__(self, place: Path, host: str = "db1.example.org") -> None:
        super().__init__(place)
        self.host = host
        self.variables: dict[str, Any] = {}

    def environment(self, **more: str) -> dict[str, str]:
        """With one home, and nothing else of the run in its directory."""
        return super().environment(**{
            "INCIDENT_HOME": str(self.place / "home"), "ANSIBLE_HOME": str(self.temporary / "ansible"), "ANSIBLE_PIPELINING": "", **more,
        })

    def take(self, *tasks: Mapping[str, Any], check: bool = True, **environ: str) -> Ended:
        """Run tasks."""
        self.group("servers", **{self.host: self.variables})
        return self.play(*(["--check"] if check else []), playbook=self.book(tasks), **environ)

    @property
    def run_dir(self) -> Path:
        (run,) = layout.runs_dir(self.place / "home").iterdir()
        return run

    def index(self, kind: str = "item") -> list[dict[str, Any]]:
        """Lines of the host's index."""
        (path,) = (self.run_dir / "hosts").glob("*/index.jsonl")
        return [line for line in map(json.loads, path.read_text().splitlines()) if line["kind"] == kind]

    def results(self) -> list[dict[str, Any]]:
        """What the tasks returned, as it was recorded."""
        return [event["result"] for event in reader.read(self.run_dir) if event["type"] == "result"]


@pytest.fixture
def site(tmp_path: Path) -> Snapped:
    return Snapped(tmp_path)


def snapshot(**args: Any) -> dict[str, Any]:
    # The machine may be busy with other tests.
    patient = {"budget": "120s", "command_timeout": "60s"}
    return {"name": "Take it", "oncall.incident.snapshot": {"skip": list(EXPENSIVE), "local": True, **patient, **args}}


def machine(line: Mapping[str, Any]) -> dict[str, Any]:
    """What a line or a result says of the machine that answered."""
    said: dict[str, Any] = line["machine"]
    return said


def test_nothing_of_the_controller_is_kept_under_another_name(site: Snapped) -> None:
    """A local connection, as an inventory of port-forwards has it."""
    taking = {"name": "Take it", "oncall.incident.snapshot": {"part": "rest", "files": ["/etc/hostname"]}}
    done = site.take(
        {"name": "Take it", "oncall.incident.snapshot": {}}, taking,
        {"name": "Go on", "ansible.builtin.debug": {"msg": "the run goes on"}}, check=False,
    )
    assert done.status == 0, done.output
    assert "the run goes on" in done.output
    first, rest, _debug = site.results()
    for result in (first, rest):
        assert (result["collected"], result["refused"], "entries" in result) == (False, "controller", False)
        assert "db1.example.org" in result["reason"] and os.uname().nodename in result["reason"] and "evidence_local" in result["reason"]
        assert machine(result)["controller"] is True
    assert [(line["part"], machine(line)["hostname"]) for line in site.index("refused")] == [
        ("first", os.uname().nodename), ("rest", os.uname().nodename)
    ]
    assert [path.name for path in (site.run_dir / "hosts/db1.example.org").iterdir()] == ["index.jsonl"], "none of its outputs"
    assert not list(site.temporary.glob("oncall-snapshot-*"))
    assert stated.check_run(site.run_dir).status == verify.OK
    text = report.render(site.run_dir)
    assert "**not kept** of db1.example.org" in text and os.uname().nodename in text
    assert "not kept" in report.render(site.run_dir, "html")


def test_a_task_delegated_to_the_controller(site: Snapped) -> None:
    """Another host's task that runs here."""
    site.variables = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1"}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    done = site.take({**snapshot(local=False), "delegate_to": "localhost", "vars": here})
    assert done.status == 0, done.output
    (result,) = site.results()
    assert result["refused"] == "controller"


@pytest.mark.parametrize(("programs", "refused"), [((), "unknown"), (("uname",), "controller")])
def test_a_machine_that_tells_little_or_nothing_of_itself(site: Snapped, programs: tuple[str, ...], refused: str) -> None:
    """A shell that finds no cat and no readlink: no boot id, no machine id, and without uname no name."""
    found = site.place / "programs"
    found.mkdir()
    for name in programs:
        (found / name).symlink_to(str(shutil.which(name)))
    shell = site.place / "shell"
    shell.write_text(f"#!/bin/sh\ncase $2 in *machine_id*) PATH={found};; esac\nexec /bin/sh \"$@\"\n")
    shell.chmod(0o700)
    site.variables = {**site.variables, "ansible_shell_executable": str(shell)}
    done = site.take(snapshot(only=["load"], local=False), snapshot(only=["load"], part="rest"))
    assert done.status == 0, done.output
    kept_not, kept = site.results()
    assert (kept_not["collected"], kept_not["refused"], "entries" in kept_not) == (False, refused, False)
    assert "db1.example.org" in kept_not["reason"] and "evidence_local" in kept_not["reason"]
    assert machine(kept_not) == ({"hostname": os.uname().nodename, "controller": True} if programs else {})
    assert kept["collected"] is True, "where it is allowed"


@pytest.mark.parametrize("host", ["localhost", os.uname().nodename])
def test_a_machine_that_is_called_what_it_is(tmp_path: Path, host: str) -> None:
    site = Snapped(tmp_path, host)
    done = site.take(snapshot(only=["load"], local=False))
    assert done.status == 0, done.output
    (result,) = site.results()
    assert result["collected"] is True and machine(result)["controller"] is True


def test_the_controller_where_it_is_meant(site: Snapped) -> None:
    done = site.take(snapshot(only=["load"], local=True))
    assert done.status == 0, done.output
    (result,) = site.results()
    (begin,) = site.index("begin")
    identity = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert result["collected"] is True and "refused" not in result
    for said in (machine(result), machine(begin)):
        assert (said["controller"], said["boot_id"], said["hostname"]) == (True, identity, os.uname().nodename)
        assert said.get("machine_id", "") == Path("/etc/machine-id").read_text().strip()
    assert f"kept of db1.example.org: what {os.uname().nodename} says" in report.render(site.run_dir).replace("\\", "")
    index = (site.run_dir / result["index"]["path"]).read_bytes()
    assert (len(index), hashlib.sha256(index).hexdigest()) == (result["index"]["bytes"], result["index"]["sha256"])


def test_what_the_record_states_of_the_outputs_is_checked(site: Snapped) -> None:
    done = site.take(snapshot(only=["load", "memory", "disk_space"]), snapshot(only=["mounts"], once=False))
    assert done.status == 0, done.output
    assert stated.check_run(site.run_dir).status == verify.OK
    index = site.run_dir / "hosts/db1.example.org/index.jsonl"
    whole = index.read_bytes()

    def problems() -> list[str]:
        report = stated.check_run(site.run_dir)
        assert report.status == (verify.BROKEN if report.problems else verify.OK)
        return [problem.message for problem in report.problems]

    # Words that no other statement repeats.
    index.write_bytes(whole.replace(b'"clock_offset":', b'"clock_0ffset":', 1))
    assert "hosts/db1.example.org/index.jsonl: event " in problems()[0] and "at its beginning" in problems()[0]
    index.write_bytes(whole[:-200])
    assert problems()
    # A run that was killed has lines that no result states yet.
    index.write_bytes(whole + b'{"kind":"begin"}\n')
    left = stated.check_run(site.run_dir)
    assert left.status == verify.INCOMPLETE and [problem.kind for problem in left.problems] == [stated.UNSTATED]
    index.write_bytes(whole)
    (site.run_dir / "hosts/db1.example.org/30-mem/memory.txt").write_bytes(b"plenty\n")
    assert problems() and "30-mem/memory.txt" in problems()[0]


def test_a_host_with_processes_of_its_own_on_the_same_kernel(site: Snapped) -> None:
    """As a container is: the same boot id, and here the same machine id as well, since images are cloned with theirs."""
    need(os.geteuid() == 0 and shutil.which("unshare") and shutil.which("nsenter"), "unshare and nsenter as root")
    waiting = "hostname db1; echo ready; exec sleep 600"
    holder = subprocess.Popen(
        ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", waiting],
        stdout=subprocess.PIPE, text=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "ready\n"
        (inside,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        site.variables = {"ansible_shell_executable": str(site.place / "inside")}
        (site.place / "inside").write_text(f'#!/bin/sh\nexec nsenter --target {inside} --mount --uts --pid /bin/sh "$@"\n')
        (site.place / "inside").chmod(0o755)
        done = site.take(snapshot(only=["processes", "load"], local=False))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert done.status == 0, done.output
    (result,) = site.results()
    said = machine(result)
    assert result["collected"] is True and said["controller"] is False and said["hostname"] == "db1"
    assert said["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert said["pid_namespace"] != os.readlink("/proc/self/ns/pid")


def test_everything_about_a_host_in_check_mode(site: Snapped) -> None:
    secret = subprocess.Popen(["sh", "-c", f"sleep 300; : --password={SECRET}"])
    try:
        done = site.take(snapshot(since="2026-01-02T03:04:05Z"))
    finally:
        secret.kill()
        secret.wait()
    assert done.status == 0, done.output
    items = site.index()
    taken = [item for item in items if item["status"] == "collected"]
    assert {"processes", "memory", "mounts", "disk_space", "load", "system"} <= {item["name"] for item in taken}
    assert [item["folder"] for item in items] == sorted(item["folder"] for item in items)
    for item in taken:
        data = (site.run_dir / item["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (item["sha256"], item["bytes"]) and item["intact"]
        assert item["argv"] and isinstance(item["rc"], int) and "stderr" in item
        assert item["started"]["host_clock"] <= item["ended"]["host_clock"] and item["started"]["our_clock"] <= item["ended"]["our_clock"]
    assert all(item["reason"] for item in items if item["status"] != "collected")
    (begin,) = site.index("begin")
    assert abs(begin["clock_offset"]) <= begin["clock_uncertainty"] + 1 and begin["check_mode"] is True
    processes = next(site.run_dir / item["path"] for item in taken if item["name"] == "processes").read_text(errors="replace")
    assert "sleep 300" in processes and SECRET not in processes and "[redacted:" in processes
    (result,) = site.results()
    assert len(json.dumps(result)) < 64 << 10 and {item["sha256"] for item in result["entries"] if "sha256" in item} == {
        item["sha256"] for item in taken
    }
    assert verify.check(site.run_dir).status == verify.OK
    assert not list(site.temporary.glob("oncall-snapshot-*")) and not list(site.temporary.rglob("snapshot-*"))


def test_a_second_one_is_not_taken_and_the_rest_is_what_was_deferred(site: Snapped) -> None:
    log = site.place / "big.log"
    log.write_text("".join(f"line {number} password={SECRET}\n" for number in range(1000)))
    done = site.take(
        snapshot(budget="0s"),
        snapshot(),
        snapshot(part="rest", files=[str(log)]),
        snapshot(part="rest", files=[str(log)]),
    )
    assert done.status == 0, done.output
    first, second, rest, again = site.results()
    assert len(first["deferred"]) > 20 and not first["collected"]
    assert second["reason"] == "It was taken before in this run." and again["reason"] == "Nothing was left to take."
    assert rest["collected"] and rest["deferred"] == [] and {item["name"] for item in rest["entries"]} >= set(first["deferred"])
    (kept,) = [site.run_dir / item["path"] for item in site.index() if item["name"].startswith("log01_")]
    text = kept.read_text()
    assert text.count("\n") == 1000 and SECRET not in text and "line 999" in text


def test_only_the_end_of_a_big_log_is_taken(site: Snapped) -> None:
    log = site.place / "big.log"
    log.write_text("old old old\n" * 300_000 + "the last line\n")
    done = site.take(snapshot(part="rest", files=[str(log)], only=["memory"], max_file_mib=1))
    assert done.status == 0, done.output
    (item,) = [item for item in site.index() if item["name"].startswith("log01_")]
    assert item["truncated"] and item["intact"] and item["bytes"] == MEBIBYTE and item["offset"] == log.stat().st_size - MEBIBYTE
    assert (site.run_dir / item["path"]).read_text().endswith("the last line\n")


def test_as_another_user_the_output_comes_in_pieces(site: Snapped) -> None:
    need(os.geteuid() == 0 and shutil.which("su"), "root, to become somebody else")
    site.variables = {
        "ansible_become": True,
        "ansible_become_user": "nobody",
        "ansible_become_method": "su",
        "ansible_become_flags": "-s /bin/sh",
    }
    readable = Path(tempfile.mkdtemp(prefix="oncall-log-", dir="/tmp"))
    weakref.finalize(site, shutil.rmtree, readable, ignore_errors=True)
    readable.chmod(0o755)
    (readable / "a.log").write_bytes(os.urandom(5 * MEBIBYTE))
    (readable / "a.log").chmod(0o644)
    site.variables["ansible_remote_tmp"] = str(readable / "tmp")
    site.variables["ansible_shell_allow_world_readable_temp"] = True
    (readable / "tmp").mkdir()
    (readable / "tmp").chmod(0o777)
    site.variables["ansible_python_interpreter"] = "/usr/bin/python3"
    need(Path("/usr/bin/python3").exists(), "a Python that everybody may run")
    # Its outputs wait in a directory of this test's own: others use the system's at the same time.
    done = site.take({
        **snapshot(part="rest", files=[str(readable / "a.log")]), "environment": {"TMPDIR": str(readable / "tmp")},
    })
    assert done.status == 0, done.output
    items = {item["name"].partition("_")[0]: item for item in site.index()}
    assert items.get("log01", {}).get("status") == "collected", [line["reason"] for line in site.index("failure")]
    assert items["log01"]["intact"] and items["log01"]["received_bytes"] == 5 * MEBIBYTE
    assert items["memory"]["intact"], items["memory"]
    assert list((readable / "tmp").iterdir()) == [], "neither Ansible's directory nor one of ours is left"


@pytest.mark.parametrize("host", ["../../../escaped", "/etc/x", "a b$(touch x)", "-rf"])
def test_no_host_name_leaves_the_run(site: Snapped, host: str) -> None:
    site.host = host
    done = site.take(snapshot(only=["memory"]))
    assert done.status == 0, done.output
    (item,) = site.index()
    (folder,) = (site.run_dir / "hosts").iterdir()
    # Each of what is kept is there once, whatever the name would lead to; ".ansible" is Ansible's own, if it makes one.
    assert site.run_dir / item["path"] == folder / "30-mem" / "memory.txt"
    assert list(site.place.rglob("memory.txt")) == [folder / "30-mem" / "memory.txt"]
    assert list(site.place.rglob("index.jsonl")) == [folder / "index.jsonl"]
    assert {path.name for path in site.place.iterdir()} - {".ansible"} == {"home", "hosts.json", "play.json"}
    assert not list(site.place.rglob("x")) and not Path("/etc/x").exists()


@pytest.mark.parametrize("trouble", ["unreachable", "no_python", "full"])
def test_trouble_is_written_down_and_stops_nothing(site: Snapped, trouble: str) -> None:
    if trouble == "unreachable":
        # Nobody listens on the discard port of this machine's own loopback network.
        site.variables = {
            "ansible_connection": "ssh",
            "ansible_host": "127.7.7.7",
            "ansible_port": 9,
            "ansible_ssh_common_args": "-o BatchMode=yes",
        }
    elif trouble == "no_python":
        site.variables = {"ansible_python_interpreter": "/no/such/python"}
    else:
        site.variables = {"ansible_remote_tmp": "/proc/no-place"}
    done = site.take(snapshot(only=["memory"]), {"name": "Go on", "ansible.builtin.debug": {"msg": "went on"}})
    assert done.status == 0, done.output
    result = site.results()[0]
    assert not result["collected"] and result["reason"] and "went on" in done.output


def test_bad_input_is_named(site: Snapped) -> None:
    done = site.take(snapshot(units=["--vacuum-size=1"]))
    assert done.status != 0 and "is not the name of a systemd unit" in done.output


def test_without_a_record_there_is_no_place(site: Snapped) -> None:
    going_on = {"name": "Go on", "ansible.builtin.debug": {"msg": "went on"}}
    done = site.take(snapshot(only=["memory"]), going_on, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.status == 0 and "went on" in done.output and not (site.place / "home").exists()


def test_a_place_can_be_named(site: Snapped) -> None:
    dest = site.place / "elsewhere"
    done = site.take(snapshot(only=["memory"], dest=str(dest)), ANSIBLE_CALLBACKS_ENABLED="")
    assert done.status == 0, done.output
    assert (dest / "hosts" / site.host / "30-mem" / "memory.txt").stat().st_size > 100


def peak(site: Snapped, log: Path) -> int:
    """Bytes that the largest process of taking a log needed at most."""
    args = {"local": True, "part": "rest", "files": [str(log)], "only": ["memory"], "max_file_mib": 4096}
    task = json.dumps({"name": "Take it", "oncall.incident.snapshot": args})
    program = (
        "import json, resource, sys; from pathlib import Path\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
        "import test_snapshot as t\n"
        f"done = t.Snapped(Path({str(site.place)!r})).take(json.loads({task!r}))\n"
        "assert done.status == 0, done.output\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=280, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_memory_does_not_grow_with_a_log(tmp_path: Path) -> None:
    sizes = {}
    for name, mebibytes in (("small", 1), ("large", 192)):
        place = tmp_path / name
        place.mkdir()
        with (place / "a.log").open("wb") as file:
            for _number in range(mebibytes):
                file.write(b"2026-01-02T03:04:05Z api a line of an ordinary log, 64 bytes....\n" * (MEBIBYTE // 65))
        sizes[name] = peak(Snapped(place), place / "a.log")
    assert sizes["large"] < sizes["small"] + 64 * MEBIBYTE, sizes
