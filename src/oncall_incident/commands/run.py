# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident run` on the screen: the header before, the end after, or one JSON object."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from rich.text import Text

from ..evidence import sealing
from ..exits import Exit
from ..record import outcome, rungs
from ..reporting import health as reported
from ..running.collection import Collection
from ..running.request import Request
from ..running.run import Finished, Run, outcome_event
from ..running.scenarios import Scenario
from ..running.stopping import Stopper
from ..running.view import STYLES, View
from ..terminal import words
from ..terminal.console import PatientConsole
from . import health

#: Every run that closes its own incident without a key or an authority would say so.
_EXPECTED = frozenset({sealing.UNSIGNED, sealing.NO_AUTHORITY})
_STYLE = {Exit.RECOVERED: "bold green", Exit.NOTHING_TO_DO: "bold green", Exit.REFUSED: "bold yellow", Exit.INTERRUPTED: "bold yellow"}


def run_and_show(
    asked: Request, *, found: Collection, as_json: bool, scenario: Scenario | None = None,
    changes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None, html: str | None = None, prometheus: str | None = None,
) -> Exit:
    """Run it, show it, give the exit status.

    Args:
        scenario, changes: see Run.
        html, prometheus: files for the page and for Prometheus.
    """
    health.check_places({"--html": html, "--prometheus": prometheus})
    console = PatientConsole(stderr=as_json, highlight=False)
    view = View(console, verbose=asked.verbosity > 0)
    started = time.monotonic()
    stopper = Stopper(timeout=asked.timeout)
    run = Run(asked, found=found, view=view, stopper=stopper, scenario=scenario, changes=changes)
    view.say(Text.assemble((f"{run.scenario.name}", "bold"), ("  check only" if asked.check else ""), (f"  run {run.record.run}", "dim")))
    finished = run.go()
    took = time.monotonic() - started
    if as_json:
        typer.echo(json.dumps(_as_data(finished, took, looked=run.scenario.only_looks)))
    if run.scenario.only_looks and finished.outcome.status != Exit.USAGE:
        health.show(console, finished)
    _show_end(view, finished, took)
    for path in health.write(finished, html=html, prometheus=prometheus):
        console.print(Text(f"  written  {_short(path)}", style="dim"), soft_wrap=True)
    return finished.outcome.status


def _as_data(finished: Finished, took: float, *, looked: bool) -> dict[str, object]:
    summary = finished.summary
    return {
        **({"health": reported.as_data(summary, finished.outcome)} if looked else {}),
        **outcome_event(finished.outcome, summary), "ansible_said": list(finished.outcome.quoted),
        "run": summary.run, "record": str(finished.run_dir), "incident": finished.incident or None,
        "incident_notes": list(finished.incident_notes),
        "report": str(finished.report) if finished.report else None, "seconds": round(took, 1),
        "plan_hash": (summary.plan or {}).get("hash"),
        "approval": _pick(summary.approval, "type", "by", "how") if summary.approval else None,
        "unknown_outcomes": [_pick(entry, "host", "task", "phase") for entry in summary.unanswered],
        "findings": [
            _pick(item, "host", "phase", "check", "subject", "status", "observed", "threshold", "unit")
            for item in (seen.as_dict() for seen in summary.findings)
        ],
        "places": [_pick(item, "host", "phase", "place") for item in summary.places],
        "not_captured": [_pick(item, "host", "refused", "reason") for item in outcome.not_captured(summary)],
        "planned_actions": [
            {
                "host": host, **_pick(action.as_dict(), "id", "verb", "name", "target", "reason", "temporary"),
                **_place(summary, host, action.id),
            }
            for host, action in outcome.planned(summary)
        ],
    }


def _place(summary: Summary, host: str, identity: str) -> dict[str, object]:
    """The rung of a planned action, where its host has rungs."""
    place = rungs.places(summary.plan).get((host, identity))
    return {"rung": place.number, "condition": place.condition} if place else {}


def _pick(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: data.get(key) for key in keys}


def _show_end(view: View, finished: Finished, took: float) -> None:
    end, console = finished.outcome, view.console
    reasons = [reason for reason in end.reasons if not view.just_said(reason)]
    style = _STYLE.get(end.status, "bold red")
    if end.name == "planned":
        style = "bold cyan"
    console.print()
    head = Text.assemble((end.name.replace("_", " ").upper(), style), f"  {end.sentence}", (f"  ({format_duration(took)})", "dim"))
    console.print(head, soft_wrap=not console.is_terminal)
    for reason in reasons:
        console.print(Text(f"  {reason}"), soft_wrap=not console.is_terminal)
    for line in end.quoted:
        console.print(Text(f"  | {line}", style="dim"), soft_wrap=not console.is_terminal)
    remaining = outcome.not_ok(finished.summary)
    if remaining and end.status in (Exit.RECOVERED, Exit.NOTHING_TO_DO) and end.name != "planned":
        names = ", ".join(dict.fromkeys(f"{seen.host} {seen.what.check} ({seen.what.status})" for seen in remaining))
        console.print(Text.assemble(("  remaining: ", STYLES["warning"]), names), soft_wrap=not console.is_terminal)
    for item in outcome.not_captured(finished.summary):
        said = words.one_line(item.get("reason") or "")
        console.print(Text(f"  not kept of {item.get('host')}: {said}", style="yellow"), soft_wrap=not console.is_terminal)
    if view.fault is not None:
        console.print(Text(f"  the display failed, the run did not: {view.fault!r}", style="yellow"))
    console.print(Text(f"  record  {_short(finished.run_dir)}", style="dim"), soft_wrap=True)
    if finished.report is not None:
        console.print(Text(f"  report  {_short(finished.report)}", style="dim"), soft_wrap=True)
    if finished.incident:
        console.print(Text(f"  incident  {finished.incident}", style="dim"), soft_wrap=True)
    for note in finished.incident_notes:
        if note not in _EXPECTED:
            console.print(Text(f"  {note}", style="yellow"), soft_wrap=True)


def _short(path: Path) -> str:
    home = str(Path.home())
    return "~" + str(path)[len(home):] if home != "/" and str(path).startswith(home + "/") else str(path)
