# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run or an incident in every format, from one content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import verify

from ..evidence import checks
from ..evidence.incident import Incident
from ..evidence.model import Event, State
from ..private import replace_private
from ..record.recording import close_unfinished
from . import files, postmortem, render
from .content import Source, of_run

if TYPE_CHECKING:
    from .incident import Read

MARKDOWN = "markdown"
HTML = "html"
FORMATS: Mapping[str, str] = {MARKDOWN: "report.md", HTML: "report.html"}
INDEX: Mapping[str, str] = {MARKDOWN: "index.md", HTML: "index.html"}


def run_content(run_dir: Path, *, close: bool = False) -> dict[str, Any]:
    """The whole content of a run's report.

    Args:
        close: first close its record where its writer died.
    """
    source = Source.read(run_dir)
    if close and source.checked.status == verify.INCOMPLETE and close_unfinished(run_dir):
        source = Source.read(run_dir)
    content = {**of_run(source), "evidence": files.of_run(run_dir)}
    return {**content, "postmortem": postmortem.draft(content)}


def incident_content(
    incident: Incident, *, now: datetime | None = None, verdict: checks.Verdict | None = None, own: Read | None = None,
) -> dict[str, Any]:
    """The whole content of an incident's report. The files are those of its last manifest, else of its folder.

    Args:
        own: its own events, where they were read already.
    """
    from .incident import of_incident, read

    own = own or read(incident, check=verdict is None)
    manifest = incident.bundle / "manifest-sha256.txt"
    found = files.of_manifest(manifest) if manifest.is_file() else files.of_run(incident.data)
    content = {**of_incident(incident, own, now=now, verdict=verdict), "evidence": found}
    return {**content, "postmortem": postmortem.draft(content)}


def for_the_bag(incident: Incident, coming: Sequence[Event] = ()) -> tuple[str, State]:
    """The report that is sealed with an incident, Markdown, and the incident as it is now.

    Args:
        coming: events as if they were written already.
    """
    from .incident import read

    own = read(incident, coming=coming)
    return text(incident_content(incident, own=own), MARKDOWN), own.state


def text(content: Mapping[str, Any], form: str) -> str:
    """The content in one format."""
    if content["kind"] == "health":
        return render.as_html(content, "health.html.j2")
    name = "index" if content["kind"] == "index" else "report"
    return render.as_html(content, f"{name}.html.j2") if form == HTML else render.as_markdown(content, f"{name}.md.j2")


def write(content: Mapping[str, Any], directory: Path, forms: Iterable[str] = FORMATS) -> list[Path]:
    """Write the report (or the index) into a directory, in place of an older one; readable for the owner only."""
    names = INDEX if content["kind"] == "index" else FORMATS
    written = []
    for form in forms:
        target = directory / names[form]
        replace_private(target, text(content, form))
        written.append(target)
    return written
