# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident verify`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import typer
from ansible_collections.oncall.incident.plugins.plugin_utils._record import verify
from rich.console import Console
from rich.text import Text

from .errors import Stop
from .exits import Exit
from .records import run_directory
from .words import count

_STATUS = {verify.OK: Exit.RECOVERED, verify.BROKEN: Exit.FAILED, verify.INCOMPLETE: Exit.NOT_RECOVERED}
_STYLE = {verify.OK: "bold green", verify.BROKEN: "bold red", verify.INCOMPLETE: "bold yellow"}
_MEANING = {
    verify.OK: "every line is there, unchanged and in its place",
    verify.BROKEN: "it was changed after it was written",
    verify.INCOMPLETE: "what is there is unchanged, but its last writer did not finish",
}
_MOST = 20


def verify_and_show(record: str, *, as_json: bool) -> Exit:
    """Check a record, say what was found, give the exit status."""
    path = run_directory(record, environ=os.environ, cwd=Path.cwd())
    try:
        report = verify.check(path)
    except OSError as exc:
        raise Stop(f"{exc.filename or path}: {exc.strerror}.", hint="Check who may read the record.") from exc
    if as_json:
        typer.echo(json.dumps({"record": str(path), **report.as_dict()}))
        return _STATUS[report.status]
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text.assemble((report.status, _STYLE[report.status]), f"  {report.run or path.name}: {_MEANING[report.status]}"))
    for problem in report.problems[:_MOST]:
        where = f"record/{problem.segment:06d}.jsonl" if problem.segment else "record"
        console.print(Text(f"  {where}{f', line {problem.line}' if problem.line else ''}: {problem.message}"))
    if len(report.problems) > _MOST:
        console.print(Text(f"  and {len(report.problems) - _MOST} more"))
    numbers = f"{count(report.events, 'event')} in {count(report.segments, 'segment')} and {count(report.blobs, 'blob')}"
    console.print(Text(f"  checked {numbers}; head {report.head}", style="dim"))
    for number in report.recovered:
        console.print(Text(f"  segment {number} was left open by its writer and closed by the one after it", style="dim"))
    return _STATUS[report.status]
