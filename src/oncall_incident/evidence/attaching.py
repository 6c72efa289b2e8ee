# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files into the bag: streamed, hashed on the way, named by their hash, never held in memory."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, layout, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import cannot_record
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import summarise

from ..errors import Stop
from ..record.outcome import by_health
from . import collecting, model, names, times
from .incident import Incident

_CHUNK = 1 << 20


def attach(incident: Incident, path: Path, *, name: str | None = None, redact: bool = False, note: str = "") -> str:
    """Take a copy of a file into the bag; its SHA-256.

    Args:
        name: what it is called, where that is not the file's name.
        redact: it is text: take secrets out, as out of everything that is recorded. Without, it stays byte for byte.

    Raises:
        Stop: it cannot be read, or is not a regular file.
        CannotRecord: it cannot be written.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise Stop(f"{path}: {exc.strerror}.", hint="Give a file that you can read.") from exc
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # fdopen() refuses a directory in its own way, and leaves it open
        os.close(fd)
        raise Stop(f"{path} is not a regular file.", hint="Attach files one by one, or a tar of the directory.")
    with os.fdopen(fd, "rb") as stream:
        # A large file takes its time: nobody waits for the copy.
        plain = iter(lambda: stream.read(_CHUNK), b"")
        part, digest, size = _copy(incident, keeping.blocks(stream, incident.redactor.data) if redact else plain)
        with incident.locked():
            _put(incident, part, digest)
            incident.append(model.ATTACHMENT, {
                "name": name or path.name, "sha256": digest, "bytes": size, "redacted": redact, "note": note,
                "path": str(layout.blob_path(incident.data, digest).relative_to(incident.bundle)), "at": times.text(times.now()),
            })
            incident.custody("collected", {"name": name or path.name, "sha256": digest, "bytes": size})
    return digest


def attach_run(incident: Incident, run_dir: Path) -> str:
    """Take the record of a run that was started without this incident into it; the run's id, whatever its directory is called.

    Raises:
        Stop: there is no record, it is still being written, or belongs to the incident already.
    """
    run = next((str(event.get("run")) for event in reader.read(run_dir)), "")
    if not names.is_safe(run):
        raise Stop(f"{run_dir}: there is no record of a run.", hint="Give a run's directory or its id.")
    state = incident.state()
    if run in state.runs and state.runs[run].ended:
        raise Stop(f"{incident.id} has the run {run} already.", hint="incident status shows an incident's runs.")
    described = collecting.describe(run_dir)
    with incident.locked():
        collecting.collect(incident, run, run_dir)
        began, ended = str(described["started"]), str(described["ended"])
        scenario = str(described["opened"].get("scenario") or _playbook(described))
        summary = summarise(run_dir)
        said = summary.outcome or {}
        hosts = by_health(str(said.get("outcome")), summary, not_measured=[str(host) for host in said.get("not_measured") or ()])
        incident.append_all([
            (model.RUN_STARTED, {"record": run, "scenario": scenario, "at": began, "source": "attached"}),
            (model.RUN_ENDED, {
                "record": run, "outcome": described["outcome"] or "not judged", "exit_status": described["exit_status"], "at": ended,
                **({"hosts": hosts} if said else {}),
            }),
        ])
        incident.custody("collected", {"record": run})
    return run


def _playbook(described: dict[str, object]) -> str:
    executions = described["executions"]
    names = [str(item.get("playbook")) for item in executions if item.get("playbook")] if isinstance(executions, list) else []
    return Path(names[0]).stem if names else "playbook"


def _copy(incident: Incident, chunks: Iterable[bytes]) -> tuple[Path, str, int]:
    """Copy beside the bag; the copy, its SHA-256 and its size."""
    part = incident.folder / "incoming" / f"{os.getpid()}-{secrets.token_hex(4)}"
    layout.make_private(part.parent)
    total, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            for chunk in chunks:
                total.update(chunk)
                size += len(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise cannot_record(exc.filename or part, exc) from exc
    return part, total.hexdigest(), size


def _put(incident: Incident, part: Path, digest: str) -> None:
    """Move a copy into the bag under its hash; the same bytes are there once."""
    path = layout.blob_path(incident.data, digest)
    try:
        layout.make_private(path.parent)
        if path.exists():
            part.unlink()
        else:
            part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise cannot_record(exc.filename or path, exc) from exc
