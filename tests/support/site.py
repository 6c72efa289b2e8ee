# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place from which tests start Ansible and `incident`: a directory with an inventory, and a bounded call that leaves a record."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import PLACE_VARIABLE
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify

ROOT = Path(__file__).resolve().parents[2]
DOUBLES = ROOT / "tests" / "support" / "doubles"
#: The wrapper of this checkout, for PYTHONPATH.
SRC = str(ROOT / "src")
#: Names a python that has another ansible-core: the floor, 2.19 on Python 3.11.
OTHER_PYTHON = "INCIDENT_TEST_OTHER_PYTHON"
#: A call that takes longer is ended, and the test fails. A play of twenty hosts takes minutes on a busy machine.
SECONDS = 1200


def pythons() -> list[Any]:
    """Parameters of a fixture that runs its tests on each ansible-core there is."""
    other = os.environ.get(OTHER_PYTHON, "")
    skip = pytest.mark.skipif(not other, reason=f"{OTHER_PYTHON} names no python with another ansible-core")
    return [pytest.param(sys.executable, id="this core"), pytest.param(other, id="other core", marks=skip)]


def shell() -> dict[str, str]:
    """This environment, without what the caller's shell or other tests may have set for Ansible and for us."""
    foreign = ("ANSIBLE_", "INCIDENT_", "ONCALL_", "SSH_")
    return {name: value for name, value in os.environ.items() if name == PLACE_VARIABLE or not name.startswith(foreign)}


def environment(place: Path, *, python: str = sys.executable, **more: str) -> dict[str, str]:
    """The environment of ansible-playbook with the recorder.

    Args:
        place: home directory; the record goes to `home` below it.
        python: whose Ansible it is, and the interpreter of hosts that name none.
        more: over these; an empty value unsets one.
    """
    wanted = {
        **shell(), "PATH": f"{Path(python).parent}:{os.environ['PATH']}", "HOME": str(place), "INCIDENT_HOME": str(place / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_CALLBACKS_ENABLED": "oncall.incident.evidence",
        "ANSIBLE_HOME": str(place / "ansible"), "ANSIBLE_PYTHON_INTERPRETER": python, "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_NOCOLOR": "1", **more,
    }
    return {name: value for name, value in wanted.items() if value}


def short_directory(owner: object) -> Path:
    """A directory with a short path, removed with its owner: Ansible keeps a socket in TMPDIR since 2.21, too deep below pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="oncall-"))
    weakref.finalize(owner, shutil.rmtree, made, ignore_errors=True)
    return made


@dataclass(frozen=True)
class Ended:
    """A finished call and what it left.

    Attributes:
        status: its exit status.
        home: where it kept its record.
    """

    status: int
    stdout: str
    stderr: str
    home: Path

    @property
    def output(self) -> str:
        """All that was printed."""
        return self.stdout + self.stderr

    @property
    def said(self) -> str:
        """The output in one line."""
        return " ".join(self.output.split())

    def said_of(self, host: str) -> str:
        """What was shown of one host's tasks, in one line."""
        blocks = re.split(r"^(?=\w+: \[|\[|TASK |PLAY )", self.output, flags=re.MULTILINE)
        ours = [block for block in blocks if re.match(rf"\w+: \[{re.escape(host)}[] ]", block)]
        return " ".join(" ".join(ours).split())

    @property
    def data(self) -> dict[str, Any]:
        """What `incident --json` printed; empty when that is nothing."""
        return dict(json.loads(self.stdout)) if self.stdout else {}

    @property
    def run_dir(self) -> Path:
        """The one run of the home."""
        (run,) = layout.runs_dir(self.home).iterdir()
        return run

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The recorded events of these types, or all."""
        return [event for event in reader.read(self.run_dir) if not kinds or event["type"] in kinds]

    def actions(self, host: str | None = None) -> list[dict[str, Any]]:
        """All actions that were recorded, or those of one host."""
        return [event["action"] for event in self.events("action") if host in (None, event["host"])]

    def outcomes(self, host: str | None = None) -> list[str]:
        """Their outcomes, sorted."""
        return sorted(action["outcome"] for action in self.actions(host))

    def spared(self, host: str | None = None) -> set[str]:
        """The addresses that were not to be touched."""
        return {event["protected"]["target"]["address"] for event in self.events("protected") if host in (None, event["host"])}

    def findings(self, phase: str, host: str | None = None) -> dict[str, str]:
        """The status of each check, as a phase judged it last."""
        found = [event for event in self.events("finding") if event.get("phase") == phase and host in (None, event["host"])]
        return {event["finding"]["check"]: event["finding"]["status"] for event in found}

    def plan(self) -> dict[str, Any]:
        """The plan that was recorded."""
        (event,) = self.events("plan")
        return dict(event["plan"])

    def tasks(self, host: str | None = None) -> set[str]:
        """Names of the tasks that ran on a host, or on this one."""
        ran = [event for event in self.events("result") if event["status"] != "skipped" and host in (None, event["host"])]
        return {event["task"].rpartition(" : ")[2] for event in ran}

    def failures(self, host: str) -> str:
        """What the failed tasks of a host said, in one line."""
        said = [str(event["result"].get("msg", "")) for event in self.events("result")
                if event["host"] == host and event["status"] == "failed"]
        return " ".join(" ".join(said).split())

    def recap(self, host: str) -> dict[str, int]:
        """Ansible's count of a host's tasks."""
        (line,) = re.findall(rf"^{re.escape(host)} +: (.*)$", self.stdout, re.MULTILINE)
        return {name: int(count) for name, _, count in (word.partition("=") for word in line.split())}

    def index(self, host: str, kind: str) -> list[dict[str, Any]]:
        """The lines of a kind in the index of what was kept of a host."""
        lines = (self.run_dir / "hosts" / host / "index.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["kind"] == kind]

    @property
    def failed(self) -> set[str]:
        """The hosts that ended in a failure or could not be reached, by Ansible's own count."""
        counts = {host: self.recap(host) for host in re.findall(r"^(\S+) +: ok=", self.stdout, re.MULTILINE)}
        return {host for host, count in counts.items() if count["failed"] or count["unreachable"]}

    def assert_record_verifies(self) -> None:
        """The chain is whole and nothing is left open."""
        problems = list(verify.check(self.run_dir).problems)
        assert problems == [], problems


@dataclass
class Site:
    """Hosts, the scenario that is played against them, and homes for the records: each call has one of its own.

    Attributes:
        place: its directory: inventory, playbooks, homes.
        playbook: what `play` runs: a scenario of this checkout, a path, or a name with a collection's.
        common: variables of every host.
        hosts: variables by group and host.
        python: whose Ansible runs, and the hosts' interpreter.
        prefix: the argv of a program that runs everything elsewhere: `ip netns exec NAME`.
        seconds: a call that takes longer is ended, and the test fails.
        temporary: TMPDIR of the calls; nothing may stay there.
    """

    place: Path
    playbook: str | Path = "db-recovery"
    common: Mapping[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    python: str = sys.executable
    prefix: Sequence[str] = ()
    seconds: float = SECONDS
    runs: int = 0
    temporary: Path = field(init=False)

    def __post_init__(self) -> None:
        self.temporary = short_directory(self)

    @property
    def bin(self) -> Path:
        """Where the commands of this Python are."""
        return Path(self.python).parent

    def group(self, name: str, **hosts: Mapping[str, Any]) -> None:
        """Make the hosts of a group; all are this machine."""
        here = {"ansible_connection": "local", "ansible_python_interpreter": self.python}
        self.hosts[name] = {host: {**here, **self.common, **more} for host, more in hosts.items()}

    def inventory(self) -> Path:
        """Write the inventory."""
        path = self.place / "hosts.json"
        path.write_text(json.dumps({"all": {"children": {name: {"hosts": hosts} for name, hosts in self.hosts.items()}}}))
        return path

    def book(self, tasks: Sequence[Mapping[str, Any]], *, hosts: str = "all", **more: Any) -> Path:
        """Write a playbook of one play; `more` are further keys of the play."""
        path = self.place / "play.json"
        path.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "tasks": list(tasks), **more}]))
        return path

    def approve(self, plan: Mapping[str, Any], *, mode: int = 0o600) -> str:
        """A plan as the file that carries an approval."""
        path = self.place / "plan.json"
        path.write_text(json.dumps(plan))
        path.chmod(mode)
        return str(path)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of the next call, with a home of its own."""
        self.runs += 1
        own = {"TMPDIR": str(self.temporary), "INCIDENT_HOME": str(self.place / f"home{self.runs}")}
        return environment(self.place, python=self.python, **{**own, **more})

    def call(
        self, argv: Sequence[str], *, cwd: Path | None = None, stdin: str | None = None, preexec_fn: Callable[[], None] | None = None,
        **environ: str,
    ) -> Ended:
        """Run a command to its end."""
        env = self.environment(**environ)
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(
            [*self.prefix, *argv], cwd=cwd or self.place, env=env, text=True, capture_output=True, timeout=self.seconds, check=False,
            preexec_fn=preexec_fn, **given,
        )
        return Ended(status=done.returncode, stdout=done.stdout, stderr=done.stderr, home=Path(env["INCIDENT_HOME"]))

    def play(
        self, *arguments: str, playbook: str | Path | None = None, variables: Mapping[str, Any] | None = None, **environ: str,
    ) -> Ended:
        """Run the scenario, or another playbook, with ansible-playbook."""
        wanted = playbook or self.playbook
        if isinstance(wanted, str) and "." not in wanted:
            wanted = ROOT / "incident" / f"{wanted}.yml"
        argv = [str(self.bin / "ansible-playbook"), "-i", str(self.inventory()), str(wanted), *arguments, *_extra(variables)]
        return self.call(argv, **environ)

    def command(self, *arguments: str, variables: Mapping[str, Any] | None = None) -> list[str]:
        """The argv of `incident run` for the scenario; it needs SRC in PYTHONPATH."""
        run = [self.python, "-m", "oncall_incident", "run", str(self.playbook), "-i", str(self.inventory())]
        return [*run, *arguments, *_extra(variables)]

    def incident(self, *arguments: str, variables: Mapping[str, Any] | None = None, **environ: str) -> Ended:
        """Run the scenario with the wrapper."""
        return self.call(self.command(*arguments, variables=variables), PYTHONPATH=SRC, **environ)


def _extra(variables: Mapping[str, Any] | None) -> list[str]:
    return ["-e", json.dumps(variables)] if variables else []
