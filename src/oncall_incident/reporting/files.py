# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a run or of a bundle with their hashes, for the report's list of evidence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..terminal import words

#: More files than these are counted, not listed: the manifest has them all.
MOST_LISTED = 400
#: Not evidence: what is made from it, and what only lives while somebody writes.
_DERIVED = ("report.md", "report.html", "lock")
_CHUNK = 1024 * 1024


def of_run(run_dir: Path) -> dict[str, Any]:
    """The files below a run's directory, hashed now."""
    listed: list[dict[str, str]] = []
    count, total = 0, 0
    for path in _walk(run_dir):
        name = path.relative_to(run_dir).as_posix()
        if name in _DERIVED or path.name.startswith("."):
            continue
        count += 1
        size = path.stat().st_size
        total += size
        if len(listed) < MOST_LISTED:
            listed.append({"path": name, "size": words.size(size), "sha256": digest(path)})
    return {
        "files": listed,
        "count": count,
        "size": words.size(total),
        "left_out": count - len(listed),
        "hashed": "as this report was written",
    }


def of_manifest(manifest: Path) -> dict[str, Any]:
    """The files that a BagIt manifest names, with the hashes that it gives them (RFC 8493, section 2.1.3)."""
    listed: list[dict[str, str]] = []
    count, total = 0, 0
    with manifest.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            sha256, _space, name = line.rstrip("\n").partition(" ")
            name = name.lstrip(" *")
            if not name:
                continue
            count += 1
            size = _size(manifest.parent, name)
            total += size or 0
            if len(listed) < MOST_LISTED:
                listed.append({"path": name, "size": "missing" if size is None else words.size(size), "sha256": sha256})
    return {"files": listed, "count": count, "size": words.size(total), "left_out": count - len(listed), "hashed": "by the manifest"}


def digest(path: Path) -> str:
    """SHA-256 in hex, one mebibyte in memory at a time."""
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


def _size(root: Path, name: str) -> int | None:
    path = root / name
    try:
        if ".." in Path(name).parts or Path(name).is_absolute() or path.is_symlink():
            return None
        return path.stat().st_size
    except OSError:
        return None


def _walk(root: Path) -> Iterator[Path]:
    """Regular files in the order of their names; links are not followed."""
    for directory, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = Path(directory) / name
            if path.is_file() and not path.is_symlink():
                yield path
