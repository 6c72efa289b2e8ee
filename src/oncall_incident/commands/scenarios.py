# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident scenarios`."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..running.scenarios import listed


def show_scenarios(collection: Path, *, as_json: bool) -> None:
    """Print the scenarios with their descriptions."""
    found = listed(collection)
    if as_json:
        typer.echo(json.dumps([
            {"name": item.name, "description": item.description, "playbook": item.playbook, "needs": [one.as_dict() for one in item.needs]}
            for item in found
        ]))
        return
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("scenario", no_wrap=True, style="cyan")
    table.add_column("what it does", overflow="fold")
    for item in found:
        said = Text(item.description)
        if item.needs:
            said.append(f"\nmay need {', '.join(dict.fromkeys(str(need) for need in item.needs))}", style="dim")
        table.add_row(item.name, said)
    console.print(table)
    console.print("\nWhat one needs, where and when: incident scenarios --json", style="dim")
    console.print("Start one with: incident run SCENARIO -i INVENTORY --check", style="dim")
