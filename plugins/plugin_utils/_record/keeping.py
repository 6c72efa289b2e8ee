# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large outputs of hosts beside a run's record: streamed, redacted and hashed on the way, never held.

This plugin util is PRIVATE to the collection: it may change at any time.

    <run>/hosts/<host>/index.jsonl            one line for each item: command, exit status, times, hashes
    <run>/hosts/<host>/10-net/sockets.txt     what it said, without secrets

Every name that comes from a host or an inventory is made one safe path component, and every file is made new: nothing can
be overwritten, and nothing can leave the directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t
from pathlib import Path

from . import layout
from .redact import Redactor
from .safe import safe_name
from .utf8 import cleaned

HOSTS = "hosts"
#: The actions that keep outputs of a host, and of a server.
OF_A_MACHINE, OF_A_SERVER = "oncall.incident.snapshot", "oncall.incident.pg_snapshot"
INDEX = "index.jsonl"
CHUNK = 1024 * 1024
#: A private key is redacted as one: a block that begins at the end of a chunk is held back up to this length, in bytes.
_MOST_HELD = 64 * 1024
_BEGIN, _END = b"-----BEGIN ", b"-----END "
#: Of a block without lines this much is held back, in bytes, and so many places are tried for the cut.
_OVERLAP, _TRIES = 4096, 32
#: So many indented lines are held back.
_LINES = 200
_SPACE = re.compile(rb"\s")


def host_dir(run_dir: Path, host: str) -> Path:
    """Where a host's outputs are kept."""
    return run_dir / HOSTS / safe_name(host)


class Readable(t.Protocol):
    """What an output is read from: a file, or a part of one."""

    def read(self, count: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class Keeper:
    """Keeps one host's outputs.

    Args:
        directory: from host_dir().
        redactor: the run's, which knows its secrets.
    """

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        self.directory = directory
        self._redactor = redactor

    def keep(self, stream: Readable, *, folder: str, name: str) -> dict[str, t.Any]:
        """Stream an output into its file.

        Args:
            stream: what the host said.
            folder, name: where to; made safe here.

        Returns:
            path (below the run), bytes and sha256 of what is kept, and received_bytes and received_sha256 of what came.

        Raises:
            OSError: it cannot be written; CannotRecord: its directory cannot be made.
        """
        target_dir = self.directory / safe_name(folder)
        layout.make_private(target_dir)
        kept, received = hashlib.sha256(), hashlib.sha256()
        sizes = [0, 0]

        def saw(data: bytes) -> None:
            received.update(data)
            sizes[0] += len(data)

        target, handle = _create(target_dir, safe_name(name))
        with os.fdopen(handle, "wb") as file:
            for clean in blocks(stream, self._redactor.data, saw):
                file.write(clean)
                kept.update(clean)
                sizes[1] += len(clean)
        return {
            "path": target.relative_to(self.directory.parent.parent).as_posix(), "bytes": sizes[1], "sha256": kept.hexdigest(),
            "received_bytes": sizes[0], "received_sha256": received.hexdigest(),
        }

    def note(self, entry: t.Mapping[str, t.Any]) -> None:
        """Add a line to the host's index, on disk when this returns."""
        layout.make_private(self.directory)
        clean, _removed = self._redactor.clean(entry)
        line = json.dumps(cleaned(clean), sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(self.directory / INDEX, flags, 0o600)
        try:
            os.write(handle, line.encode("utf-8"))
            os.fsync(handle)
        finally:
            os.close(handle)

    def index(self) -> dict[str, t.Any] | None:
        """How far the index has come, as a result states it: path below the run, bytes and SHA-256; None without one."""
        try:
            data = (self.directory / INDEX).read_bytes()
        except FileNotFoundError:
            return None
        return {
            "path": f"{HOSTS}/{self.directory.name}/{INDEX}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        }

    def noted(self) -> t.Iterator[dict[str, t.Any]]:
        """The lines of the host's index."""
        try:
            with (self.directory / INDEX).open(encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(entry, dict):
                        yield entry
        except FileNotFoundError:
            return


def blocks(
    stream: Readable, redact: t.Callable[[bytes], bytes], saw: t.Callable[[bytes], t.Any] | None = None,
) -> t.Iterator[bytes]:
    """A stream redacted block by block, with at most a few mebibytes in memory.

    A block ends at the end of a line, as a secret is on one, or below the line that says so; a private key stays in one block. Where
    there is no end of a line, it ends where cutting makes no difference to what is removed.

    Args:
        stream: any bytes.
        redact: takes secrets out of a text.
        saw: gets what was read, as it was.
    """
    rest, data = b"", stream.read(CHUNK)
    while data:
        if saw is not None:
            saw(data)
        block = rest + data
        data = stream.read(CHUNK)
        if not data:
            yield redact(block)
            return
        cut = _line(block) or _seam(block, redact)
        begin = block.rfind(_BEGIN, 0, cut)
        if begin >= 0 and block.find(_END, begin, cut) < 0 and 0 < len(block) - begin < _MOST_HELD:
            cut = begin
        rest = block[cut:]
        if cut:
            yield redact(block[:cut])


def _line(block: bytes) -> int:
    """Where a block is cut: at a line that does not go on with the one above, as indented ones do in YAML, netrc and SLOWLOG.

    0 where there is no end of a line. The last line may not be whole, and the next block may go on with it.
    """
    end = last = block.rfind(b"\n") + 1
    for _number in range(_LINES):
        before = block.rfind(b"\n", 0, end - 1) + 1 if end > 1 else 0
        if not before:
            break
        if block[before:before + 1] not in (b" ", b"\t"):
            return before
        end = before
    return last


def _seam(block: bytes, redact: t.Callable[[bytes], bytes]) -> int:
    """Where a block without lines can be cut: no secret is across it, as both sides say the same alone as together.

    The last white space before what is held back, or else any byte; what comes after the seam is at least that long, so that a
    secret that begins before the block's end is seen whole there. 0 keeps all of a short block for later.
    """
    last = len(block) - _OVERLAP
    if last <= _OVERLAP:
        return 0
    spaces: list[int] = [found.end() for found in _SPACE.finditer(block, last - _OVERLAP, last)][-_TRIES:]
    places: list[int] = [*reversed(spaces), *range(last, last - _OVERLAP, -_OVERLAP // _TRIES)]
    for cut in places:
        before, after = block[max(0, cut - _OVERLAP):cut], block[cut:cut + _OVERLAP]
        if redact(before + after) == redact(before) + redact(after):
            return cut
    return last


def _create(directory: Path, name: str) -> tuple[Path, int]:
    """A new file; of a name that is there already, the next number. Names are safe: none of them is a link of ours."""
    stem, dot, suffix = name.rpartition(".")
    for number in range(1, 10000):
        target = directory / (name if number == 1 else f"{stem}.{number}{dot}{suffix}" if dot else f"{name}.{number}")
        try:
            return target, os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
    raise FileExistsError(17, "Too many outputs of this name", str(directory / name))
