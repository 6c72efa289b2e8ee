# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of a health module's result: on the screen while it runs, and in report.md."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import lift
from rich.console import Console

from oncall_incident.reporting import run as report
from oncall_incident.running.view import View
from tests.support.story import Story

HOST = "target"


class Told(NamedTuple):
    """The screen and the report, each without the wrapping of its lines."""

    screen: str
    report: str


def told(result: Mapping[str, Any], home: Path) -> Told:
    """What is shown of one result, once it went through a record.

    Args:
        home: an empty directory for the record.
    """
    story = Story(home)
    with story.segment(check_mode=True):
        for kind, payload in lift(result)[0]:
            story.tell(kind, host=HOST, phase="investigate", task="Judge", **payload)
        story.stats(**{HOST: 0})
    out = io.StringIO()
    view = View(Console(file=out, width=200))
    for event in reader.read(story.run_dir):
        view.event(event)
    view.end()
    return Told(" ".join(out.getvalue().split()), report.render(story.run_dir).replace("\\", ""))
