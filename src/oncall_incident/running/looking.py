# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the temporary changes that incidents know, and for units of ours that none knows: one execution that only reads, recorded."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import INVESTIGATE
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..evidence import changes
from ..evidence.changes import Change
from ..private import private_dir, write_private
from ..record.recording import Recording
from . import ansible_cfg, collection, environment, extravars, request
from .collection import Collection
from .execution import Executor
from .programs import ansible_playbook
from .request import Request
from .scenarios import Scenario
from .stopping import Stopper, signals
from .view import View

#: Of a change on a host that --limit leaves out.
NOT_ASKED = "not_asked"
PLAYBOOK = Scenario("in-force", "Look at temporary changes", "oncall.incident._in_force")
_FIND = "Find units that undo changes"
#: What ansible.builtin.find says of a directory that is not there.
_NOT_THERE = "is not a directory"


@dataclasses.dataclass(frozen=True)
class Looked:
    """What one look found.

    Attributes:
        run: of the record.
        found: in_force, gone, unknown or not_asked, by the ref of each change that was asked for.
        reasons: why it is unknown, by ref.
        units: the units of ours on each host that could be looked at, by host.
        blind: why the units of a host could not be looked at, by host; "" for all of them.
    """

    run: str
    found: Mapping[str, str]
    reasons: Mapping[str, str]
    units: Mapping[str, Sequence[str]]
    blind: Mapping[str, str]


def look(asked: Request, wanted: Sequence[Change], *, found: Collection, view: View, stopper: Stopper) -> Looked:
    """Look at changes on their hosts.

    Raises:
        Stop: bad input, or nothing can be recorded.
    """
    cwd, home = Path.cwd(), layout.default_home(os.environ).absolute()
    settings = ansible_cfg.read(environ=os.environ, cwd=cwd)
    passed_on = environment.allowed(os.environ, also=[*asked.pass_env, *environment.looked_up(asked.inventories, cwd=cwd)])
    request.check_text(asked, cwd=cwd, environ=passed_on)
    request.check_inventory(asked, configured=settings.get("inventory"), cwd=cwd)
    request.check_files(asked, cwd=cwd)
    record = Recording(home=home, run=layout.new_run_id(PLAYBOOK.name, now=time.time()), versions=collection.versions(found))
    executor = Executor(
        asked, scenario=PLAYBOOK, found=found, settings=settings, record=record, home=home, program=ansible_playbook(), cwd=cwd,
        view=view, stopper=stopper,
    )
    by_host: dict[str, list[dict[str, Any]]] = {}
    for change in wanted:
        by_host.setdefault(change.host, []).append(change.handed_over())
    with private_dir() as private, signals(stopper):
        variables = extravars.as_files(asked.extra_vars, directory=private, cwd=cwd)
        executor.own = {"incident_changes": str(write_private(private / "changes.json", json.dumps(by_host)))}
        ended = executor.run(private / "look", tags=[INVESTIGATE], check=False, variables=variables, own={}, doing="looking")
    said = record.redactor.text(" ".join(" ".join(ended.output[-3:]).split())) if ended.status != 0 else ""
    return judged(record.run, wanted, record.summary, reader.read(record.run_dir), said=said, limited=bool(asked.limit))


def judged(
    run: str, wanted: Iterable[Change], summary: Summary, events: Iterable[Mapping[str, Any]], *, said: str = "", limited: bool = False,
) -> Looked:
    """What a record of a look says about each change. What it does not tell is unknown.

    Args:
        said: the last words of an Ansible that did not end well.
        limited: whether hosts may have been left out on purpose.
    """
    lost = {str(entry["host"]): str(entry.get("msg") or "not reached") for entry in summary.unreachable}
    failed = {str(entry["host"]): str(entry.get("msg") or entry.get("task")) for entry in summary.failures}
    told = {str(seen.what.detail.get("ref")): seen.what for seen in summary.looks}
    units, unsearched = _units(events)
    met = {*units, *lost, *failed, *summary.hosts, *(seen.host for seen in summary.looks)}
    found, reasons = {}, {}
    for change in wanted:
        if limited and not said and change.host not in met:
            found[change.ref] = NOT_ASKED
            continue
        finding = told.get(change.ref)
        found[change.ref] = str(finding.observed) if finding is not None else "unknown"
        if found[change.ref] == "unknown":
            known = str(finding.detail.get("reason") or "") if finding is not None else ""
            there = known or lost.get(change.host) or failed.get(change.host) or said
            reasons[change.ref] = there or _unasked(change, met=change.host in met)
    blind = {host: why for host, why in {**failed, **lost}.items() if host not in units} | unsearched
    return Looked(run, found, reasons, units, blind or ({"": said} if said else {}))


def _unasked(change: Change, *, met: bool) -> str:
    """Why no look says anything about a change, where its host answered or not."""
    return changes.nobody_undoes(change) if met else "the inventory has no such host"


def _units(events: Iterable[Mapping[str, Any]]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The units of ours by host, of the hosts that were searched; and of a host, all or some of which could not be searched, why not."""
    units: dict[str, list[str]] = {}
    unsearched: dict[str, str] = {}
    for event in events:
        result = event.get("result")
        if event.get("type") == "result" and event.get("task") == _FIND and isinstance(result, Mapping) and "files" in result:
            host, skipped = str(event["host"]), result.get("skipped_paths") or {}
            files = result["files"] if isinstance(result["files"], list) else []
            units[host] = sorted({Path(str(one.get("path"))).stem for one in files if isinstance(one, Mapping)})
            # Where there is no such directory there is no unit in it.
            why = [f"{path}: {said}" for path, said in skipped.items() if not str(said).endswith(_NOT_THERE)]
            if why:
                unsearched[host] = "; ".join(why)
    return units, unsearched
