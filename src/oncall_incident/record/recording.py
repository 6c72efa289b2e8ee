# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wrapper's side of a run's record: its own segments between the executions, and a look at all of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import MITIGATE
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Fold, Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import cleaned
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from ..who import opening
from . import outcome


class Recording:
    """One run's record.

    Attributes:
        run, run_dir: its id and directory.
        redactor: knows the secrets the wrapper was given.
    """

    def __init__(self, *, home: Path, run: str, versions: Mapping[str, str]) -> None:
        self.run = run
        self.run_dir = layout.runs_dir(home) / run
        self.redactor = Redactor.for_run(home, run)
        self._versions = versions
        self._follower = reader.Follower(self.run_dir)
        self._fold = Fold()

    @contextlib.contextmanager
    def segment(self) -> Iterator[Segment]:
        """A segment of the wrapper's own; it must be closed while an Ansible process writes.

        Raises:
            CannotRecord: it cannot be written.
        """
        with Segment.open(self.run_dir, run=self.run, redactor=self.redactor, opening=opening(self._versions)) as segment:
            yield segment

    def new_events(self) -> Iterator[dict[str, Any]]:
        """What was written since the last call; it is taken into the summary as well."""
        for event in self._follower.new_events():
            event = put_back(self.run_dir, event)
            self._fold.add(event)
            yield event

    @property
    def summary(self) -> Summary:
        """The run so far, as its record tells it."""
        for _event in self.new_events():
            pass
        return self._fold.summary()


def summarise(run_dir: Path) -> Summary:
    """The whole record of a run, large values put back where people need them."""
    fold = Fold()
    for event in reader.read(run_dir):
        fold.add(put_back(run_dir, event))
    return fold.summary()


def summarise_and_check(run_dir: Path) -> tuple[Summary, verify.Report]:
    """The same, and whether the record is whole: in one pass, so that what is told is what was checked."""
    fold = Fold()
    checked = verify.check(run_dir, seen=lambda event: fold.add(put_back(run_dir, event)))
    return fold.summary(), checked


def close_unfinished(run_dir: Path) -> bool:
    """Close a record whose writer died: a segment of ours recovers the torn one and names what is unknown.

    Returns:
        Whether it was closed; not when it is whole, when somebody writes it now, or when it cannot be written.
    """
    if verify.check(run_dir).status != verify.INCOMPLETE:
        return False
    summary = summarise(run_dir)
    redactor = Redactor.for_run(run_dir.parent.parent, summary.run)
    try:
        with Segment.open(run_dir, run=summary.run, redactor=redactor, opening=opening({})) as segment:
            segment.append("interrupted", {"reason": "found_unfinished", "unknown": unknown(summary)})
            answer_the_rest(segment, summary)
    except CannotRecord:
        return False
    return True


def answer_the_rest(segment: Segment, summary: Summary) -> None:
    """Write an answer to each approved action that has none.

    Raises:
        CannotRecord: it cannot be written.
    """
    for host, action in outcome.answers_at_the_end(summary):
        segment.append("action", {"host": host, "phase": MITIGATE, "task": "", "check_mode": False, "action": action.as_dict()})


def unknown(summary: Summary) -> list[dict[str, Any]]:
    """The steps whose outcome is unknown, as the record names them."""
    return [{key: entry.get(key) for key in ("host", "task", "action", "phase", "seq", "actions")} for entry in summary.unanswered]


def put_back(run_dir: Path, event: dict[str, Any]) -> dict[str, Any]:
    """The event with its spilled values, where a report or an approval needs them."""
    if event.get("type") in ("plan", "action", "finding", "stats") and "$blob" in json.dumps(event):
        with contextlib.suppress(OSError, ValueError):
            return dict(_value(run_dir, event))
    return event


def _value(run_dir: Path, value: Any) -> Any:
    if isinstance(value, dict):
        reference = value.get("$blob")
        if isinstance(reference, dict):
            data = reader.blob(run_dir, value)
            return _value(run_dir, cleaned(json.loads(data))) if reference.get("kind") == "json" else data.decode("utf-8", "replace")
        return {key: _value(run_dir, member) for key, member in value.items()}
    return [_value(run_dir, member) for member in value] if isinstance(value, list) else value
