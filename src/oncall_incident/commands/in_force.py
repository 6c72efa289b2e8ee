# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident in-force`: the temporary changes as the targets are now.

Of the open incidents, and of closed ones those that were left there on purpose or are to end by themselves.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
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


@dataclasses.dataclass(frozen=True)
class Known:
    """A change that an incident knows."""

    incident: Incident
    state: model.State
    change: Change

    @property
    def left(self) -> str:
        """Why it was left as it is; empty where it was not."""
        return self.state.left.get(self.change.ref, "")

    @property
    def wanted(self) -> bool:
        """Whether it is looked at. Of a closed incident what a server or the kernel has ended by now is not: nobody waits for it."""
        change, state = self.change, self.state
        if change.gone:
            return False
        if state.closed is None:
            return True
        over = change.state == changes.EXPIRED and change.temporary.ends in (temporary.API, temporary.KERNEL)
        return change.ref in state.left or (change.ref in state.outlasting and not over)


def in_force_and_show(asked: Request, *, found: Collection, as_json: bool) -> Exit:
    """Look, say what is in force, and write it down in each open incident; 3 where something could not be looked at."""
    incidents = [(incident, incident.state()) for incident in Store(settings.load().home).incidents()]
    lasting = [pair for pair in incidents if _may_last(pair[1])]
    known = list(_known(lasting))
    wanted = [one for one in known if one.wanted]
    quiet = PatientConsole(stderr=True, highlight=False, quiet=True)
    looked = look(asked, [one.change for one in wanted], found=found, view=View(quiet, verbose=asked.verbosity > 0),
                  stopper=Stopper(timeout=asked.timeout))
    _write_down([one for one in wanted if one.state.closed is None], looked)
    units = _units(known, wanted, looked, others=[pair for pair in incidents if pair not in lasting])
    rows = [_row(one, looked) for one in wanted]
    if as_json:
        typer.echo(json.dumps({"run": looked.run, "changes": rows, "units": units, "not_looked_at": dict(looked.blind)}))
    else:
        _show(rows, units, looked)
    unknown = looked.blind or any(row["found"] == temporary.UNKNOWN and not row["left"] for row in rows)
    return Exit.NOT_RECOVERED if unknown else Exit.RECOVERED


def _may_last(state: model.State) -> bool:
    """Whether a change of the incident may be in force for all that is known. Only the records of those are read, which are long."""
    return state.closed is None or bool(state.left or state.outlasting)


def _known(incidents: Iterable[tuple[Incident, model.State]]) -> Iterator[Known]:
    for incident, state in incidents:
        for change in changes.of(incident, state=state):
            yield Known(incident, state, change)


def _units(
    known: Sequence[Known], wanted: Sequence[Known], looked: Looked, *, others: Sequence[tuple[Incident, model.State]],
) -> list[dict[str, str]]:
    """The units on the hosts that belong to none of the changes that are looked at; with the change, where one is known to have made it."""
    expected = {(one.change.host, one.change.temporary.armed_as) for one in wanted}
    found = [(host, unit) for host, units in sorted(looked.units.items()) for unit in units if (host, unit) not in expected]
    if not found:
        return []
    makers = {(one.change.host, one.change.temporary.armed_as): one for one in [*_known(others), *known]}
    return [
        {"host": host, "unit": unit,
         **({"incident": maker.incident.id, "ref": maker.change.ref} if (maker := makers.get((host, unit))) is not None else {})}
        for host, unit in found
    ]


def _row(one: Known, looked: Looked) -> dict[str, Any]:
    change = one.change
    return {
        **change.as_dict(), "incident": one.incident.id, "found": looked.found[change.ref], "reason": looked.reasons.get(change.ref, ""),
        "closed": one.state.closed is not None, "left": one.left,
    }


def _ends(known: temporary.Temporary) -> str:
    """How a change ends that was seen to be in force just now."""
    return temporary.say(known, late=temporary.over(known, now=times.now().timestamp()))


def _write_down(asked: Sequence[Known], looked: Looked) -> None:
    """A look counts as one in the status of the incident, too."""
    by_incident: dict[str, tuple[Incident, list[dict[str, str]]]] = {}
    for one in asked:
        said = looked.found[one.change.ref]
        if said != NOT_ASKED:
            by_incident.setdefault(one.incident.id, (one.incident, []))[1].append({"change": one.change.ref, "found": said})
    now = times.text(times.now())
    for incident, found in by_incident.values():
        incident.append(model.LOOKED, {"record": looked.run, "changes": found, "at": now})


def _show(rows: list[dict[str, Any]], units: list[dict[str, str]], looked: Looked) -> None:
    out = console()
    for row in rows:
        found = row["found"].replace("_", " ")
        what = words.one_line(f"{row['verb'].replace('_', ' ')} {row['name']}")
        ends = _ends(temporary.Temporary.from_dict(row["temporary"])) if row["found"] == temporary.IN_FORCE else row["reason"]
        out.print(Text.assemble(
            (f"{found:<9}", _STYLE[row["found"]]), f"  {row['incident']}  ", (row["ref"], "bold"),
            f"  {row['host']} {what}{': ' if ends else ''}{words.one_line(ends, limit=300)}",
            (f"; left: {words.one_line(row['left'], limit=300)}" if row["left"] else "", "dim"),
        ))
    for unit in units:
        gone = f"a unit of {unit['incident']}, whose change {unit['ref']} is gone" if "ref" in unit else ""
        whose = gone or "a unit that no incident here knows"
        out.print(Text(f"{whose}  {unit['host']} {unit['unit']}", style="yellow"))
    for host, why in looked.blind.items():
        out.print(Text(f"not looked at  {host or 'any host'}: {words.one_line(why, limit=300)}", style="bold red"))
    if not rows and not units and not looked.blind:
        out.print("No temporary change is known, and no unit of ours is there.", style="dim")
