# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents on the screen and as JSON."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

import typer
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..evidence import changes, times
from ..evidence.closing import Closed
from ..evidence.due import MET, MISSED, OVERDUE, PENDING, Due, due
from ..evidence.incident import Incident
from ..evidence.model import State
from ..evidence.sealing import Sealed
from ..evidence.signing import Signer
from ..terminal import words

_STYLE = {MET: "green", MISSED: "red", OVERDUE: "bold red", PENDING: "cyan"}
_STATUS = {"open": "bold red", "mitigated": "bold yellow", "resolved": "bold green", "closed": "dim"}
_WORDS = {
    "response": "acknowledge", "communication": "first update", "resolution": "resolve", "review": "post-mortem", "update": "next update",
}


def console() -> Console:
    """Where people read; standard output."""
    return Console(highlight=False, soft_wrap=True)


def show_status(incident: Incident, *, as_json: bool) -> None:
    """The incident, what is due, and its runs."""
    state, now = incident.state(), times.now()
    items, changed = due(state, now=now), changes.of(incident, now=now)
    if as_json:
        typer.echo(json.dumps({
            **state.as_dict(), "policy": state.policy.name if state.policy else None, "due": [item.as_dict() for item in items],
            "changes": [change.as_dict() for change in changed],
            "bundle": str(incident.bundle),
        }))
        return
    out = console()
    title = f"  {state.severity}  {words.one_line(state.title)}"
    out.print(Text.assemble((incident.id, "bold"), "  ", (state.status, _STATUS[state.status]), title))
    began = state.began
    if began:
        long = format_duration(((state.closed or now) - began).total_seconds())
        out.print(Text(f"  began {times.text(began)}, {'took' if state.closed else 'for'} {long}"))
    services = words.one_line(", ".join(state.services))
    for text in (
        f"  services {services}" if services else "", f"  channel #{state.channel}" if state.channel else "",
        f"  policy {state.policy.name}" if state.policy else "",
    ):
        if text:
            out.print(Text(text, style="dim"))
    for stone in sorted(state.milestones.values(), key=lambda item: item.at):
        stale = "" if state.reached(stone.name) else "  no longer: a later run did not measure it"
        out.print(Text.assemble(f"  {times.text(stone.at)[:19]}Z  ", (stone.name, "bold"), (f"  {stone.by}", "dim"), (stale, "yellow")))
    _show_due(out, items, now)
    for run in state.runs.values():
        how = run.outcome.replace("_", " ") or "goes on, or nobody saw its end"
        out.print(Text.assemble("  run ", (run.run, "bold"), f"  {how}"))
    for change in changed:
        left = f"; left: {words.one_line(state.left[change.ref])}" if change.ref in state.left else ""
        style = "dim" if change.gone else "yellow"
        said = f"{changes.say(change, today=now.date())}{left}"
        out.print(Text.assemble("  change ", (change.ref, "bold"), f"  {change.host} {change.what}: ", (said, style)))
    numbers = [
        words.count(found, name) for found, name in (
            (state.notes, "note"), (len(state.attachments), "attachment"), (len(state.updates), "update"),
            (len(state.escalations), "escalation"), (len(state.seals), "seal"),
        ) if found
    ]
    out.print(Text(f"  {', '.join(numbers) or 'nothing else yet'}; bundle {incident.bundle}", style="dim"))


def _show_due(out: Console, items: Sequence[Due], now: datetime.datetime) -> None:
    for item in items:
        name = f"escalate to {item.who}" if item.what == "escalation" else _WORDS[item.what]
        away = format_duration(abs((item.at - now).total_seconds()))
        said = {
            MET: "in time", MISSED: f"missed: it was due {times.text(item.at)[:19]}Z" + (", done later" if item.done else ""),
            OVERDUE: f"overdue for {away}", PENDING: f"due in {away}",
        }[item.status]
        out.print(Text.assemble("  ", (f"{said:<20}", _STYLE[item.status]), f"  {name}"))


def show_list(incidents: Sequence[Incident], *, closed: int, as_json: bool) -> None:
    """All of them, one a line.

    Args:
        closed: how many more there are that are closed and not asked for.
    """
    rows = [(incident, incident.state()) for incident in incidents]
    if as_json:
        typer.echo(json.dumps([_row(state) for _incident, state in rows]))
        return
    out = Console(highlight=False)
    if not rows:
        others = words.count(closed, "closed one")
        out.print(f"No open incidents; {others}: incident list --all" if closed else "No incidents.", style="dim")
        return
    # On a screen of 80 columns the title still gets a third.
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("incident", "status", "sev", "opened", "late"):
        table.add_column(name, no_wrap=True)
    table.add_column("title", overflow="fold")
    now = times.now()
    for incident, state in rows:
        late = [item for item in due(state, now=now) if item.status == OVERDUE]
        opened = times.text(state.opened)[:16].replace("T", " ") if state.opened else ""
        table.add_row(
            incident.id, Text(state.status, style=_STATUS[state.status]), state.severity, opened,
            Text(str(len(late)) if late else "", style="bold red"), Text(words.one_line(state.title)),
        )
    out.print(table)


def _row(state: State) -> dict[str, Any]:
    data = state.as_dict()
    kept = ("id", "title", "status", "severity", "services", "opened", "closed", "milestones", "runs", "seals")
    return {key: data[key] for key in kept}


def show_sealed(
    incident: Incident, sealed: Sealed, signers: Sequence[Signer], *, as_json: bool, more: dict[str, Any] | None = None,
) -> None:
    """A seal, and whose."""
    if as_json:
        typer.echo(json.dumps({"incident": incident.id, "bundle": str(incident.bundle), **sealed.as_dict(), **(more or {})}))
        return
    out = console()
    for signer in signers:
        if signer.source == "made":
            out.print(Text(
                f"There was no key, so one was made: {signer.key} for {signer.identity}. It has no passphrase. Give its public half to "
                f"those who will verify: {signer.key}.pub", style="bold yellow",
            ))
    who = ", ".join(sealed.signed) or "nobody: by hashes alone"
    out.print(Text.assemble((f"{incident.id} sealed", "bold green"), f"  number {sealed.number:04d}, signed by {who}"))
    for at in sealed.stamped:
        out.print(Text(f"  time token of {at}"))
    for note in sealed.notes:
        out.print(Text(f"  {note}", style="yellow"))
    out.print(Text(f"  sha256 {sealed.digest} of the tag manifest: tell it somebody else", style="dim"))
    out.print(Text(f"  bundle {incident.bundle}", style="dim"))


def show_closed(incident: Incident, closed: Closed, *, as_json: bool) -> None:
    """How closing went."""
    copy = {"pushed": closed.pushed or None, "failed": closed.failed or None, "not_resolved": closed.unproven or None}
    show_sealed(incident, closed.sealed, closed.signers, as_json=as_json, more=copy)
    if as_json:
        return
    out = console()
    if closed.unproven:
        out.print(Text(f"  {closed.unproven}", style="bold yellow"))
    if closed.pushed:
        out.print(Text(f"  copied to {closed.pushed}"))
    if closed.failed:
        out.print(Text(f"  {closed.failed}. The bundle here is whole; incident push tries again.", style="bold red"))
