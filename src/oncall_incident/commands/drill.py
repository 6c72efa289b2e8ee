# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident drill` on the screen: what it will do, the question, and the score card."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration, parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord
from rich.console import Console
from rich.text import Text

from .. import who
from ..drill import cards, definition, hosts, validation
from ..drill.course import Drilling
from ..drill.definition import Drill
from ..drill.executions import Executions
from ..drill.score import Scored, Step, card
from ..drill.severity import Severity
from ..errors import Stop
from ..evidence import policy as policies
from ..evidence import settings
from ..exits import Exit
from ..running import ansible_cfg, collection, request
from ..running.collection import Collection
from ..running.programs import ansible_playbook
from ..running.request import Request
from ..running.stopping import Stopper, signals
from ..running.view import View
from ..terminal.console import PatientConsole

_APPROVING = "yes"


def drill_and_show(
    asked: Request, *, found: Collection, lifetime: str, rounds: Sequence[str], severity: str, policy: str, as_json: bool,
) -> Exit:
    """Drill, show the score card, give the exit status."""
    cwd = Path.cwd()
    rules = policies.load(policy or settings.load().policy)
    drill = definition.load(definition.locate(asked.scenario, collection=found.path, cwd=cwd))
    _refuse_unfit(asked.scenario, _problems(drill, found=found, cwd=cwd, rules=rules))
    chosen = _chosen(drill, rounds)
    _check_lifetime(lifetime, drill)
    promised = Severity(rules, rules.require(severity or drill.severity or rules.default))
    request.check_inventory(asked, configured=None, cwd=cwd)
    request.check_files(asked, cwd=cwd)
    program = ansible_playbook()
    inventory = hosts.read_inventory(asked, program=program, cwd=cwd)
    allowed = hosts.allowed(inventory)
    if asked.limit:
        allowed = hosts.chosen(allowed, hosts.read_inventory(asked, program=program, cwd=cwd, limit=asked.limit))
    nowhere = hosts.missing(inventory, [entry for part in chosen for entry in (*part.faults, *part.afterwards)], allowed)
    if nowhere:
        raise Stop(
            f"This drill's faults and probes go to {', '.join(nowhere)}; none of the hosts that may be broken is there: "
            f"{', '.join(allowed)}.",
            hint="Name the groups as the drill does, or write a drill of your own: incident drill my-drill.yml",
        )
    unseen = hosts.unseen(inventory, drill.looks, allowed)
    if unseen:
        raise Stop(
            f"This drill compares what it sees on {'; on '.join(unseen)}; none of the hosts that may be broken is there: "
            f"{', '.join(allowed)}.",
            hint="What is looked at nowhere would never differ. Name the groups as the drill does, or write a drill of your own.",
        )
    console = PatientConsole(stderr=as_json, highlight=False)
    _show_plan(console, drill, chosen, inventory, allowed, lifetime)
    if not asked.yes and not _approved(console):
        console.print(Text("REFUSED  Nothing was touched.", style="bold yellow"))
        return Exit.REFUSED
    home = layout.default_home(os.environ).absolute()
    stopper = Stopper(timeout=asked.timeout)
    view = View(console, verbose=asked.verbosity > 0)
    started = datetime.now(UTC)
    executions = Executions(asked, hosts=allowed, found=found, view=view, stopper=stopper, home=home)
    drilling = Drilling(
        drill, executions=executions, view=view, stopper=stopper, home=home, lifetime=lifetime, name=f"{drill.name}-{secrets.token_hex(2)}",
        severity=promised,
    )
    began = time.monotonic()
    with signals(stopper):
        scored = _rounds(drilling, chosen, stopper)
    made = card(
        drill=drill.name, scenario=drill.scenario, started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ended=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), by=who.user(), hosts=allowed, targets=drill.targets, rounds=scored,
        complete=len(scored) == len(chosen) + 1 and not stopper.reason, versions=collection.versions(found),
        severity=promised.as_dict(), partial=len({part.name for part in chosen}) < len(drill.rounds),
        stopped=drilling.stopped.message if drilling.stopped else "",
    )
    data, page = cards.keep(home, made)
    if as_json:
        typer.echo(json.dumps({**made, "card": str(data)}))
    _show_card(console, made, page, time.monotonic() - began)
    if isinstance(drilling.stopped, Stop):
        raise drilling.stopped
    if drilling.stopped:
        raise Stop(drilling.stopped.message, hint=drilling.stopped.hint or "", status=Exit.NOT_RECORDED)
    if stopper.reason:
        return Exit.TIMED_OUT if stopper.reason == "timeout" else Exit.INTERRUPTED
    return Exit.RECOVERED if made["passed"] else Exit.FAILED


def validate_and_show(name: str, *, found: Collection, policy: str, as_json: bool) -> Exit:
    """Say what is wrong with a drill, without touching anything."""
    cwd = Path.cwd()
    path = definition.locate(name, collection=found.path, cwd=cwd)
    rules = policies.load(policy or settings.load().policy)
    drill: Drill | None = None
    try:
        drill = definition.load(path)
        wrong = _problems(drill, found=found, cwd=cwd, rules=rules)
    except Stop as stop:
        wrong = [validation.of_stop("", stop)]
    if as_json:
        told = [{"key": one.key, "message": one.message} for one in wrong]
        typer.echo(json.dumps({"drill": path.stem, "file": str(path), "valid": not wrong, "problems": told}))
    else:
        console = Console(highlight=False, soft_wrap=True)
        if drill and not wrong:
            rounds = ", ".join(part.name for part in drill.rounds)
            console.print(Text(f"{name}: valid. Rounds: {rounds}; recovered by {drill.scenario}. Nothing was touched."))
        for one in wrong:
            console.print(Text(str(one) if drill is None else f"{name}: {one}"))
    return Exit.USAGE if wrong else Exit.RECOVERED


def _problems(drill: Drill, *, found: Collection, cwd: Path, rules: policies.Policy) -> list[validation.Problem]:
    configured = ansible_cfg.read(environ=os.environ, cwd=cwd).get("collections_path")
    roots = collection.search_roots(found, configured=configured, home=Path.home())
    return validation.problems(drill, collection=found.path, roots=roots, cwd=cwd, policy=rules)


def _refuse_unfit(name: str, wrong: Sequence[validation.Problem]) -> None:
    if wrong:
        hint = f"Nothing was touched. {len(wrong)} things are wrong; incident drill --validate {name} lists them." if wrong[1:] else ""
        raise Stop(f"{name}: {wrong[0]}", hint=hint or "Nothing was touched.")


def show_drills(found: Collection, *, as_json: bool) -> None:
    """List the drills."""
    drills = definition.listed(found.path)
    if as_json:
        typer.echo(json.dumps([{"name": one.name, "scenario": one.scenario, "description": one.description} for one in drills]))
        return
    console = Console(highlight=False)
    for one in drills:
        console.print(Text.assemble((f"{one.name:<24}", "bold"), one.description))


def _rounds(drilling: Drilling, chosen: Sequence[definition.Round], stopper: Stopper) -> list[Scored]:
    """The steady state, then every round; broken off at the first that does not begin on a healthy system."""
    scored = [Scored(name="before", steps=[_steady(drilling)], times={})]
    for number, part in enumerate(chosen, start=1):
        if (not scored[-1].steps[-1].ok and number == 1) or stopper.reason:
            break
        result = drilling.round(part, number)
        going_on = not stopper.reason and drilling.stopped is None
        after = _steady(drilling, patience=drilling.drill.targets["detect"]) if going_on else None
        scored.append(Scored(
            name=result.name, steps=[*result.steps, *([after] if after else [])], times=result.times, touched=result.touched,
            unexpected=result.unexpected, runs=result.runs,
        ))
        if after is None or not after.ok:
            break
    return scored


def _steady(drilling: Drilling, *, patience: float = 0.0) -> Step:
    """The steady state; what stops the drill there is part of its card, too."""
    try:
        return drilling.steady(patience=patience)
    except (Stop, CannotRecord) as exc:
        drilling.stopped = exc
        return Step("steady state", False, exc.message)


def _chosen(drill: Drill, names: Sequence[str]) -> list[definition.Round]:
    known = {part.name: part for part in drill.rounds}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Stop(f"--round {unknown[0]}: {drill.name} has no such round.", hint=f"It has: {', '.join(known)}.")
    return [known[name] for name in names] or list(drill.rounds)


def _check_lifetime(lifetime: str, drill: Drill) -> None:
    try:
        seconds = parse_duration(lifetime, name="--lifetime")
    except BadInput as exc:
        raise Stop(exc.message, hint=exc.hint or "") from exc
    least = drill.targets["detect"] + drill.targets["recover"]
    if not least < seconds <= 86400:
        raise Stop(
            f"--lifetime {lifetime}: more than {format_duration(least)}, at most 1d.",
            hint="A fault must outlast the times that the drill allows for detection and recovery, else its end looks like a recovery.",
        )


def _show_plan(
    console: Console, drill: Drill, chosen: Sequence[definition.Round], inventory: Mapping[str, Any], allowed: Sequence[str], lifetime: str,
) -> None:
    console.print(Text.assemble((f"drill {drill.name}", "bold"), f"  {drill.description}"))
    console.print(Text(f"hosts that may be broken: {', '.join(allowed)}", style="yellow"))
    for part in chosen:
        faults = ", ".join(
            f"{fault['fault']} on {', '.join(hosts.reached(inventory, str(fault['hosts']), allowed))}" for fault in part.faults
        )
        note = f"; the {part.interrupt} fails meanwhile" if part.interrupt else ""
        console.print(Text.assemble((f"  {part.name}: ", "bold"), f"{faults}; recovered by {drill.scenario}{note}"))
    note = f"Each fault is taken back at its round's end, and by its host after {lifetime} whatever happens here."
    console.print(Text(note, style="dim"))


def _approved(console: Console) -> bool:
    if not sys.stdin.isatty():
        console.print(Text("Nobody can be asked: the input is not a terminal. --yes breaks the hosts without a question."))
        return False
    console.print(Text(f"Break these hosts? Type {_APPROVING} to go on; anything else refuses: ", style="bold"), end="")
    return sys.stdin.readline().strip().lower() == _APPROVING


def _show_card(console: Console, made: Mapping[str, Any], page: Path, took: float) -> None:
    console.print()
    for part in made["rounds"]:
        word, style = ("passed", "green") if part["passed"] else ("FAILED", "bold red")
        times = "  ".join(f"{name} {format_duration(value)}" for name, value in part["times"].items() if value is not None)
        console.print(Text.assemble((f"  {word:<8}", style), (f"{part['name']:<20}", "bold"), times))
        for step in part["steps"]:
            if not step["ok"]:
                console.print(Text.assemble(("    FAILED  ", "bold red"), f"{step['name']}: {step['detail']}"), soft_wrap=True)
    word, style = ("PASSED", "bold green") if made["passed"] else ("FAILED", "bold red")
    if made["stopped"]:
        word = "STOPPED"
    console.print(Text.assemble((word, style), f"  drill {made['drill']}", (f"  ({format_duration(took)})", "dim")))
    if made["partial"]:
        console.print(Text("  not the whole drill: it does not enter the trend", style="dim"))
    console.print(Text(f"  score card  {page}"), soft_wrap=True)
