# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident report`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord

from ..errors import Stop
from ..evidence import checks, places, settings, signing
from ..evidence.incident import Incident
from ..evidence.store import LATEST, Store
from ..private import write_private
from ..record.choose import run_directory
from ..reporting import document, index

_SUFFIXES = {".html": document.HTML, ".htm": document.HTML, ".md": document.MARKDOWN}


def report_and_show(record: str | None, *, everything: bool = False, form: str | None = None, output: str | None) -> None:
    """Write the report beside its record, and where else it is wanted.

    Raises:
        Stop: there is no such record, or a place cannot be written.
    """
    forms = _forms(form)
    if everything == (record is not None):
        raise Stop("incident report needs a run or an incident, or --all.", hint="For example: incident report latest")
    store = Store(layout.default_home(os.environ))
    place = store.home / index.DIRECTORY
    try:
        if everything or record is None:
            content, directory = index.of_store(store), place
        elif (incident := _incident(store, record)) is not None:
            if store.notes_looks(incident.folder):
                _note_view(incident)
            content, directory = document.incident_content(incident, verdict=_verdict(incident, store)), incident.folder / "report"
        else:
            run_dir = run_directory(record, environ=os.environ, cwd=Path.cwd())
            content, directory, place = document.run_content(run_dir, close=output != "-"), run_dir, run_dir
        _deliver(content, directory, forms=forms, output=output)
    except BrokenPipeError:  # nobody reads our output any more; main() knows what to do
        raise
    except (CannotRecord, OSError) as exc:
        said = exc.message if isinstance(exc, CannotRecord) else f"{exc.filename or place}: {exc.strerror}."
        raise Stop(said, hint="Check who may read and write there, or choose another place with --output.") from exc


def _deliver(content: Mapping[str, Any], directory: Path, *, forms: Sequence[str], output: str | None) -> None:
    if output == "-":
        typer.echo(document.text(content, forms[0]), nl=False)
        return
    layout.make_private(directory)
    written = document.write(content, directory, forms)
    if output is not None:
        target = Path(output).expanduser()
        wanted = forms[0] if len(forms) == 1 else _SUFFIXES.get(target.suffix.lower(), document.MARKDOWN)
        written = [write_private(target, document.text(content, wanted))]
    for path in written:
        typer.echo(str(path))


def _forms(form: str | None) -> list[str]:
    if form is None:
        return list(document.FORMATS)
    if form not in document.FORMATS:
        raise Stop(f"--format {form}: there is no such format.", hint=f"There are {' and '.join(document.FORMATS)}.")
    return [form]


def _incident(store: Store, record: str) -> Incident | None:
    """The incident that is meant; None when a run is, which `latest` is wherever there are runs."""
    path = Path(record).expanduser()
    if places.folder_of(path.absolute()) is not None:
        return store.find(record)
    if record == LATEST and not layout.runs_dir(store.home).is_dir() and store.names():
        return store.find(LATEST)
    if record == LATEST or layout.segments(path) or (layout.runs_dir(store.home) / record).is_dir():
        return None
    try:
        return store.find(record)
    except Stop:
        if record.startswith("INC-"):
            raise
        return None


def _verdict(incident: Incident, store: Store) -> checks.Verdict:
    """What verifying the incident's bundle says, with the signers and the authority that are trusted here."""
    configured = settings.load()
    allowed = signing.allowed_signers(None, home=configured.home, environ=configured.environ)
    return checks.check(
        incident.bundle, allowed=allowed, authority=configured.authority_certificates(None), own=incident.folder,
        asked=incident.id if store.has(incident.folder) else None,
    )


def _note_view(incident: Incident) -> None:
    """Looking at evidence is a line of its custody. Where that cannot be written, a copy to read is looked at."""
    try:
        incident.custody("viewed", {"how": "report"})
    except (CannotRecord, OSError, Stop) as exc:
        typer.echo(f"incident: this look is not in the custody log: {exc}", err=True)
