# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose packet filter is a network namespace's, the scenarios against it, and clients on the other end of a wire."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify

from tests.support.fail2ban import Fail2ban
from tests.support.netns import Namespace, peer_of

ROOT = Path(__file__).resolve().parents[3]
#: Seconds where a person would wait minutes.
QUICK: Mapping[str, Any] = {
    "fail2ban_verify_hold": "500ms", "fail2ban_verify_timeout": "30s", "fail2ban_connect_timeout": "2s",
    # tests/integration/snapshot takes them: they cost seconds on a busy machine.
    "evidence_snapshot": False,
}
#: Where it is not to hold, nobody waits for it.
IN_VAIN: Mapping[str, Any] = {"fail2ban_verify_timeout": "1s"}
#: A service: says hello on every port of its arguments, until it is ended.
SERVICE = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    chosen.register(server, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _events in chosen.select():
        key.fileobj.accept()[0].close()
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=2, source_address=(sys.argv[1], 0)).close()
except OSError as exc:
    sys.exit(str(exc))
"""


@dataclass
class Ended:
    """A finished call and what it left."""

    status: int
    output: str
    home: Path

    @property
    def said(self) -> str:
        """The output in one line."""
        return " ".join(self.output.split())

    @property
    def run_dir(self) -> Path:
        """The one run of the home."""
        (run,) = layout.runs_dir(self.home).iterdir()
        return run

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The recorded events of these types."""
        return [event for event in reader.read(self.run_dir) if event["type"] in kinds]

    def actions(self, host: str | None = None) -> list[dict[str, Any]]:
        """All actions that were recorded, or those of one host."""
        return [event["action"] for event in self.events("action") if host in (None, event["host"])]

    def outcomes(self, host: str | None = None) -> list[str]:
        """Their outcomes."""
        return sorted(action["outcome"] for action in self.actions(host))

    def spared(self, host: str | None = None) -> set[str]:
        """The addresses that were not to be touched."""
        return {event["protected"]["target"]["address"] for event in self.events("protected") if host in (None, event["host"])}

    def recap(self, host: str) -> dict[str, int]:
        """Ansible's count of a host's tasks."""
        (line,) = re.findall(rf"^{host} +: (.*)$", self.output, re.MULTILINE)
        return {name: int(count) for name, _, count in (word.partition("=") for word in line.split())}

    @property
    def failed(self) -> set[str]:
        """The hosts that ended in a failure."""
        hosts = re.findall(r"^(\S+) +: ok=", self.output, re.MULTILINE)
        return {host for host in hosts if self.recap(host)["failed"]}

    def findings(self, phase: str, host: str | None = None) -> dict[str, str]:
        """Worst status by check, as a phase judged it last."""
        found = [event for event in self.events("finding") if event.get("phase") == phase and host in (None, event["host"])]
        return {event["finding"]["check"]: event["finding"]["status"] for event in found}

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
class PlaySite:
    """Hosts whose firewall and daemon are those of the namespace; records go to homes of their own.

    Attributes:
        host: the variables of all of them.
        hosts: what each has besides. One play with several hosts costs much less than several plays with one.
        others: hosts that are elsewhere.
    """

    server: Fail2ban
    place: Path
    host: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=lambda: {"fw1": {}})
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: int = 0
    temporary: Path = field(init=False)

    def __post_init__(self) -> None:
        self.temporary = Path(tempfile.mkdtemp(prefix="oncall-"))
        weakref.finalize(self, shutil.rmtree, self.temporary, ignore_errors=True)
        self.host = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "fail2ban_socket": str(self.server.socket),
            "fail2ban_client_command": self.server.client_command, "fail2ban_backend": "fail2ban", **QUICK, **self.host,
        }

    @property
    def net(self) -> Namespace:
        """The namespace of the host."""
        return self.server.net

    def rules(self) -> str:
        """Everything the packet filter holds, without counters, and the routes, without those that the kernel makes by itself."""
        filters = self.net.run("nft", "-s", "list", "ruleset")
        routes = self.net.run("ip", "route", "show", "table", "all") + self.net.run("ip", "-6", "route", "show", "table", "all")
        return filters + "\n".join(line for line in routes.splitlines() if "proto kernel" not in line)

    def state(self) -> tuple[str, str]:
        """The packet filter and the daemon's answer: what a check must leave alone."""
        return self.rules(), self.server.client("banned")

    def inventory(self) -> Path:
        """Write the inventory."""
        path = self.place / "hosts.json"
        ours = {name: {**self.host, **more} for name, more in self.hosts.items()}
        hosts = {"firewall": {"hosts": ours}, "other": {"hosts": self.others}}
        path.write_text(json.dumps({"all": {"children": hosts}}))
        return path

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a call: this one, without what other tests or the caller's shell may have set."""
        foreign = ("ANSIBLE_", "INCIDENT_", "ONCALL_", "SSH_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.runs += 1
        wanted = {
            **kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.place), "PYTHONPATH": str(ROOT / "src"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_CALLBACKS_ENABLED": "oncall.incident.evidence",
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(self.place / "ansible"),
            "TMPDIR": str(self.temporary), "ANSIBLE_PIPELINING": "true", "INCIDENT_HOME": str(self.place / f"home{self.runs}"), **more,
        }
        return {name: value for name, value in wanted.items() if value}

    def call(self, *argv: str, **environ: str) -> Ended:
        """Run a program inside the namespace to its end."""
        env = self.environment(**environ)
        done = subprocess.run(
            [*self.net.prefix, *argv], cwd=self.place, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=280, check=False,
        )
        return Ended(status=done.returncode, output=done.stdout, home=Path(env["INCIDENT_HOME"]))

    def play(
        self, scenario: str, *arguments: str, environ: Mapping[str, str] | None = None, prefix: Sequence[str] = (), **variables: Any,
    ) -> Ended:
        """Run a scenario with ansible-playbook; `variables` become extra variables, `prefix` comes before the program."""
        argv = [*prefix, "ansible-playbook", "-i", str(self.inventory()), str(ROOT / "incident" / f"{scenario}.yml"), *arguments]
        return self.call(*argv, *(["-e", json.dumps(variables)] if variables else []), **(environ or {}))

    def incident(self, scenario: str, *arguments: str, environ: Mapping[str, str] | None = None, **variables: Any) -> Ended:
        """Run a scenario with the wrapper."""
        argv = [sys.executable, "-m", "oncall_incident", "run", scenario, "-i", str(self.inventory()), *arguments]
        return self.call(*argv, *(["-e", json.dumps(variables)] if variables else []), **(environ or {}))

    def approve(self, plan: Mapping[str, Any]) -> str:
        """A plan as the file that carries an approval."""
        path = self.place / "plan.json"
        path.write_text(json.dumps(plan))
        path.chmod(0o600)
        return str(path)

    # The other end of the wire.

    def reaches(self, source: str, target: str, port: int) -> bool:
        """Whether a client with that address gets a connection: real packets through the packet filter."""
        argv = [*peer_of(self.net).prefix, sys.executable, "-c", CONNECT, source, target, str(port)]
        return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0

    def client_python(self) -> Path:
        """A Python that runs on the other end of the wire: a vantage host for plays."""
        path = self.place / "client-python"
        path.write_text(f"#!/bin/sh\nexec nsenter --net=/run/netns/{peer_of(self.net).name} {sys.executable} \"$@\"\n")
        path.chmod(0o755)
        return path

    def serve(self, *ports: int) -> subprocess.Popen[bytes]:
        """Start a service on these ports of the namespace, and wait until it listens."""
        process = self.net.start(sys.executable, "-c", SERVICE, *map(str, ports), stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process
