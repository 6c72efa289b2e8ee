# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident report`."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from .errors import Stop
from .private import write_private
from .recording import close_unfinished
from .records import run_directory
from .report import render, write_report


def report_and_show(record: str, *, output: str | None) -> None:
    """Write the report into the run's directory, and where else it is wanted.

    Raises:
        Stop: a place cannot be written.
    """
    path = run_directory(record, environ=os.environ, cwd=Path.cwd())
    try:
        if output == "-":
            typer.echo(render(path), nl=False)
            return
        close_unfinished(path)
        written = write_report(path)
        if output is not None:
            written = write_private(Path(output).expanduser(), render(path))
    except BrokenPipeError:  # nobody reads our output any more; main() knows what to do
        raise
    except OSError as exc:
        hint = "Check who may read and write there, or choose another place with --output."
        raise Stop(f"{exc.filename or path}: {exc.strerror}.", hint=hint) from exc
    typer.echo(str(written))
