# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure half of the action plugin snapshot: what a host says about its outputs is checked before it is used.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import resource
import typing as t

from ...module_utils._snapshot.catalogue import COLLECTED, DEFERRED, FAILED, NOT_AVAILABLE, TIMED_OUT

#: A log grows while it is copied; what is beyond the size that was announced is cut off. Bytes.
GROWTH = 64 << 20
_STATUSES = (COLLECTED, TIMED_OUT, NOT_AVAILABLE, DEFERRED, FAILED)
_FOLDER = re.compile(r"\d\d-[a-z]{1,20}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_TRUE = ("true", "yes", "on", "1")
_LONGEST_WORD = 4000


def is_true(value: t.Any) -> bool:
    """An option as Ansible understands booleans."""
    return value if isinstance(value, bool) else str(value).strip().lower() in _TRUE


def state(noted: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[set[str], list[str]]:
    """Which parts were taken to their end, and what is still deferred, from the lines of an index."""
    taken: set[str] = set()
    deferred: list[str] = []
    for line in noted:
        if line.get("kind") == "end":
            taken.add(str(line.get("part")))
            if line.get("part") in ("first", "rest"):
                deferred = [str(name) for name in line.get("deferred") or ()]
    return taken, deferred


def limits(args: t.Mapping[str, t.Any]) -> dict[str, int]:
    """The most that is taken of a command's output, of all of them, and of a log, in bytes: the host's word does not count."""
    return {
        "command": int(args.get("max_kib", 8192)) << 10, "total": int(args.get("max_total_mib", 64)) << 20,
        "file": int(args.get("max_file_mib", 256)) << 20,
    }


def told(entry: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What of an entry the index says."""
    return {key: value for key, value in entry.items() if key not in ("spooled", "position", "file_item")}


def plain(given: t.Any, *, number: int) -> dict[str, t.Any]:
    """An entry of the module's answer with the right types and no surprise in it: a host may say anything."""
    entry = given if isinstance(given, dict) else {}
    name, folder = (str(entry.get(key) or "") for key in ("name", "folder"))
    spooled = entry.get("spooled") is True
    status = str(entry.get("status"))
    digest = str(entry.get("sha256") or "")
    found: dict[str, t.Any] = {
        "name": name if _NAME.match(name) else f"item{number:02d}",
        "folder": folder if _FOLDER.match(folder) else "90-other",
        "status": status if status in _STATUSES else FAILED,
        "argv": [str(word)[:_LONGEST_WORD] for word in _list(entry.get("argv"))[:100]],
        "rc": entry.get("rc") if isinstance(entry.get("rc"), int) else None,
        "stderr": str(entry.get("stderr") or "")[:_LONGEST_WORD],
        "reason": str(entry.get("reason") or "")[:_LONGEST_WORD],
        "bytes": _count(entry.get("bytes")),
        "offset": _count(entry.get("offset")),
        "truncated": bool(entry.get("truncated")),
        "host_sha256": digest if _SHA256.match(digest) else "",
        "host_started": _time(entry.get("started")),
        "host_ended": _time(entry.get("ended")),
        "spooled": spooled,
        "position": _count(entry.get("position")),
        "remote": str(entry.get("path") or "")[:_LONGEST_WORD],
        "file_item": not spooled and str(entry.get("path") or "").startswith("/"),
    }
    for key in ("size", "inode", "modified"):
        if isinstance(entry.get(key), (int, float)):
            found[key] = entry[key]
    if found["status"] in (COLLECTED, TIMED_OUT) and not spooled and not found["file_item"]:
        found.update(status=FAILED, reason="the host named no output")
    return found


def with_clocks(entry: dict[str, t.Any], *, offset: float | None) -> dict[str, t.Any]:
    """The entry with its start and end on both clocks."""
    found = dict(entry)
    for name in ("started", "ended"):
        host = found.pop(f"host_{name}")
        found[name] = {
            "host_clock": _text(host), "our_clock": None if host is None or offset is None else _text(host - offset),
        }
    return found


class Limited:
    """A stream that ends after so many bytes."""

    def __init__(self, stream: t.IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, count: int) -> bytes:
        """At most `count` of the bytes that are left."""
        data = self._stream.read(min(count, self._left))
        self._left -= len(data)
        return data


@contextlib.contextmanager
def file_size_limit(size: int) -> t.Iterator[None]:
    """While a connection writes a file here: no file of this worker, or of a program that it starts, grows beyond that.

    A host cannot fill the controller's disk with an output that never ends. Ansible's workers are processes of one task.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wanted = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wanted, hard))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _list(value: t.Any) -> list[t.Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _count(value: t.Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _time(value: t.Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 32503680000 else None


def _text(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.datetime.fromtimestamp(max(at, 0.0), tz=datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
