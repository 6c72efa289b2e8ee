# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's marker: is this run recorded?

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ...module_utils._core.errors import IncidentError
from ...module_utils._module import lease

MARKER = "ONCALL_INCIDENT_RECORDER"
CALLBACK = "oncall.incident.evidence"


class NotRecorded(IncidentError):
    """Something would be changed and nobody is writing it down."""

    kind = "not_recorded"


@dataclasses.dataclass(frozen=True)
class Recorder:
    """Who records this run: process, run id, path of the segment."""

    pid: int
    run: str
    segment: str


def read_marker(environ: t.Mapping[str, str], *, processes: t.Collection[int]) -> Recorder | None:
    """The recorder of this very run.

    Args:
        environ: the process environment.
        processes: ids of this process and of the ansible-playbook that started it. A marker of any other process was
            inherited, from a wrapper or a shell inside another run, and says nothing about this one.
    """
    pid, _colon, rest = environ.get(MARKER, "").partition(":")
    run, _colon, segment = rest.partition(":")
    if not (pid.isdigit() and run and segment) or int(pid) not in processes:
        return None
    return Recorder(pid=int(pid), run=run, segment=segment)


def died(environ: t.Mapping[str, str], *, processes: t.Collection[int]) -> int:
    """The process of ansible-playbook that recorded this run, where it is gone; 0 where it is not, or where nobody records.

    Args:
        environ, processes: as of read_marker(). Whoever inherited a marker has somebody else's, who waits for this run and so is alive.
    """
    said = environ.get(MARKER, "").partition(":")[0]
    pid = int(said) if said.isascii() and said.isdigit() else 0
    if not pid or pid in processes:
        return 0
    return pid if lease.is_gone(pid) else 0


def require(recorder: Recorder | None, *, record: bool, check_mode: bool) -> dict[str, t.Any]:
    """Decide whether changes may be made.

    Args:
        recorder: from read_marker().
        record: false where the caller said `incident_record: off`.
        check_mode: nothing will be changed.

    Raises:
        NotRecorded: with the exact lines to set.
    """
    if recorder is None and record and not check_mode:
        raise NotRecorded(
            "This run is not recorded, so nothing may be changed in it.",
            hint=f"Set callbacks_enabled = {CALLBACK} under [defaults] in ansible.cfg, or ANSIBLE_CALLBACKS_ENABLED={CALLBACK}"
                 " in the environment, or start it with `incident run`. To change things without a record: -e incident_record=off",
        )
    return {
        "recorded": recorder is not None, "run": recorder.run if recorder else None,
        "segment": recorder.segment if recorder else None,
    }
