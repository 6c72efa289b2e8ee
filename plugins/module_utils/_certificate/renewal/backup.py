# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, links and directories as they are: kept beside, compared, put back.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
import stat
import tempfile
import typing as t

from ..._core.errors import BadInput, CannotReach

FILE, LINK, DIRECTORY, ABSENT = "file", "link", "directory", "absent"
#: A lineage is a handful of small files. More is somebody else's directory.
MAX_ENTRIES, MAX_BYTES = 1000, 16 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Entry:
    """One path as it was found.

    Attributes:
        path: absolute.
        kind: FILE, LINK, DIRECTORY or ABSENT.
        target: of a link.
        digest: SHA-256 of a file's content, hex.
        mode: permission bits.
        uid, gid: owner.
    """

    path: str
    kind: str
    target: str = ""
    digest: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0


def take(paths: t.Sequence[str]) -> list[Entry]:
    """The entries of the paths, directories with all that is in them, links with the file that they lead to.

    Raises:
        BadInput: more than a lineage has, or something that is neither file, link nor directory.
        CannotReach: may not be read.
    """
    found: dict[str, Entry] = {}
    size = 0
    waiting = list(paths)
    while waiting:
        path = os.path.normpath(waiting.pop(0))
        if path in found:
            continue
        entry, bytes_read = _entry(path)
        found[path] = entry
        size += bytes_read
        if entry.kind == DIRECTORY:
            waiting += [os.path.join(path, name) for name in sorted(os.listdir(path))]
        if entry.kind == LINK:
            # What a link outside the lineage leads to may be written through it.
            waiting.append(os.path.realpath(path))
        if len(found) > MAX_ENTRIES or size > MAX_BYTES:
            raise BadInput(
                f"More than {MAX_ENTRIES} entries or {MAX_BYTES // 1024 // 1024} MiB would be backed up, at {path}.",
                hint="Name the files of one certificate only.", argument="lineages",
            )
    return sorted(found.values(), key=lambda entry: entry.path)


def store(entries: t.Sequence[Entry], directory: str) -> None:
    """Copy the entries below a directory, at their own paths, with their modes and owners."""
    for entry in entries:
        place = stored(directory, entry.path)
        make_private(os.path.dirname(place))
        if entry.kind == DIRECTORY:
            make_private(place)
        elif entry.kind == LINK:
            os.symlink(entry.target, place)
        elif entry.kind == FILE:
            with open(entry.path, "rb") as source:
                _write(place, source.read(), mode=entry.mode, uid=entry.uid, gid=entry.gid)


def make_private(directory: str) -> None:
    """Make a directory, and those above it that are missing, for their owner alone."""
    if os.path.isdir(directory):
        return
    make_private(os.path.dirname(directory))
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)


def stored(directory: str, path: str) -> str:
    """Where the copy of a path is."""
    return os.path.join(directory, path.lstrip("/"))


def differences(entries: t.Sequence[Entry], paths: t.Sequence[str]) -> list[str]:
    """The paths that are not as the entries say any more, and those that were not there then."""
    before = {entry.path: entry for entry in entries}
    now = {entry.path: entry for entry in take([*paths, *before])}
    return sorted(path for path in {*before, *now} if before.get(path, _absent(path)) != now.get(path, _absent(path)))


def put_back(entries: t.Sequence[Entry], paths: t.Sequence[str], *, copies: str, aside: str) -> None:
    """Make the paths what the entries say. What was not there then is moved aside, not lost.

    Args:
        copies: the directory of store().
        aside: a directory for what is moved away.
    """
    before = {entry.path: entry for entry in entries}
    now = {entry.path: entry for entry in take([*paths, *before])}
    for path, entry in sorted(now.items()):
        wanted = before.get(path)
        if entry == wanted or entry.kind == ABSENT:
            continue
        if wanted is None or wanted.kind == ABSENT or wanted.kind != entry.kind:
            _move(path, stored(aside, path))
        elif entry.kind == FILE:
            _copy_aside(path, stored(aside, path))
    for path, wanted in sorted(before.items()):
        if now.get(path) == wanted or wanted.kind == ABSENT:
            continue
        if wanted.kind == DIRECTORY:
            os.makedirs(path, exist_ok=True)
            os.chown(path, wanted.uid, wanted.gid)
            os.chmod(path, wanted.mode)
        elif wanted.kind == LINK:
            _relink(path, wanted.target)
        else:
            with open(stored(copies, path), "rb") as source:
                _replace(path, source.read(), wanted)


def write_through(path: str, text: str) -> None:
    """Write a small file whole or not at all, and onto the disk: mode 0600."""
    _replace(path, text.encode("utf-8"), Entry(path=path, kind=FILE, mode=0o600, uid=os.geteuid(), gid=os.getegid()))


def _entry(path: str) -> tuple[Entry, int]:
    try:
        status = os.lstat(path)
        common: dict[str, t.Any] = {"path": path, "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
        if stat.S_ISLNK(status.st_mode):
            return Entry(kind=LINK, target=os.readlink(path), **{**common, "mode": 0}), 0
        if stat.S_ISDIR(status.st_mode):
            return Entry(kind=DIRECTORY, **common), 0
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is neither a file nor a link nor a directory.", hint="Name the files.", argument="lineages")
        if status.st_size > MAX_BYTES:
            raise BadInput(f"{path} is too large to belong to a certificate.", hint="Name its files.", argument="lineages")
        with open(path, "rb") as source:
            content = source.read()
        return Entry(kind=FILE, digest=hashlib.sha256(content).hexdigest(), **common), len(content)
    except (FileNotFoundError, NotADirectoryError):
        return _absent(path), 0
    except OSError as exc:
        raise CannotReach(f"{path} cannot be read: {exc.strerror}.", hint="Run it as a user who may, often root.") from exc


def _absent(path: str) -> Entry:
    return Entry(path=path, kind=ABSENT)


def _write(path: str, content: bytes, *, mode: int, uid: int, gid: int) -> None:
    """A new file that nobody else can read before its mode is set."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def _beside(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}.oncall")


def _replace(path: str, content: bytes, wanted: Entry) -> None:
    beside = _beside(path)
    try:
        _write(beside, content, mode=wanted.mode, uid=wanted.uid, gid=wanted.gid)
        os.replace(beside, path)
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)
    _sync(os.path.dirname(path))


def _relink(path: str, target: str) -> None:
    beside = _beside(path)
    os.symlink(target, beside)
    os.replace(beside, path)
    _sync(os.path.dirname(path))


def _move(path: str, place: str) -> None:
    make_private(os.path.dirname(place))
    if os.path.lexists(place):
        place = tempfile.mkdtemp(dir=os.path.dirname(place))
    if os.path.lexists(path):
        shutil.move(path, place)


def _copy_aside(path: str, place: str) -> None:
    make_private(os.path.dirname(place))
    if not os.path.lexists(place):
        shutil.copy2(path, place)


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def resolve(path: str, links: t.Mapping[str, str]) -> str:
    """Where a path leads by these links; a loop ends where it began."""
    path = os.path.normpath(path)
    for _step in range(40):
        if path not in links:
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), links[path]))
    return path
