# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are run by anything else, such as runit, supervisord, or a script: their status command says whether they are up.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import typing as t

from ..._core.errors import Blind
from ..._module.files import text_of
from ..._module.programs import Run
from ..decisions.command import STATUS, Ways, fingerprint, is_up, pid_said
from ..decisions.instance import Instance
from ..decisions.services import Service
from ..looking import start_of

#: Characters of what a status command says, in messages.
_SHOWN = 200
#: The kernel keeps so much of a program's name, proc(5).
_COMM = 15


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime. A service without a status command cannot be looked at: its health is measured from outside.

    Raises:
        Blind: it has no status command, that one says neither up nor down, or its process says something else.
    """
    ways = Ways.of(service)
    if not ways.commands[STATUS]:
        said = f"{service.name} has no status command, so its runtime says nothing of it."
        raise Blind(said, hint="Set where.status, or go by its health.")
    ran = run(ways.commands[STATUS])
    text = f"{ran.out}\n{ran.err}".strip()
    up = is_up(ran.status, service=service.name, said=(ran.problem or text)[:_SHOWN])
    pid = _process_of(service, ways, said=text if up else "")
    start = start_of(pid) if pid else ""
    named = ways.pid_file or ways.process
    if named and up != bool(start):
        says, sees = ("up", "there is no process") if up else ("down", f"process {pid} runs")
        raise Blind(
            f"The status command of {service.name} says that it is {says}, and by {named} {sees}.", hint="Correct the one that is wrong.",
        )
    return [Instance(
        id=service.identity, name=service.name, start=f"{pid}.{start}" if start else f"said {fingerprint(text)}",
        state="up" if up else "down", up=up,
        main_pid=pid if start else 0, runtime="command",
    )]


def daemon(service: Service) -> str:
    """See Runtime."""
    return f"the status command of {service.name}"


def _process_of(service: Service, ways: Ways, *, said: str) -> int:
    """The main process of a service, as far as anything names it; 0 where nothing does."""
    if ways.process:
        found = list(_named(ways.process))
        if len(found) > 1:
            raise Blind(
                f"{len(found)} processes are called {ways.process}, and none of them is the parent of the others.",
                hint=f"Give {service.name} where.pid_file in place of where.process.",
            )
        return found[0] if found else 0
    if not ways.pid_file:
        return pid_said(said)
    try:
        with open(ways.pid_file, encoding="utf-8", errors="replace") as file:
            text = file.read(_SHOWN).strip()
    except FileNotFoundError:
        return 0
    except OSError as exc:
        raise Blind(f"{ways.pid_file} of {service.name} cannot be read: {exc.strerror}.", hint="Let the user who looks read it.") from exc
    return int(text) if text.isdigit() else 0


def _named(program: str, *, proc: str = "/proc") -> t.Iterator[int]:
    """The processes of a program whose parents are not of it."""
    found = {}
    for entry in os.listdir(proc):
        if entry.isdigit() and _is_of(program, f"{proc}/{entry}"):
            fields = text_of(f"{proc}/{entry}/stat").rpartition(")")[2].split()
            if len(fields) > 1:
                found[int(entry)] = int(fields[1])
    return (pid for pid, parent in found.items() if parent not in found)


def _is_of(program: str, place: str) -> bool:
    first = text_of(f"{place}/cmdline").partition("\0")[0]
    return os.path.basename(first) == program or text_of(f"{place}/comm").strip() == program[:_COMM]
