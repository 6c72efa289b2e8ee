# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executions of a drill: its own playbook (inject, remove, state), and runs of the scenario."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..errors import Stop
from ..exits import Exit
from ..private import private_dir
from ..record.recording import Recording, summarise
from ..reporting import run as report
from ..running import ansible_cfg, collection, extravars
from ..running.collection import Collection
from ..running.execution import Executor
from ..running.programs import ansible_playbook
from ..running.request import Request
from ..running.run import Finished, Run
from ..running.scenarios import Scenario
from ..running.stopping import Stopper
from ..running.view import View

PLAYBOOK = Scenario("drill", "A part of incident drill", "oncall.incident._drill")
#: The playbook's plays in their order, each an entry point of role drill. One that fails on a host is the last.
ENTRY_POINTS = {
    "Run the probes": "probe", "Inject the faults": "inject", "Remove the faults": "remove",
    "Record the state of the hosts": "state",
}
#: Seconds within which a killed run's first act must be seen.
ACT_TIMEOUT = 180.0
_POLL = 0.02


@dataclasses.dataclass(frozen=True)
class Played:
    """One execution of the drill's own playbook.

    Attributes:
        ended: seconds since the epoch when each entry point's last task had ended.
        problems: what failed, by host.
        output: standard output of role drill's entry point `state` by host.
        lost: whether a host was not reached.
        failed: the entry point in which something failed first; empty when nothing did, or none had begun.
    """

    run: str
    ended: Mapping[str, float]
    problems: Sequence[str]
    output: Mapping[str, Sequence[str]]
    lost: bool = False
    failed: str = ""


class Executions:
    """Starts what a drill consists of.

    Args:
        asked: the arguments that all have in common: inventory, keys, passwords.
        hosts: by name; everything is limited to them, recovery included.
        home: the recorder's home.
    """

    def __init__(
        self, asked: Request, *, hosts: Sequence[str], found: Collection, view: View, stopper: Stopper, home: Path,
    ) -> None:
        self._asked = dataclasses.replace(asked, limit=",".join(hosts))
        self._found = found
        self._view = view
        self._stopper = stopper
        self._home = home
        self._cwd = Path.cwd()
        self._settings = ansible_cfg.read(environ=os.environ, cwd=self._cwd)

    def play(self, entry_points: Sequence[str], variables: Mapping[str, Any], *, doing: str, whatever: bool = False) -> Played:
        """Run entry points of role drill on all drillable hosts, recorded as a run of its own.

        Args:
            entry_points: in the playbook's order: probe, inject, remove, state.
            whatever: not to be stopped by an operator who lost patience: a fault is taken back whole.
        """
        record = Recording(
            home=self._home,
            run=layout.new_run_id(f"drill-{'-'.join(entry_points)}", now=time.time()),
            versions=collection.versions(self._found),
        )
        executor = Executor(
            self._asked, scenario=PLAYBOOK, found=self._found, settings=self._settings, record=record, home=self._home,
            program=ansible_playbook(), cwd=self._cwd, view=self._view, stopper=Stopper() if whatever else self._stopper,
        )
        with private_dir() as private:
            files = extravars.as_files(self._asked.extra_vars, directory=private, cwd=self._cwd)
            ended = executor.run(
                private / entry_points[0], tags=entry_points, check=False, variables=files, own=dict(variables), doing=doing,
            )
        summary = record.summary
        problems = [f"{entry['host']}: {entry['msg'] or entry['task']}" for entry in [*summary.failures, *summary.unreachable]]
        problems += [f"no host was there for: {entry.get('play')}" for entry in summary.no_hosts]
        if ended.status != 0 and not problems:
            problems = [f"ansible-playbook ended with {ended.status}: {' '.join(ended.output[-3:])}"]
        events = list(reader.read(record.run_dir))
        ended_at, failed = progress(events)
        return Played(
            run=record.run, ended=ended_at, problems=problems, output=_outputs(record.run_dir, events), lost=bool(summary.unreachable),
            failed=failed,
        )

    def recover(
        self, scenario: str, *, tags: Sequence[str] = (), check: bool = False, extra_vars: Sequence[str] = (),
        accept: Callable[[Summary], bool] | None = None,
    ) -> Finished:
        """Run the scenario as an operator would.

        Args:
            accept: what approves the plan; without it the plan is approved in advance.
        """
        request = self._request(scenario, tags, check, extra_vars)
        return Run(request, found=self._found, view=self._view, stopper=self._stopper, accept=accept).go()

    def killed(self, scenario: str, *, at: str = "", extra_vars: Sequence[str] = ()) -> tuple[Path, Summary]:
        """Run the scenario in a process of its own, and kill that process and its Ansible while it acts.

        Args:
            at: the module at whose start it is killed; empty for the first that may act.

        Raises:
            Stop: it ended, or did not come to act, before it could be killed.
        """
        request = self._request(scenario, (), False, extra_vars)
        known = set(_runs(self._home))
        argv = [sys.executable, "-m", "oncall_incident", "run", scenario, "--yes", "--json", *request.ansible_arguments()]
        argv += [part for value in request.extra_vars for part in ("-e", value)]
        null = subprocess.DEVNULL
        with subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, start_new_session=True) as child:
            try:
                run_dir = self._await_act(child, known, at)
            finally:
                # In any case: what goes on acting while the drill takes its faults back is nobody's recovery.
                for group in _groups(child.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(group, signal.SIGKILL)
        return run_dir, summarise(run_dir)

    def record(self, run_dir: Path) -> tuple[list[dict[str, Any]], str]:
        """What a run's record says, event by event, and its report."""
        return list(reader.read(run_dir)), report.render(run_dir)

    def _await_act(self, child: subprocess.Popen[bytes], known: set[str], at: str) -> Path:
        deadline = time.monotonic() + ACT_TIMEOUT
        while time.monotonic() < deadline and child.poll() is None and not self._stopper.reason:
            for name in set(_runs(self._home)) - known:
                run_dir = layout.runs_dir(self._home) / name
                if begun_by(child.pid, events := list(reader.read(run_dir))) and any(acts(event, at=at) for event in events):
                    return run_dir
            time.sleep(_POLL)
        raise Stop("The run ended, or did not come to act, before it could be killed.", status=Exit.FAILED)

    def _request(self, scenario: str, tags: Sequence[str], check: bool, extra_vars: Sequence[str]) -> Request:
        return dataclasses.replace(
            self._asked, scenario=scenario, yes=True, check=check, tags=list(tags),
            extra_vars=[*self._asked.extra_vars, *extra_vars],
        )


def _runs(home: Path) -> list[str]:
    try:
        return [entry.name for entry in layout.runs_dir(home).iterdir()]
    except OSError:
        return []


def begun_by(pid: int, events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a record is that of this process: others may run at the same time, another drill too."""
    return bool(events) and events[0].get("pid") == pid


def acts(event: Mapping[str, Any], *, at: str = "") -> bool:
    """Whether a real execution is about to change something: an intent of one of the modules that return actions.

    Args:
        at: the module; empty for any.
    """
    if event.get("type") != "intent" or event.get("phase") != "mitigate" or event.get("check_mode"):
        return False
    action = str(event.get("action", ""))
    if at:
        return action == at
    return bool(event.get("args", {}) and "approved" in event["args"]) and action not in ("oncall.incident.approved",)


def _groups(pid: int) -> list[int]:
    """The process groups of a process and everything below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], [pid]
    while left:
        one = left.pop()
        with contextlib.suppress(ProcessLookupError):
            found.append(os.getpgid(one))
        left += children.get(one, [])
    return list(dict.fromkeys(found))


def progress(events: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], str]:
    """When the last task of each entry point ended (seconds since the epoch), and the first entry point in which one failed."""
    ended: dict[str, float] = {}
    failed = ""
    for event in events:
        entry_point = ENTRY_POINTS.get(str(event.get("play")), "")
        if event.get("type") == "result" and entry_point:
            ended[entry_point] = datetime.fromisoformat(str(event["ts"])).timestamp()
            if event.get("status") in ("failed", "unreachable") and not event.get("ignored"):
                failed = failed or entry_point
    return ended, failed


def _outputs(run_dir: Path, events: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What the entry point `state` printed, by host."""
    found: dict[str, list[str]] = {}
    for event in events:
        result = event.get("result")
        if event.get("type") == "result" and event.get("action") == "ansible.builtin.script" and isinstance(result, Mapping):
            text = result.get("stdout", "")
            if isinstance(text, Mapping):  # spilled, for its size
                text = reader.blob(run_dir, text).decode("utf-8", "replace")
            found[str(event.get("host"))] = [line.rstrip() for line in str(text).splitlines()]
    return found
