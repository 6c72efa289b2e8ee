# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question before anything is changed."""

from __future__ import annotations

import dataclasses
import datetime
import os
import select
import signal
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Spared
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..record import rungs
from ..terminal import words
from .stopping import INTERRUPT, TIMEOUT, Stopper
from .view import STYLES

#: The only answer that approves. One key would be a slip of the finger at 3 a.m.
APPROVING = "yes"
_MOST_SPARED = 8


@dataclasses.dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        how: typed, --yes, no_terminal, not_accepted, answered, end_of_input, expired, interrupt, timeout.
    """

    approved: bool
    how: str


def plan_table(actions: Sequence[tuple[str, Action]], places: Mapping[tuple[str, str], rungs.Place]) -> Table:
    """The plan: whom it concerns, what would be done, and why. Where a host has rungs, each action has the number of its own."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("host", no_wrap=True, overflow="ellipsis", max_width=18)
    table.add_column("action", no_wrap=True, overflow="ellipsis", max_width=23, style=STYLES["planned"])
    table.add_column("target", ratio=3, overflow="fold")
    table.add_column("why", ratio=3, overflow="fold")
    for host, action in actions:
        whom = Text(words.one_line(action.name))
        executing = words.query(action.target, limit=80)
        if executing:
            whom.append("\n" + executing, style="dim")
        why = Text(words.one_line(action.reason))
        if action.temporary is not None:
            why.append("\n" + _ends(action), style="dim")
        since = words.ages(action.target, said=why.plain)
        if since:
            why.append("\n" + since, style="dim")
        place = places.get((host, action.id))
        table.add_row(host, (f"{place.number}. " if place else "") + action.verb.replace("_", " "), whom, why)
    return table


def _ends(action: Action) -> str:
    """How a temporary change ends, and what is there then; nobody must have to guess it. The plan's JSON has the command too."""
    try:
        known = temporary.of(action)
    except BadInput as exc:
        return words.one_line(exc.message)
    if known is None:
        return ""
    return words.one_line(f"Temporary: {temporary.say(known, planned=True)}. Way back: {known.way_back}")


def spared_lines(protected: Sequence[Spared]) -> list[str]:
    """Who is spared: by name whom a rule would have taken, the others counted by reason."""
    named, counted = [], dict[str, int]()
    for entry in protected:
        reasons = words.reasons(entry.reasons)
        if entry.would_match:
            named.append(f"{words.one_line(entry.name)}: {reasons}")
        else:
            counted[reasons] = counted.get(reasons, 0) + 1
    more = [f"and {len(named) - _MOST_SPARED} more that a rule would have taken"] if len(named) > _MOST_SPARED else []
    others = [f"{number} {reasons}" for reasons, number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]
    return named[:_MOST_SPARED] + more + ([f"no rule's target: {'; '.join(others[:_MOST_SPARED])}"] if others else [])


def blast_radius(actions: Sequence[tuple[str, Action]]) -> str:
    """`3 actions on 1 host: 3 terminate`."""
    verbs: dict[str, int] = {}
    for _host, action in actions:
        verbs[action.verb] = verbs.get(action.verb, 0) + 1
    hosts = len({host for host, _action in actions})
    kinds = ", ".join(f"{number} {verb.replace('_', ' ')}" for verb, number in sorted(verbs.items()))
    return f"{words.count(len(actions), 'action')} on {words.count(hosts, 'host')}: {kinds}"


def limit_lines(stated: Mapping[str, Any]) -> list[str]:
    """The limits of a plan: on one line where they are the same on all hosts, else with the hosts; of targets that differ each one's."""
    hosts: dict[str, list[str]] = {}
    for host, limits in stated.items():
        for line in _limits_on(limits) if limits else ():
            hosts.setdefault(line, []).append(str(host))
    everywhere = {host for host, limits in stated.items() if limits}
    return [line if set(names) == everywhere else f"{', '.join(sorted(names))}: {line}" for line, names in sorted(hosts.items())]


def _limits_on(limits: Any) -> list[str]:
    if not isinstance(limits, Mapping):
        return [words.one_line(limits)]
    differing = {name: groups for name, groups in limits.items() if isinstance(groups, list)}
    common = {name: value for name, value in limits.items() if name not in differing}
    own: dict[str, list[str]] = {}
    for name, groups in differing.items():
        for one in groups:
            label = f"{one['of']} ({words.count(len(one['actions']), 'action')})"
            own.setdefault(label, []).append(f"{name} {words.plain(one['limit'])}")
    lines = [words.one_line(words.plain(common))] if common else []
    return lines + [words.one_line(f"{', '.join(texts)} for {label}") for label, texts in own.items()]


def show_plan(
    console: Console, *, plan: Mapping[str, Any], actions: Sequence[tuple[str, Action]], protected: Sequence[Spared],
) -> None:
    """Print everything that is to be approved."""
    console.print()
    console.print(Text("Plan", style="bold"))
    console.print(plan_table(actions, rungs.places(plan)), highlight=False)
    console.print()
    lines = [("rungs", line) for line in rungs.lines(plan, actions)]
    lines += [("blast radius", blast_radius(actions))]
    lines += [("limits", line) for line in limit_lines(plan.get("limits") or {})] or [("limits", "none stated")]
    lines += [("spared", line) for line in spared_lines(protected)] or [("spared", "nobody")]
    lines += [("plan", f"{str(plan.get('hash', ''))[:16]}, valid until {_clock(float(plan.get('expires') or 0))} UTC")]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    before = ""
    for label, value in lines:
        grid.add_row(label if label != before else "", value)
        before = label
    console.print(grid, highlight=False)
    console.print()


def can_ask(console: Console) -> bool:
    """Whether there is somebody to ask: a terminal, and output that shows the question."""
    return sys.stdin.isatty() and not console.quiet


def ask(console: Console, *, plan: Mapping[str, Any], count: int, stopper: Stopper) -> Decision:
    """Ask on the terminal; whatever is not the word refuses.

    A closed terminal, an expired plan and the deadline refuse as well: nothing is ever approved by waiting.
    """
    if not can_ask(console):
        return Decision(False, "no_terminal")
    what = "this action" if count == 1 else f"these {count} actions"
    question = f"Carry out {what}? Type {APPROVING} to approve; anything else refuses: "
    before: dict[int, Any] = {}
    try:
        # Before the question is seen: a Ctrl-C must never be taken for patience.
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, signal.default_int_handler)
        if stopper.reason:
            return Decision(False, stopper.reason)
        # What was typed before the question was there is no answer to it.
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
        console.print(Text(question, style="bold"), end="")
        console.file.flush()
        valid = float(plan.get("expires") or 0) - time.time()
        remaining = stopper.remaining
        wait = max(min(valid, remaining if remaining is not None else valid), 0)
        ready = select.select([sys.stdin], [], [], wait)[0]
        if not ready:
            console.print()
            stopper.check_deadline()
            return Decision(False, TIMEOUT if stopper.reason == TIMEOUT else "expired")
        answer = os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace")
    except KeyboardInterrupt:
        console.print()
        stopper.interrupt()
        return Decision(False, INTERRUPT)
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)
    if not answer:
        console.print()
        return Decision(False, "end_of_input")
    if answer.strip().lower() != APPROVING:
        return Decision(False, "answered")
    in_time = time.time() < float(plan.get("expires") or 0)
    return Decision(in_time, "typed" if in_time else "expired")


def _clock(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%H:%M:%S")
