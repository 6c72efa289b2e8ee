# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with a sick PostgreSQL, and the playbook against it in every way it can be called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify

from demo import faults
from demo.postgres import Server

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = ROOT / "incident" / "db-recovery.yml"
#: A python that has another ansible-core: the floor, 2.19 on Python 3.11.
OTHER_PYTHON = "INCIDENT_TEST_OTHER_PYTHON"
#: Ages of a second: nobody waits five minutes in a test.
QUICK: Mapping[str, Any] = {
    "postgres_min_query_age": "1s", "postgres_min_transaction_age": "1s", "postgres_min_idle_in_transaction_age": "1s",
    "postgres_max_percent": 100, "postgres_grace": "1s", "postgres_verify_hold": "500ms", "postgres_verify_timeout": "5s",
    "postgres_connect_retry": "1s", "service_hold": "500ms",
    # test_evidence.py takes them: they cost seconds on a busy machine.
    "evidence_snapshot": False,
    "postgres_thresholds": {
        "idle_in_transaction_warning": "500ms", "idle_in_transaction_critical": "1s", "blocking_warning": "500ms",
        "blocking_critical": "1s", "long_queries_warning": "1s", "long_queries_critical": "2s",
    },
}


@dataclass
class Ended:
    """A finished call and what it left."""

    status: int
    output: str
    home: Path

    @property
    def run_dir(self) -> Path:
        """The one run of the home."""
        (run,) = layout.runs_dir(self.home).iterdir()
        return run

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The recorded events of these types."""
        return [event for event in reader.read(self.run_dir) if event["type"] in kinds]

    def outcomes(self) -> list[str]:
        """The outcomes of all actions that were recorded."""
        return [action["outcome"] for action in self.actions()]

    def actions(self) -> list[dict[str, Any]]:
        """All actions that were recorded."""
        return [event.get("action", event) for event in self.events("action")]

    @property
    def failed(self) -> set[str]:
        """The hosts that ended in a failure, by Ansible's own count."""
        recap = (line.split() for line in self.output.rpartition("PLAY RECAP")[2].splitlines() if " : ok=" in line)
        return {words[0] for words in recap if "failed=0" not in words or "unreachable=0" not in words}

    def plan(self) -> dict[str, Any]:
        """The plan that was recorded."""
        (event,) = self.events("plan")
        found: dict[str, Any] = event["plan"]
        return found

    def tasks(self) -> set[str]:
        """Names of the tasks that ran on a host."""
        return {event["task"].rpartition(" : ")[2] for event in self.events("result") if event["status"] != "skipped"}

    def assert_record_verifies(self) -> None:
        """The chain is whole and nothing is left open."""
        assert list(verify.check(self.run_dir).problems) == []


@dataclass
class Site:
    """Hosts, a home for records, and the server behind them."""

    place: Path
    server: Server
    python: str = sys.executable
    hosts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    runs: int = 0
    #: Where what a run needs for a while is put, and nothing may stay.
    temporary: Path = field(init=False)

    def __post_init__(self) -> None:
        self.group("db", db1={"postgres_login_unix_socket": str(self.server.socket_dir), "postgres_login_port": self.server.port})
        self.group("app")
        self.make_temporary()

    def make_temporary(self) -> None:
        """A short path: Ansible keeps a socket there since 2.21, and pytest's own directories are too deep for one."""
        self.temporary = Path(tempfile.mkdtemp(prefix="oncall-"))
        weakref.finalize(self, shutil.rmtree, self.temporary, ignore_errors=True)

    @property
    def bin(self) -> Path:
        """Where the commands of this Python are."""
        return Path(self.python).parent

    def group(self, name: str, **hosts: Mapping[str, Any]) -> None:
        """Make the hosts of a group; all are this machine."""
        here = {"ansible_connection": "local", "ansible_python_interpreter": self.python}
        self.hosts[name] = {host: {**here, **QUICK, **more} for host, more in hosts.items()}

    def inventory(self) -> Path:
        """Write the inventory."""
        path = self.place / "hosts.json"
        path.write_text(json.dumps({"all": {"children": {name: {"hosts": hosts} for name, hosts in self.hosts.items()}}}))
        return path

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a call: this one, without what other tests or the caller's shell may have set."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "INCIDENT_", "ONCALL_"))}
        self.runs += 1
        wanted = {
            **kept, "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.place),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_CALLBACKS_ENABLED": "oncall.incident.evidence",
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self.place / "ansible"), "TMPDIR": str(self.temporary),
            "ANSIBLE_PIPELINING": "true", "INCIDENT_HOME": str(self.place / f"home{self.runs}"), **more,
        }
        return {name: value for name, value in wanted.items() if value}

    def call(self, argv: Sequence[str], *, cwd: Path | None = None, **environ: str) -> Ended:
        """Run a command to its end."""
        env = self.environment(**environ)
        done = subprocess.run(
            list(argv), cwd=cwd or self.place, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=200, check=False,
        )
        return Ended(status=done.returncode, output=done.stdout, home=Path(env["INCIDENT_HOME"]))

    def play(self, *arguments: str, playbook: str | Path = PLAYBOOK, cwd: Path | None = None, **environ: str) -> Ended:
        """Run the scenario with ansible-playbook."""
        argv = [str(self.bin / "ansible-playbook"), "-i", str(self.inventory()), str(playbook), *arguments]
        return self.call(argv, cwd=cwd, **environ)


@pytest.fixture
def site(tmp_path: Path, server18: Server) -> Site:
    """A site whose database is the shared server."""
    return Site(place=tmp_path, server=server18)


@dataclass
class Sick:
    """The sessions of an incident: who is to be ended, and who is not."""

    root: faults.Held
    waiters: list[faults.Held]

    @property
    def untouched(self) -> bool:
        """Whether everybody is still there."""
        return all(held.alive() for held in (self.root, *self.waiters))


@pytest.fixture
def sick(server18: Server) -> Iterator[Sick]:
    """A session idle in transaction with two waiters behind it, for longer than the tests' ages."""
    chain = faults.lock_chain(server18, depth=2, then_commit=True)
    try:
        age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
        faults.await_sql(server18, age, (chain[0].pid,), what="the root to be old enough")
        yield Sick(root=chain[0], waiters=chain[1:])
    finally:
        faults.close_all(chain)
