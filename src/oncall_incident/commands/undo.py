# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident undo`: a run whose plan is to take back what earlier runs of an incident changed for a while."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence

import typer
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout

from ..errors import Stop
from ..evidence import changes, membership
from ..evidence.changes import Change
from ..exits import Exit
from ..running.collection import Collection
from ..running.request import Request
from ..running.scenarios import Scenario
from .run import run_and_show

PLAYBOOK = Scenario("undo", "Take back temporary changes", "oncall.incident._undo")


def undo_and_show(asked: Request, *, named: Sequence[str], found: Collection, as_json: bool) -> Exit:
    """Undo the changes that are not known to be gone, or those of them that are named; the exit status.

    Raises:
        Stop: there is no such incident, it is closed, there is no such change, or nothing here can take one of them back.
    """
    incident = membership.existing(layout.default_home(os.environ).absolute(), asked.incident or "latest")
    wanted = changes.chosen(changes.still(changes.of(incident)), named)
    if not wanted:
        said = f"{incident.id}: no temporary change is left to take back."
        typer.echo(json.dumps({"incident": incident.id, "outcome": "nothing_to_do", "sentence": said}) if as_json else said)
        return Exit.NOTHING_TO_DO
    without = [change for change in wanted if not change.temporary.undo.get("verb") or not change.host]
    if without:
        listed = "; ".join(f"{change.ref} {change.host} {change.what}: {changes.nobody_undoes(change)}" for change in without)
        others = " ".join(change.ref for change in wanted if change not in without)
        rest = f" The others: incident undo {incident.id} {others} -i INVENTORY." if others else ""
        raise Stop(
            f"{incident.id}: {listed}.",
            hint=f"Take it back by hand, and say so: incident close {incident.id} --leave {without[0].ref} --why TEXT.{rest}",
        )
    by_host: dict[str, list[Change]] = {}
    for change in wanted:
        by_host.setdefault(change.host, []).append(change)
    request = dataclasses.replace(asked, incident=incident.id, limit=",".join(by_host))
    return run_and_show(
        request, found=found, as_json=as_json, scenario=PLAYBOOK,
        changes={host: [change.handed_over() for change in found_there] for host, found_there in by_host.items()},
    )
