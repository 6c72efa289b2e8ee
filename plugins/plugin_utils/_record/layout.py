# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run's record is and what it is called.

This plugin util is PRIVATE to the collection: it may change at any time.

    <home>/runs/<run>/record/000001.jsonl    segments, one writer each
    <home>/runs/<run>/blobs/sha256/ab/<hash> values too large for a line
    <home>/runs/<run>/lock                   held by the one writer
    <home>/redaction.key                     outside every run: keys the redaction tokens
"""

from __future__ import annotations

import datetime
import os
import re
import secrets
import typing as t
from pathlib import Path

from .errors import cannot_record

HOME_VARIABLE = "INCIDENT_HOME"
RUN_DIR_VARIABLE = "INCIDENT_RUN_DIR"
RUN_ID_VARIABLE = "INCIDENT_RUN_ID"
#: The recorder's marker for the guard in the first play: "<pid>:<run>:<segment path>".
MARKER_VARIABLE = "ONCALL_INCIDENT_RECORDER"

#: The directory of a run's segments; an incident has `events` and `custody` of the same form.
RECORD = "record"

_SEGMENT_NAME = re.compile(r"(\d{6})\.jsonl\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")


def default_home(environ: t.Mapping[str, str]) -> Path:
    """INCIDENT_HOME, else `oncall-incident` under XDG_DATA_HOME or ~/.local/share."""
    if environ.get(HOME_VARIABLE):
        return Path(environ[HOME_VARIABLE]).expanduser()
    base = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "oncall-incident"


def new_run_id(name: str, *, now: float) -> str:
    """`YYYYMMDDTHHMMSSZ-<name with dashes>-<6 hex>`; sorts by time and is safe as a file name.

    Args:
        name: the playbook's or scenario's name; a path or a suffix is cut off, a dotted name keeps its last part.
        now: seconds since the epoch.
    """
    stamp = datetime.datetime.fromtimestamp(now, tz=datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    base = re.sub(r"\.ya?ml\Z", "", os.path.basename(name)).rpartition(".")[2]
    slug = _NOT_IN_A_NAME.sub("-", base).strip("-").lower()[:48] or "run"
    return f"{stamp}-{slug}-{secrets.token_hex(3)}"


def runs_dir(home: Path) -> Path:
    """The directory that holds all runs of a home."""
    return home / "runs"


def record_dir(run_dir: Path, name: str = RECORD) -> Path:
    """The directory of a run's segments."""
    return run_dir / name


def segment_path(run_dir: Path, number: int, name: str = RECORD) -> Path:
    """The file of a segment, numbered from 1."""
    return record_dir(run_dir, name) / f"{number:06d}.jsonl"


def segment_number(path: Path) -> int | None:
    """The number of a segment file, or None for another file."""
    found = _SEGMENT_NAME.match(path.name)
    return int(found.group(1)) if found else None


def segments(run_dir: Path, name: str = RECORD) -> list[tuple[int, Path]]:
    """The segments of a run in order of their numbers; empty when there is no record."""
    try:
        entries = list(record_dir(run_dir, name).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((number, path) for path in entries if (number := segment_number(path)) is not None)


def blob_path(run_dir: Path, digest: str) -> Path:
    """The file of a blob by its SHA-256 in hex.

    Raises:
        ValueError: not a SHA-256; a record from elsewhere must not name other files.
    """
    if not _SHA256.match(digest):
        raise ValueError(f"not a SHA-256 in hex: {digest!r}")
    return run_dir / "blobs" / "sha256" / digest[:2] / digest


def lock_path(run_dir: Path) -> Path:
    """The file whose lock is held by the run's one writer."""
    return run_dir / "lock"


def make_private(path: Path) -> None:
    """Make a directory and its missing parents, for the owner only; an existing one is left as it is.

    Raises:
        CannotRecord: it cannot be made.
    """
    missing = [path]
    while not missing[-1].parent.exists() and missing[-1].parent != missing[-1]:
        missing.append(missing[-1].parent)
    for entry in reversed(missing):
        try:
            entry.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise cannot_record(entry, exc, doing="make the directory of") from exc
