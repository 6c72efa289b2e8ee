# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident vars`: the values a scenario would run with, and where each comes from."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..exits import Exit
from ..running.collection import Collection
from ..running.request import Request
from ..running.scenarios import choose
from ..terminal import words
from ..variables import judging
from ..variables.judging import Row, Section
from ..variables.reading import read

_LONGEST = 400


def vars_and_show(asked: Request, *, found: Collection, vault_passwords: Mapping[str, str], everything: bool, as_json: bool) -> Exit:
    """Print the variables; USAGE when a run would refuse one of them.

    Args:
        asked: scenario, inventories, limit, extra variables, sources of vault passwords.
        found: the collection.
        vault_passwords: those that were asked for, by the label of their identity.
        everything: the defaults nobody changed, too.
        as_json: one JSON object instead of tables.
    """
    cwd = Path.cwd()
    scenario = choose(asked.scenario, collection=found.path, cwd=cwd)
    answer = read(asked, scenario=scenario, found=found, cwd=cwd, vault_passwords=vault_passwords)
    roles = found.path / "roles"
    parts = judging.sections(answer, roles=roles, own_playbooks=found.path / "playbooks")
    problems = judging.problems(answer, roles=roles)
    doubts = judging.doubts(answer, roles=roles)
    if as_json:
        typer.echo(json.dumps({
            "scenario": scenario.name, "problems": problems, "doubts": doubts, "nowhere": answer["nowhere"],
            "sections": [_as_data(part, everything=everything) for part in parts],
        }))
    else:
        _show(parts, problems, doubts, everything=everything)
        for role, asked_for in answer["nowhere"].items():
            typer.echo(f"{role} goes to no host of this inventory{f' (-e {asked_for[0]}=PATTERN)' if asked_for else ''}.")
    return Exit.USAGE if problems else Exit.RECOVERED


def _as_data(part: Section, *, everything: bool) -> dict[str, Any]:
    rows = [dataclasses.asdict(row) for row in part.rows if row.shown or everything]
    return {"role": part.role, "hosts": part.hosts, "variables": [{key: row[key] for key in row if key != "shown"} for row in rows]}


def _show(parts: Sequence[Section], problems: Sequence[str], doubts: Sequence[str], *, everything: bool) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    for part in parts:
        rows = [row for row in part.rows if row.shown or everything]
        if not rows:
            continue
        console.print(Text.assemble((part.role, "bold"), "  ", (", ".join(part.hosts), "cyan")), soft_wrap=True)
        console.print(_table(rows))
        hidden = len(part.rows) - len(rows)
        console.print(Text(f"  and {words.count(hidden, 'variable')} at the default\n" if hidden else "", style="dim"))
    for problem in problems:
        console.print(Text.assemble(("A run would refuse this: ", "bold red"), problem))
    for doubt in doubts:
        console.print(Text.assemble(("Is this meant? ", "bold yellow"), doubt))
    if not everything:
        console.print(Text("--all shows the rest; ansible-doc -t role oncall.incident.ROLE explains each.", style="dim"))


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True, width=1)
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for row in rows:
        changed = row.differs or (row.secret and row.source["kind"] != "default")
        table.add_row(
            "*" if changed else "", Text(row.name, style="bold" if row.basic else ""),
            _value(row), Text(judging.place(row.source), style="" if changed else "dim"),
        )
    return table


def _value(row: Row) -> Text:
    if not row.set:
        return Text("(not set)", style="dim")
    if row.value == "":
        return Text("(empty)", style="dim")
    said = row.value if isinstance(row.value, str) else json.dumps(row.value, ensure_ascii=False)
    return Text(words.one_line(said, limit=_LONGEST), style="yellow" if row.secret else "")
