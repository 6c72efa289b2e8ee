# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as Ansible takes them: of this machine, by every way an output can come, and when something is in the way.

Starting Ansible is what costs, so most tests read one run in which each host has a play of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader, stated, verify

from oncall_incident.reporting import run as report
from tests.support.need import need
from tests.support.site import ROOT, Ended, Site

pytestmark = pytest.mark.timeout(900)
SECRET = "zeppelin-quartz-91"
MEBIBYTE = 1 << 20
NODE = os.uname().nodename
#: Names that would lead out of the run's directory, or into a shell.
HOSTILE = ("../../../escaped", "/etc/x", "a b$(touch x)", "-rf")
#: What a host has whose snapshot cannot be taken.
TROUBLE: Mapping[str, Mapping[str, Any]] = {
    # Nobody listens on the discard port of this machine's own loopback network.
    "unreachable": {
        "ansible_connection": "ssh", "ansible_host": "127.7.7.7", "ansible_port": 9, "ansible_ssh_common_args": "-o BatchMode=yes",
    },
    "no_python": {"ansible_python_interpreter": "/no/such/python"},
    "full": {"ansible_remote_tmp": "/proc/no-place"},
}
#: The programs of machines that tell little or nothing of themselves, and why nothing of them is kept.
SILENT: Mapping[str, tuple[tuple[str, ...], str]] = {"silent": ((), "unknown"), "taciturn": (("uname",), "controller")}


def snapshot(**args: Any) -> dict[str, Any]:
    """The task that takes one. The machine may be busy with other tests."""
    patient = {"budget": "120s", "command_timeout": "60s"}
    return {"name": "Take it", "oncall.incident.snapshot": {"skip": ["open_files"], "local": True, **patient, **args}}


def going_on() -> dict[str, Any]:
    """A task that shows that nothing was stopped."""
    return {"name": "Go on", "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} goes on"}}


def machine(line: Mapping[str, Any]) -> dict[str, Any]:
    """What a line or a result says of the machine that answered."""
    said: dict[str, Any] = line["machine"]
    return said


@dataclasses.dataclass(frozen=True)
class Host:
    """What a run left of one host."""

    name: str
    done: Ended
    run_dir: Path

    @property
    def failed(self) -> bool:
        """Whether Ansible says that one of its tasks did."""
        return self.name in self.done.failed

    def results(self) -> list[dict[str, Any]]:
        """What its tasks returned, as it was recorded."""
        return [event["result"] for event in reader.read(self.run_dir) if event["type"] == "result" and event["host"] == self.name]

    @property
    def folder(self) -> Path:
        """Where its outputs are, as the record says it where the name may not be used."""
        found = [result["index"]["path"] for result in self.results() if "index" in result]
        return (self.run_dir / found[0]).parent if found else self.run_dir / "hosts" / self.name

    def index(self, kind: str = "item") -> list[dict[str, Any]]:
        """Lines of its index."""
        lines = map(json.loads, (self.folder / "index.jsonl").read_text().splitlines())
        return [line for line in lines if line["kind"] == kind]


class Snapped(Site):
    """Hosts that each have a play of their own; nothing else of the run is in its directory."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.plays: list[dict[str, Any]] = []

    def environment(self, **more: str) -> dict[str, str]:
        """With one home."""
        return super().environment(**{
            "INCIDENT_HOME": str(self.place / "home"), "ANSIBLE_HOME": str(self.temporary / "ansible"), "ANSIBLE_PIPELINING": "", **more,
        })

    def add(self, host: str, *tasks: Mapping[str, Any], **variables: Any) -> None:
        """A host and its play. Its group has a name that may stand in a playbook."""
        group = f"group{len(self.plays)}"
        self.group(group, **{host: variables})
        self.plays.append({"name": f"Play of {group}", "hosts": group, "gather_facts": False, "tasks": list(tasks)})

    def take(self, *arguments: str, **environ: str) -> Ended:
        """Run the plays."""
        book = self.place / "play.json"
        book.write_text(json.dumps(self.plays))
        return self.play(*arguments, playbook=book, **environ)


class Kept:
    """The one run of most tests: a check.

    Attributes:
        given: a directory beside the run's: what hosts read and run.
    """

    def __init__(self, stack: ExitStack, place: Path, given: Path) -> None:
        self.stack, self.given = stack, given
        self.site = Snapped(place)
        self.absent: dict[str, str] = {}
        self.add_controllers()
        self.add_logs()
        self.add_another_user()
        self.add_container()
        for host in HOSTILE:
            self.site.add(host, snapshot(only=["memory"]))
        for host, variables in TROUBLE.items():
            self.site.add(host, snapshot(only=["memory"]), going_on(), **variables)
        self.site.add("complete", snapshot(since="2026-01-02T03:04:05Z"))
        # The last one: Ansible ends a playbook after a play of which every host failed.
        self.site.add("wrong", snapshot(units=["--vacuum-size=1"]))
        stack.enter_context(running("sh", "-c", f"sleep 300; : --password={SECRET}"))
        self.done = self.site.take("--check")

    def host(self, name: str) -> Host:
        """What is left of a host; the test is skipped where this machine has not what it needs."""
        need(name not in self.absent, self.absent.get(name, ""))
        return Host(name, self.done, self.done.run_dir)

    def add_controllers(self) -> None:
        """Hosts that are this machine, whether they say so or not."""
        site, here = self.site, {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        # A local connection, as an inventory of port-forwards has it.
        forwarded = [{"oncall.incident.snapshot": {}}, {"oncall.incident.snapshot": {"part": "rest", "files": ["/etc/hostname"]}}]
        site.add("db1.example.org", *({"name": "Take it", "check_mode": False, **task} for task in forwarded), going_on())
        delegated = {**snapshot(local=False), "delegate_to": "localhost", "vars": here}
        site.add("delegating", delegated, ansible_connection="ssh", ansible_host="192.0.2.1")
        for name, (programs, _refused) in SILENT.items():
            found = self.given / name
            found.mkdir()
            for program in programs:
                (found / program).symlink_to(str(shutil.which(program)))
            shell = executable(
                self.given / f"{name}-shell",
                f"#!/bin/sh\ncase $2 in *machine_id*) PATH={found};; esac\nexec /bin/sh \"$@\"\n")
            tasks = (snapshot(only=["load"], local=False), snapshot(only=["load"], part="rest"))
            site.add(name, *tasks, ansible_shell_executable=str(shell))
        for name in ("localhost", NODE):
            site.add(name, snapshot(only=["load"], local=False))
        site.add("meant", snapshot(only=["load"], local=True))
        site.add("stated", snapshot(only=["load", "memory", "disk_space"]), snapshot(only=["mounts"], once=False))

    def add_logs(self) -> None:
        """Hosts with a log."""
        secret, big = self.given / "secret.log", self.given / "big.log"
        secret.write_text("".join(f"line {number} password={SECRET}\n" for number in range(1000)))
        big.write_text("old old old\n" * 300_000 + "the last line\n")
        rest = snapshot(part="rest", files=[str(secret)])
        self.site.add("deferring", snapshot(budget="0s"), snapshot(), rest, rest)
        many = self.given / "many"
        many.mkdir()
        for age in range(4):
            log = many / f"app-{age}.log"
            log.write_text(f"number {age} password={SECRET}\n")
            os.utime(log, (1_700_000_000 - age,) * 2)
        self.site.add("patterned", snapshot(part="rest", files=[f"{many}/*.log", f"{many}/*.gone"], only=["memory"], max_files=2))
        self.site.add("talkative", snapshot(part="rest", files=[str(big)], only=["memory"], max_file_mib=1))

    def add_another_user(self) -> None:
        """A host on which another user takes it: the output comes in pieces."""
        if not (os.geteuid() == 0 and shutil.which("su") and Path("/usr/bin/python3").exists()):
            self.absent["nobodys"] = "root, to become somebody else, and a Python that everybody may run"
            return
        self.readable = Path(tempfile.mkdtemp(prefix="oncall-log-", dir="/tmp"))
        self.stack.callback(shutil.rmtree, self.readable, ignore_errors=True)
        self.readable.chmod(0o755)
        (self.readable / "a.log").write_bytes(os.urandom(5 * MEBIBYTE))
        (self.readable / "a.log").chmod(0o644)
        (self.readable / "tmp").mkdir()
        (self.readable / "tmp").chmod(0o777)
        # Its outputs wait in a directory of this test's own: others use the system's at the same time.
        task = {**snapshot(part="rest", files=[str(self.readable / "a.log")]), "environment": {"TMPDIR": str(self.readable / "tmp")}}
        self.site.add(
            "nobodys", task, ansible_become=True, ansible_become_user="nobody", ansible_become_method="su",
            ansible_become_flags="-s /bin/sh", ansible_remote_tmp=str(self.readable / "tmp"),
            ansible_shell_allow_world_readable_temp=True, ansible_python_interpreter="/usr/bin/python3")

    def add_container(self) -> None:
        """A host with processes of its own on the same kernel."""
        if not (os.geteuid() == 0 and shutil.which("unshare") and shutil.which("nsenter")):
            self.absent["contained"] = "unshare and nsenter as root"
            return
        waiting = "hostname db1; echo ready; exec sleep 600"
        holder = self.stack.enter_context(running(
            "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", waiting))
        assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
        (inside,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        shell = executable(self.given / "inside", f'#!/bin/sh\nexec nsenter --target {inside} --mount --uts --pid /bin/sh "$@"\n')
        self.site.add("contained", snapshot(only=["processes", "load"], local=False), ansible_shell_executable=str(shell))


def executable(path: Path, text: str) -> Path:
    """A program."""
    path.write_text(text)
    path.chmod(0o755)
    return path


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended afterwards."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The run."""
    with ExitStack() as stack:
        yield Kept(stack, tmp_path_factory.mktemp("snapshots"), tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def unrecorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapped, Ended]:
    """A run that nobody records: of a host without a place for what is kept, and of one that has one."""
    site = Snapped(tmp_path_factory.mktemp("unrecorded"))
    site.add("homeless", snapshot(only=["memory"]), going_on())
    site.add("elsewhere", snapshot(only=["memory"], dest=str(site.place / "elsewhere")))
    return site, site.take("--check", ANSIBLE_CALLBACKS_ENABLED="")


def test_nothing_of_the_controller_is_kept_under_another_name(kept: Kept) -> None:
    host = kept.host("db1.example.org")
    assert not host.failed and "db1.example.org goes on" in kept.done.output, kept.done.output
    first, rest, _debug = host.results()
    for result in (first, rest):
        assert (result["collected"], result["refused"], "entries" in result) == (False, "controller", False)
        assert "db1.example.org" in result["reason"] and NODE in result["reason"] and "evidence_local" in result["reason"]
        assert machine(result)["controller"] is True
    assert [(line["part"], machine(line)["hostname"]) for line in host.index("refused")] == [("first", NODE), ("rest", NODE)]
    assert [path.name for path in host.folder.iterdir()] == ["index.jsonl"], "none of its outputs"
    text = report.render(host.run_dir)
    assert "**not kept** of db1.example.org" in text and NODE in text
    assert "not kept" in report.render(host.run_dir, "html")


def test_the_newest_files_of_a_pattern(kept: Kept) -> None:
    host, many = kept.host("patterned"), kept.given / "many"
    items = [item for item in host.index() if item["name"].startswith("log")]
    assert [(item["name"][:8], item["status"], item["reason"]) for item in items] == [
        (items[0]["name"][:8], "collected", f"{many}/*.log: 4 match, 2 taken, 2 older and left out (max_files 2)"),
        ("log01_01", "collected", ""), ("log01_02", "collected", ""),
        (items[3]["name"][:8], "not_available", f"{many}/*.gone: no file matches"),
    ], items
    said, *texts = [(host.run_dir / item["path"]).read_text() for item in items if item["status"] == "collected"]
    assert [text.split(" password")[0] for text in texts] == ["number 0", "number 1"] and SECRET not in "".join(texts)
    assert [line.split()[0] for line in said.splitlines()] == ["taken", "taken", "left_out", "left_out"]
    (result,) = host.results()
    assert [entry["reason"] for entry in result["entries"] if "reason" in entry] == [items[0]["reason"], items[3]["reason"]]


def test_a_task_delegated_to_the_controller(kept: Kept) -> None:
    """Another host's task that runs here."""
    host = kept.host("delegating")
    assert not host.failed, kept.done.output
    (result,) = host.results()
    assert result["refused"] == "controller"


@pytest.mark.parametrize("name", SILENT)
def test_a_machine_that_tells_little_or_nothing_of_itself(kept: Kept, name: str) -> None:
    """A shell that finds no cat and no readlink: no boot id, no machine id, and without uname no name."""
    programs, refused = SILENT[name]
    host = kept.host(name)
    assert not host.failed, kept.done.output
    kept_not, taken = host.results()
    assert (kept_not["collected"], kept_not["refused"], "entries" in kept_not) == (False, refused, False)
    assert name in kept_not["reason"] and "evidence_local" in kept_not["reason"]
    assert machine(kept_not) == ({"hostname": NODE, "controller": True} if programs else {})
    assert taken["collected"] is True, "where it is allowed"


@pytest.mark.parametrize("name", ["localhost", NODE])
def test_a_machine_that_is_called_what_it_is(kept: Kept, name: str) -> None:
    host = kept.host(name)
    assert not host.failed, kept.done.output
    (result,) = host.results()
    assert result["collected"] is True and machine(result)["controller"] is True


def test_the_controller_where_it_is_meant(kept: Kept) -> None:
    host = kept.host("meant")
    assert not host.failed, kept.done.output
    (result,) = host.results()
    (begin,) = host.index("begin")
    identity = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert result["collected"] is True and "refused" not in result
    for said in (machine(result), machine(begin)):
        assert (said["controller"], said["boot_id"], said["hostname"]) == (True, identity, NODE)
        assert said.get("machine_id", "") == Path("/etc/machine-id").read_text().strip()
    assert f"kept of meant: what {NODE} says" in report.render(host.run_dir).replace("\\", "")
    index = (host.run_dir / result["index"]["path"]).read_bytes()
    assert (len(index), hashlib.sha256(index).hexdigest()) == (result["index"]["bytes"], result["index"]["sha256"])


def test_what_the_record_states_of_the_outputs_is_checked(kept: Kept, tmp_path: Path) -> None:
    host = kept.host("stated")
    assert not host.failed, kept.done.output
    run_dir = Path(shutil.copytree(host.run_dir, tmp_path / host.run_dir.name))
    assert stated.check_run(run_dir).status == verify.OK
    index = run_dir / "hosts/stated/index.jsonl"
    whole = index.read_bytes()

    def problems() -> list[str]:
        found = stated.check_run(run_dir)
        assert found.status == (verify.BROKEN if found.problems else verify.OK)
        return [problem.message for problem in found.problems]

    # Words that no other statement repeats.
    index.write_bytes(whole.replace(b'"clock_offset":', b'"clock_0ffset":', 1))
    assert "hosts/stated/index.jsonl: event " in problems()[0] and "at its beginning" in problems()[0]
    index.write_bytes(whole[:-200])
    assert problems()
    # A run that was killed has lines that no result states yet.
    index.write_bytes(whole + b'{"kind":"begin"}\n')
    left = stated.check_run(run_dir)
    assert left.status == verify.INCOMPLETE and [problem.kind for problem in left.problems] == [stated.UNSTATED]
    index.write_bytes(whole)
    (run_dir / "hosts/stated/30-mem/memory.txt").write_bytes(b"plenty\n")
    assert problems() and "30-mem/memory.txt" in problems()[0]


def test_a_host_with_processes_of_its_own_on_the_same_kernel(kept: Kept) -> None:
    """As a container is: the same boot id, and here the same machine id as well, since images are cloned with theirs."""
    host = kept.host("contained")
    assert not host.failed, kept.done.output
    (result,) = host.results()
    said = machine(result)
    assert result["collected"] is True and said["controller"] is False and said["hostname"] == "db1"
    assert said["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert said["pid_namespace"] != os.readlink("/proc/self/ns/pid")


def test_everything_about_a_host_in_check_mode(kept: Kept) -> None:
    host = kept.host("complete")
    assert not host.failed, kept.done.output
    items = host.index()
    taken = [item for item in items if item["status"] == "collected"]
    assert {"processes", "memory", "mounts", "disk_space", "load", "system"} <= {item["name"] for item in taken}
    assert [item["folder"] for item in items] == sorted(item["folder"] for item in items)
    for item in taken:
        data = (host.run_dir / item["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (item["sha256"], item["bytes"]) and item["intact"]
        assert item["argv"] and isinstance(item["rc"], int) and "stderr" in item
        assert item["started"]["host_clock"] <= item["ended"]["host_clock"] and item["started"]["our_clock"] <= item["ended"]["our_clock"]
    assert all(item["reason"] for item in items if item["status"] != "collected")
    (begin,) = host.index("begin")
    assert abs(begin["clock_offset"]) <= begin["clock_uncertainty"] + 1 and begin["check_mode"] is True
    processes = next(host.run_dir / item["path"] for item in taken if item["name"] == "processes").read_text(errors="replace")
    assert "sleep 300" in processes and SECRET not in processes and "[redacted:" in processes
    (result,) = host.results()
    assert len(json.dumps(result)) < 64 << 10 and {item["sha256"] for item in result["entries"] if "sha256" in item} == {
        item["sha256"] for item in taken
    }


def test_the_record_is_whole_and_nothing_is_left_behind(kept: Kept) -> None:
    """Of all hosts."""
    assert verify.check(kept.done.run_dir).status == verify.OK
    assert stated.check_run(kept.done.run_dir).status == verify.OK
    assert not list(kept.site.temporary.glob("oncall-snapshot-*")) and not list(kept.site.temporary.rglob("snapshot-*"))


def test_a_second_one_is_not_taken_and_the_rest_is_what_was_deferred(kept: Kept) -> None:
    host = kept.host("deferring")
    assert not host.failed, kept.done.output
    first, second, rest, again = host.results()
    assert len(first["deferred"]) > 20 and not first["collected"]
    assert second["reason"] == "It was taken before in this run." and again["reason"] == "Nothing was left to take."
    assert rest["collected"] and rest["deferred"] == [] and {item["name"] for item in rest["entries"]} >= set(first["deferred"])
    (path,) = [host.run_dir / item["path"] for item in host.index() if item["name"].startswith("log01_")]
    text = path.read_text()
    assert text.count("\n") == 1000 and SECRET not in text and "line 999" in text


def test_only_the_end_of_a_big_log_is_taken(kept: Kept) -> None:
    host = kept.host("talkative")
    assert not host.failed, kept.done.output
    (item,) = [item for item in host.index() if item["name"].startswith("log01_")]
    size = (kept.given / "big.log").stat().st_size
    assert item["truncated"] and item["intact"] and item["bytes"] == MEBIBYTE and item["offset"] == size - MEBIBYTE
    assert (host.run_dir / item["path"]).read_text().endswith("the last line\n")


def test_as_another_user_the_output_comes_in_pieces(kept: Kept) -> None:
    host = kept.host("nobodys")
    assert not host.failed, kept.done.output
    items = {item["name"].partition("_")[0]: item for item in host.index()}
    assert items.get("log01", {}).get("status") == "collected", [line["reason"] for line in host.index("failure")]
    assert items["log01"]["intact"] and items["log01"]["received_bytes"] == 5 * MEBIBYTE
    assert items["memory"]["intact"], items["memory"]
    assert list((kept.readable / "tmp").iterdir()) == [], "neither Ansible's directory nor one of ours is left"


@pytest.mark.parametrize("name", HOSTILE)
def test_no_host_name_leaves_the_run(kept: Kept, name: str) -> None:
    host = kept.host(name)
    assert host.results()[0]["collected"] is True, kept.done.output
    (item,) = host.index()
    folder = host.folder
    assert folder.parent == host.run_dir / "hosts" and folder in folder.parent.iterdir()
    assert host.run_dir / item["path"] == folder / "30-mem" / "memory.txt"
    # What is kept is nowhere else, whatever the name would lead to; ".ansible" is Ansible's own, if it makes one.
    place = kept.site.place
    assert {path.parents[2] for path in place.rglob("memory.txt")} | {path.parents[1] for path in place.rglob("index.jsonl")} == {
        host.run_dir / "hosts"}
    assert {path.name for path in place.iterdir()} - {".ansible"} == {"home", "hosts.json", "play.json"}
    assert not list(place.rglob("x")) and not Path("/etc/x").exists()


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_is_written_down_and_stops_nothing(kept: Kept, trouble: str) -> None:
    host = kept.host(trouble)
    assert not host.failed, kept.done.output
    result = host.results()[0]
    assert not result["collected"] and result["reason"] and f"{trouble} goes on" in kept.done.output


def test_bad_input_is_named(kept: Kept) -> None:
    assert kept.done.status == 2 and kept.host("wrong").failed
    assert "is not the name of a systemd unit" in kept.done.failures("wrong")
    assert "is not the name of a systemd unit" in kept.done.said


def test_without_a_record_there_is_no_place(unrecorded: tuple[Snapped, Ended]) -> None:
    site, done = unrecorded
    assert done.status == 0 and "homeless goes on" in done.output and not (site.place / "home").exists()


def test_a_place_can_be_named(unrecorded: tuple[Snapped, Ended]) -> None:
    site, done = unrecorded
    assert done.status == 0, done.output
    assert [path.name for path in (site.place / "elsewhere" / "hosts").iterdir()] == ["elsewhere"]
    assert (site.place / "elsewhere" / "hosts" / "elsewhere" / "30-mem" / "memory.txt").stat().st_size > 100


def peak(site: Snapped, log: Path) -> int:
    """Bytes that the largest process of taking a log needed at most."""
    args = {"local": True, "part": "rest", "files": [str(log)], "only": ["memory"], "max_file_mib": 4096}
    task = json.dumps({"name": "Take it", "oncall.incident.snapshot": args})
    program = (
        "import json, resource, sys; from pathlib import Path\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
        "import test_snapshot as t\n"
        f"site = t.Snapped(Path({str(site.place)!r}))\n"
        f"site.add('db1', json.loads({task!r}))\n"
        "done = site.take('--check')\n"
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
