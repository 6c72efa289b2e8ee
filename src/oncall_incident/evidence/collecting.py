# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a run's record into an incident's bag: linked where it can be, so that nothing is stored twice and nothing is rewritten."""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.names import is_secret_name
from ansible_collections.oncall.incident.plugins.plugin_utils._record.safe import safe_name

from ..errors import Stop
from ..private import write_private
from ..record.recording import close_unfinished, summarise
from . import names
from .incident import Incident

_TOKEN_BYTES = re.compile(rb"\[redacted:([0-9a-f]{12})\]")
_TOKEN = re.compile(r"\[redacted:([0-9a-f]{12})\]")
#: What of a run's directory is not the record: its lock, the report (which is rendered again).
_OURS = ("record", "blobs", "hosts")


def collect(incident: Incident, run: str, run_dir: Path) -> int:
    """Take what a run wrote into the bag; what is there already stays. How many files came.

    Raises:
        Stop: there is no such record, it is still being written, or something in it is not a regular file.
    """
    if not layout.segments(run_dir):
        raise Stop(f"{run_dir}: there is no record.", hint="Give a run's directory or its id.")
    if verify.check(run_dir).status == verify.INCOMPLETE and not close_unfinished(run_dir):
        raise Stop(f"The run {run} is still being written.", hint="Wait until it ends, then try again.")
    with incident.locked():
        count = 0
        for path in _files(run_dir):
            count += _bring(path, incident.data / place(run, path.relative_to(run_dir)))
        # Once it is there it stays: a seal may cover it.
        if count and not (incident.data / "runs" / run / "run.json").exists():
            write_private(incident.data / "runs" / run / "run.json", json.dumps(describe(run_dir), indent=1, sort_keys=True) + "\n")
        if (run_dir / "report.md").is_file() and not (incident.data / "report" / f"{run}.md").exists():
            _copy(run_dir / "report.md", incident.data / "report" / f"{run}.md")
    return count


def describe(run_dir: Path) -> dict[str, Any]:
    """run.json: what ran, by whom, with which command line, versions and inventory, and how it ended."""
    summary = summarise(run_dir)
    opened: Mapping[str, Any] = next((event for event in summary.timeline if event.get("type") == "run.open"), {})
    end = summary.outcome or {}
    kept = ("segment", "kind", "argv", "started", "ended", "ended_how", "check_mode", "user", "controller", "versions", "source",
            "collection_source", "playbook", "inventory", "limit", "tags", "stats")
    return {
        "run": summary.run, "started": summary.started, "ended": summary.ended, "outcome": end.get("outcome"),
        "exit_status": end.get("exit_status"),
        "opened": {key: value for key, value in opened.items() if key not in ("seq", "ts", "segment")},
        "executions": [{key: execution[key] for key in kept if execution.get(key) is not None} for execution in summary.executions],
        "events": sum(count for kind, count in summary.counts.items() if kind != "dropped"),
    }


def redactions(data: Path) -> Iterator[dict[str, Any]]:
    """Where something was taken out of the incident's events and its runs' records: place, rule and token, never the value."""
    roots = [("events", data, "events")]
    runs = data / "runs"
    roots += [(f"runs/{path.name}", path, layout.RECORD) for path in (sorted(runs.iterdir()) if runs.is_dir() else [])]
    for origin, root, name in roots:
        for number, path in layout.segments(root, name):
            with path.open("rb") as stream:
                for line, raw in enumerate(iter(lambda: stream.readline(reader.MAX_LINE_BYTES), b""), start=1):
                    if b"[redacted:" in raw:
                        where = {"origin": origin, "segment": number, "line": line}
                        yield from ({**where, **found} for found in _in(reader.parse(raw.rstrip(b"\n")) or {}, ""))
    for path in sorted([*(data / "hosts").rglob("*"), *runs.glob("*/blobs/sha256/*/*")]):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            origin = str(path.relative_to(data))
            yield from ({"origin": origin, "offset": offset, "rule": "text", "token": token} for offset, token in _in_file(path))


def _in_file(path: Path) -> Iterator[tuple[int, str]]:
    """The tokens in a host's output or a spilled value, with their offsets in bytes; mapped, not read into memory."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for found in _TOKEN_BYTES.finditer(mapped):
            yield found.start(), found.group(1).decode("ascii")


def _in(value: Any, pointer: str, key: str = "") -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _in(member, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}", str(name))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _in(member, f"{pointer}/{number}", key)
    elif isinstance(value, str):
        for found in _TOKEN.finditer(value):
            whole = found.group() == value
            rule = "name" if whole and is_secret_name(key) else "value" if whole else "text"
            yield {"pointer": pointer, "rule": rule, "token": found.group(1)}


def place(run: str, relative: Path) -> Path:
    """Where a file of a run's directory is in the bag, below data: a host's snapshots under its own directory."""
    first, *rest = relative.parts
    if first == "hosts" and len(rest) > 1:
        return Path("hosts", _safe(rest[0]), run, *(_safe(part) for part in rest[1:]))
    return Path("runs", run, *(_safe(part) for part in relative.parts))


def _safe(name: str) -> str:
    """Who wrote the record made names safe already; what was not written by it is made so here."""
    return name if names.is_safe(name) else safe_name(name)


def _files(run_dir: Path) -> Iterator[Path]:
    """The regular files of a record; anything else, which a host might have talked somebody into, is refused."""
    for top in _OURS:
        for directory, folders, files in os.walk(run_dir / top):
            here = Path(directory)
            for name in sorted([*folders, *files]):
                path = here / name
                if path.is_symlink() or not (path.is_dir() or path.is_file()):
                    raise Stop(f"{path} is not a regular file.", hint="Records contain only regular files: find out who added it.")
            # A blob in the making is not finished yet.
            yield from (here / name for name in sorted(files) if not name.startswith("."))


def _bring(path: Path, to: Path) -> int:
    if to.exists():
        return 0
    layout.make_private(to.parent)
    try:
        os.link(path, to, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        _copy(path, to)
    return 1


def _copy(path: Path, to: Path) -> None:
    layout.make_private(to.parent)
    part = to.with_name(f".{to.name}.{os.getpid()}")
    with path.open("rb") as source, os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
    part.replace(to)
