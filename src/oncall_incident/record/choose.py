# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run is meant by RECORD: a directory, a run's id under INCIDENT_HOME, the beginning of one, or `latest`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout

from ..errors import Stop

LATEST = "latest"


def run_directory(record: str, *, environ: Mapping[str, str], cwd: Path) -> Path:
    """The directory of that run.

    Raises:
        Stop: there is none, or the name begins several.
    """
    path = (cwd / Path(record).expanduser()).resolve()
    for candidate in (path, *list(path.parents)[:2]):
        # The run's directory, its record/ or one of its segments: whatever completion in the shell gave.
        if layout.segments(candidate):
            return candidate
    runs = layout.runs_dir(layout.default_home(environ))
    known = sorted(entry.name for entry in runs.iterdir() if layout.segments(entry)) if runs.is_dir() else []
    if record == LATEST and known:
        return runs / known[-1]
    if record in known:
        return runs / record
    beginning = [name for name in known if name.startswith(record)]
    if len(beginning) == 1:
        return runs / beginning[0]
    if beginning:
        raise Stop(f"{record}: {len(beginning)} runs begin with that.", hint="They are: " + ", ".join(beginning[-5:]))
    meant = suggest(record, known)
    last = f"; the last one is {known[-1]}." if known else ", which has none."
    raise Stop(
        f"{record}: there is no such record.", hint=f"{meant}Give a run's directory, its id, or latest. Runs are kept in {runs}{last}",
    )
