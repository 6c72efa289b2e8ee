# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scenario that only looks has to show: a table on the screen, a page, and a file for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._core.findings import OK
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import Stop
from ..private import replace_private
from ..reporting import document, health
from ..running.run import Finished
from ..running.view import STYLES
from ..terminal import words

#: Lines of the table on the screen. The page has all.
_MOST = 40


def check_places(places: Mapping[str, str | None]) -> None:
    """Refuse a file that cannot be written, before anything is looked at.

    Args:
        places: option -> path.

    Raises:
        Stop: its directory is not there, or it is a directory.
    """
    for option, given in places.items():
        if given is None:
            continue
        path = Path(given).expanduser()
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise Stop(f"{option} {given}: no file can be written there.", hint="Name a file in a directory that exists.")


def show(console: Console, finished: Finished) -> None:
    """The checks that are not ok, the worst first."""
    found = health.lines(finished.summary)
    bad = health.together([line for line in found if line.status != OK])
    if not bad:
        return
    table = Table(box=None, pad_edge=False, show_edge=False, expand=False)
    for name in ("status", "host", "check", "observed", "limit", "what to do, or why it is not known"):
        table.add_column(name, header_style="dim", overflow="fold")
    for line in bad[:_MOST]:
        about = f"{line.check} {line.subject}".strip()
        table.add_row(
            Text(line.status, style=STYLES[line.status]), Text(line.host), Text(words.one_line(about, limit=80)), Text(line.value),
            Text(line.limit), Text(words.one_line(line.hint, limit=300)),
        )
    console.print()
    console.print(table)
    if len(bad) > _MOST:
        console.print(Text(f"and {len(bad) - _MOST} more; --html FILE writes all", style="dim"))


def write(finished: Finished, *, html: str | None, prometheus: str | None) -> list[Path]:
    """The files that were asked for, each in place of an older one.

    Raises:
        Stop: one cannot be written.
    """
    written = []
    if html is not None:
        page = document.text(health.as_page(finished.summary, finished.outcome), document.HTML)
        written.append(_replace(html, page, mode=0o600))
    if prometheus is not None:  # node-exporter is another user, and the file has no secret
        written.append(_replace(prometheus, health.as_prometheus(finished.summary, now=time.time()), mode=0o644))
    return written


def _replace(given: str, text: str, *, mode: int) -> Path:
    path = Path(given).expanduser()
    try:
        replace_private(path, text, mode=mode)
    except OSError as exc:
        raise Stop(f"{given}: {exc.strerror}.", hint="Check who may write there.") from exc
    return path
