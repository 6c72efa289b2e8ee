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

from ..running.scenarios import listed


def show_scenarios(collection: Path, *, as_json: bool) -> None:
    """Print the scenarios with their descriptions."""
    found = listed(collection)
    if as_json:
        typer.echo(json.dumps([{"name": item.name, "description": item.description, "playbook": item.playbook} for item in found]))
        return
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("scenario", no_wrap=True, style="cyan")
    table.add_column("what it does", overflow="fold")
    for item in found:
        table.add_row(item.name, item.description)
    console.print(table)
    console.print("\nStart one with: incident run SCENARIO -i INVENTORY --check", style="dim")
