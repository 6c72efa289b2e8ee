# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident metrics`."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta

import typer
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import Stop
from ..evidence import times
from ..evidence.store import Store
from ..reporting import metrics, metrics_text
from ..terminal import words


def metrics_and_show(*, by: str, since: str | None, form: str) -> None:
    """Print the metrics.

    Raises:
        Stop: an option's value is not known.
    """
    for option, value, known in (("--by", by, metrics.BY), ("--format", form, metrics_text.FORMATS)):
        if value not in known:
            raise Stop(f"{option} {value}: not known.", hint=f"Choose one of {', '.join(known)}.")
    now = times.now()
    found = list(metrics.rows(Store(layout.default_home(os.environ)), since=_since(since, now=now), now=now))
    if form == "json":
        typer.echo(metrics_text.as_json(found), nl=False)
    elif form == "csv":
        typer.echo(metrics_text.as_csv(found, by=by), nl=False)
    elif form == "prometheus":
        typer.echo(metrics_text.as_prometheus(found, by=by), nl=False)
    else:
        _show(metrics_text.table(found, by=by), by=by, looked=len(found) - len(metrics.counted(found)))


def _show(rows: list[list[str]], *, by: str, looked: int) -> None:
    """looked: how many incidents are not counted."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    left_out = f"{words.count(looked, 'incident')} not counted: only looked (a check, or input that was refused)."
    if not rows[1:] or (by != "incident" and len(rows) == 2):  # the last row is of all, of whom there are none
        console.print(f"There are no incidents.{f' {left_out}' if looked else ''}")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    if by != "incident":
        console.print(Text("median / nine of ten (incidents)", style="dim"))
        if looked:
            console.print(Text(left_out, style="dim"))


def _since(value: str | None, *, now: datetime) -> datetime | None:
    if value is None:
        return None
    try:
        return now - timedelta(seconds=parse_duration(value))
    except BadInput:
        pass
    try:
        return times.parse(value)
    except ValueError as exc:
        raise Stop(f"--since {value}: not a time.", hint="Write a date (2026-01-01), a time in ISO 8601, or how long ago (30d).") from exc
