# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values too large for a line: kept once, named by their SHA-256.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import typing as t
from pathlib import Path

from . import layout
from .utf8 import clean, cleaned

#: A value whose JSON is longer goes to a blob: bytes.
SPILL_BYTES = 64 * 1024
_HEAD_CHARACTERS = 200
_CHUNK = 1024 * 1024

_dumps = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def spill(run_dir: Path, payload: dict[str, t.Any]) -> dict[str, t.Any]:
    """The payload with every value whose JSON is over SPILL_BYTES replaced by a reference to a blob.

    A large text becomes a blob of its UTF-8; of a large container the large members do, or else all of it, as JSON.

    Args:
        run_dir: the run's directory.
        payload: JSON-like and redacted already.

    Raises:
        OSError: the blob cannot be written; `filename` names it.
    """
    return {key: value if isinstance(value, (int, float)) else _spilled(run_dir, value) for key, value in payload.items()}


def write_blob(run_dir: Path, data: bytes) -> str:
    """Keep bytes under their SHA-256 and give it, in hex. Writing the same bytes twice keeps one file.

    Raises:
        OSError: it cannot be written; `filename` names it.
    """
    digest = hashlib.sha256(data).hexdigest()
    path = layout.blob_path(run_dir, digest)
    if path.exists():
        return digest
    layout.make_private(path.parent)
    part = path.with_name(f".{digest[:16]}.{secrets.token_hex(4)}")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view[:_CHUNK]):]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(part, path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise OSError(exc.errno, exc.strerror, str(path)) from exc
    return digest


def _spilled(run_dir: Path, value: t.Any) -> t.Any:
    if isinstance(value, str):
        if len(value) * 4 <= SPILL_BYTES:
            return value
        data = _utf8(value)
        return value if len(data) <= SPILL_BYTES else _reference(run_dir, data, kind="text", head=value[:_HEAD_CHARACTERS])
    if not isinstance(value, (dict, list)) or len(_dumps(value)) <= SPILL_BYTES:
        return value
    smaller: t.Any
    if isinstance(value, dict):
        smaller = {key: _spilled(run_dir, member) for key, member in value.items()}
    else:
        smaller = [_spilled(run_dir, member) for member in value]
    text = _dumps(cleaned(smaller))
    return smaller if len(text) <= SPILL_BYTES else _reference(run_dir, text.encode("ascii"), kind="json", head="")


def _utf8(text: str) -> bytes:
    """The bytes that a text was made from: a blob keeps them as they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair never was a byte
        return clean(text).encode("utf-8")


def _reference(run_dir: Path, data: bytes, *, kind: str, head: str) -> dict[str, t.Any]:
    reference: dict[str, t.Any] = {"sha256": write_blob(run_dir, data), "bytes": len(data), "kind": kind}
    if head:
        reference["head"] = head
    return {"$blob": reference}
