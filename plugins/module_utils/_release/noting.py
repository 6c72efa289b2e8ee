# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Note that the release that runs was measured good.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.errors import BadInput, Blind, IncidentError
from .._module.lock import acting_alone
from .._module.programs import Run
from .decisions.releases import Note
from .decisions.where import Where
from .looking import look_at
from .notes import add


class NotNoted(IncidentError):
    """There is not one release that runs well, or the file cannot be written."""

    kind = "not_noted"


def note(where: Where, *, notes: str, run_id: str, now: float, write: bool, run: Run) -> str:
    """Note the release that runs; its id.

    Args:
        notes: path of the file, from / on.
        now: seconds since the epoch.
        write: whether anything is written.

    Raises:
        BadInput: the path is not absolute.
        Blind: what runs cannot be looked at, or what is noted cannot be read.
        Locked: another run notes something now.
        NotNoted: see there.
    """
    if not notes.startswith("/"):
        raise BadInput(f"notes: {notes} is not an absolute path.", hint="Give it from / on.")
    seen = look_at(where, notes=notes, to="", run=run)
    if seen.trouble:
        raise Blind(f"{seen.subject}: {seen.trouble}", hint=seen.hint)
    if len(seen.running) != 1 or seen.broken or seen.moved:
        said = seen.broken or seen.moved or f"{len(seen.running)} releases run"
        raise NotNoted(f"{seen.subject}: {said}.", hint="What is not one whole release is not noted as good.")
    if write:
        with acting_alone(f"notes of releases {notes}"):
            try:
                add(notes, where.subject, seen.running[0], Note(now, run_id))
            except OSError as exc:
                raise NotNoted(f"{notes}: {exc.strerror or exc}", hint="Let the user that the module runs as write there.") from exc
    return seen.running[0]
