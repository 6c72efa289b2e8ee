# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident in-force`: the temporary changes of the open incidents as the targets are now."""

from __future__ import annotations

import json
from typing import Any

import typer
from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from rich.text import Text

from ..evidence import changes, model, settings, times
from ..evidence.changes import Change
from ..evidence.incident import Incident
from ..evidence.store import Store
from ..exits import Exit
from ..running.collection import Collection
from ..running.looking import NOT_ASKED, Looked, look
from ..running.request import Request
from ..running.stopping import Stopper
from ..running.view import View
from ..terminal import words
from ..terminal.console import PatientConsole
from .show import console

_STYLE = {temporary.GONE: "green", temporary.IN_FORCE: "yellow", temporary.UNKNOWN: "bold red", NOT_ASKED: "dim"}


def in_force_and_show(asked: Request, *, found: Collection, as_json: bool) -> Exit:
    """Look, say what is in force, and write it down in each incident; 3 where something could not be looked at."""
    known = [
        (incident, change) for incident in Store(settings.load().home).incidents() for change in changes.of(incident)
    ]
    open_ones = [(incident, change) for incident, change in known if not change.gone and not incident.state().closed]
    quiet = PatientConsole(stderr=True, highlight=False, quiet=True)
    looked = look(asked, [change for _incident, change in open_ones], found=found, view=View(quiet, verbose=asked.verbosity > 0),
                  stopper=Stopper(timeout=asked.timeout))
    _write_down(open_ones, looked)
    armed = {(change.host, change.temporary.armed_as) for _incident, change in known if change.temporary.armed_as}
    strange = [(host, unit) for host, units in sorted(looked.units.items()) for unit in units if (host, unit) not in armed]
    rows = [_row(incident, change, looked) for incident, change in open_ones]
    if as_json:
        typer.echo(json.dumps({
            "run": looked.run, "changes": rows, "units": [{"host": host, "unit": unit} for host, unit in strange],
            "not_looked_at": dict(looked.blind),
        }))
    else:
        _show(rows, strange, looked)
    unknown = looked.blind or any(row["found"] == temporary.UNKNOWN for row in rows)
    return Exit.NOT_RECOVERED if unknown else Exit.RECOVERED


def _row(incident: Incident, change: Change, looked: Looked) -> dict[str, Any]:
    return {
        **change.as_dict(), "incident": incident.id, "found": looked.found[change.ref], "reason": looked.reasons.get(change.ref, ""),
    }


def _write_down(asked: list[tuple[Incident, Change]], looked: Looked) -> None:
    """A look counts as one in the status of the incident, too."""
    by_incident: dict[str, tuple[Incident, list[dict[str, str]]]] = {}
    for incident, change in asked:
        if looked.found[change.ref] == NOT_ASKED:
            continue
        by_incident.setdefault(incident.id, (incident, []))[1].append({"change": change.ref, "found": looked.found[change.ref]})
    now = times.text(times.now())
    for incident, found in by_incident.values():
        incident.append(model.LOOKED, {"record": looked.run, "changes": found, "at": now})


def _show(rows: list[dict[str, Any]], strange: list[tuple[str, str]], looked: Looked) -> None:
    out = console()
    for row in rows:
        found = row["found"].replace("_", " ")
        what = words.one_line(f"{row['verb'].replace('_', ' ')} {row['name']}")
        ends = temporary.say(temporary.Temporary.from_dict(row["temporary"])) if row["found"] == temporary.IN_FORCE else row["reason"]
        out.print(Text.assemble(
            (f"{found:<9}", _STYLE[row["found"]]), f"  {row['incident']}  ", (row["ref"], "bold"),
            f"  {row['host']} {what}{': ' if ends else ''}{words.one_line(ends, limit=300)}",
        ))
    for host, unit in strange:
        out.print(Text(f"a unit that no incident here knows  {host} {unit}", style="yellow"))
    for host, why in looked.blind.items():
        out.print(Text(f"not looked at  {host or 'any host'}: {words.one_line(why, limit=300)}", style="bold red"))
    if not rows and not strange and not looked.blind:
        out.print("No temporary change is known, and no unit of ours is there.", style="dim")
