# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record states of the files beside it (hash, size, path), compared with those files.

This plugin util is PRIVATE to the collection: it may change at any time.

The chain protects the lines. A host's outputs are files of their own: the result of the task that kept them, which is a line,
states each with its SHA-256, and how far the host's index had come.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from . import keeping, layout, reader, verify

#: Whose results state files below the run's `hosts`. Everybody else's results are a host's own words.
ACTIONS = frozenset({keeping.OF_A_MACHINE, keeping.OF_A_SERVER})
#: The kind of problem that a file is which nothing states.
UNSTATED = "unstated_file"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PATH = re.compile(r"hosts(?:/[A-Za-z0-9_][A-Za-z0-9._+=@-]*){2,3}\Z")
#: Of an index no line is longer; it is read in lines.
_MOST_LINE = 1 << 20


@dataclasses.dataclass(frozen=True)
class File:
    """One file as somebody states it.

    Attributes:
        path: as it is stated, `hosts/<host>/...` below the run.
        by: who states it, in words.
        whole: False when the file may have grown since, and this is about its first `size` bytes.
    """

    path: str
    sha256: str
    size: int | None
    by: str
    whole: bool = True


class Stated:
    """What the record of a run states, event by event.

    Attributes:
        outcome: the last `outcome` event, which says how the run ended; None when nobody wrote it.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._files: dict[File, None] = {}
        self._indexes: dict[str, File] = {}
        self._hidden: set[str] = set()
        self.outcome: reader.Event | None = None

    @classmethod
    def read(cls, run_dir: Path) -> Stated:
        """All of a record, without parsing the lines that state nothing."""
        found = cls(run_dir)
        for _number, path in layout.segments(run_dir):
            with path.open("rb") as stream:
                for raw in reader.raw_lines(stream):
                    tells = b"snapshot" in raw or b'"outcome"' in raw
                    if tells and raw.endswith(b"\n") and (event := reader.parse(raw[:-1])) is not None:
                        found.see(event)
        return found

    def see(self, event: reader.Event) -> None:
        """Take in one event of the record."""
        if event.get("type") == "outcome":
            self.outcome = event
        if event.get("type") != "result" or event.get("action") not in ACTIONS or _elsewhere(event):
            return
        result = self._resolved(event.get("result"))
        if not isinstance(result, Mapping):
            return
        by = f"event {event.get('seq')} of the record"
        members = self._resolved(result.get("entries", result.get("items")))
        for member in members if isinstance(members, list) else ():
            if (file := _file(member, by=by)) is not None:
                self._files[file] = None
            elif isinstance(member, Mapping) and "[redacted:" in str(member.get("path")):
                self._hidden.add(str(member.get("sha256")))
        index = _file(result.get("index"), by=by, whole=False)
        if index is not None and (index.size or 0) >= (getattr(self._indexes.get(index.path), "size", 0) or 0):
            self._indexes[index.path] = index

    def problems(
        self, where: t.Callable[[str], Path], digest: t.Callable[[Path], str], *, hosts: Iterable[str] = (),
    ) -> Iterator[tuple[Path, str]]:
        """Each file that is not what is stated of it, and how it differs.

        Args:
            where: the file of a stated path.
            digest: the SHA-256 of a file; raises OSError when there is none.
            hosts: directories of hosts that are there, whether something is stated of them or not.
        """
        for file in self._files:
            yield from compared(file, where(file.path), digest)
        stated = {file.path: file for file in self._files}
        indexes = {f"{keeping.HOSTS}/{host}/{keeping.INDEX}" for host in hosts}
        indexes |= {f"{Path(path).parents[1].as_posix()}/{keeping.INDEX}" for path in stated} | set(self._indexes)
        for name in sorted(indexes):
            yield from self._index(name, where, digest, stated)

    def _index(
        self, name: str, where: t.Callable[[str], Path], digest: t.Callable[[Path], str], stated: Mapping[str, File],
    ) -> Iterator[tuple[Path, str]]:
        """A host's index: its beginning as the record states it, a line for each file that is stated, and its own files as it says."""
        path, beginning = where(name), self._indexes.get(name)
        mine = {key: file for key, file in stated.items() if key.startswith(name.removesuffix(keeping.INDEX))}
        if not path.is_file():
            said = beginning or next(iter(mine.values()), None)
            if said is not None:
                yield path, f"{said.by} states it, and it is missing"
            return
        if beginning is not None and beginning.size is not None:
            found, size = _beginning(path, beginning.size)
            if found != beginning.sha256:
                yield path, _differs(beginning, found, size)
                return
        told: dict[str, set[str]] = {}
        for entry in _lines(path):
            file = _file(entry, by=f"{name}")
            if file is None:
                continue
            told.setdefault(file.path, set()).add(file.sha256)
            if file.path not in stated:
                yield from compared(file, where(file.path), digest)
        for key, file in mine.items():
            if file.sha256 not in told.get(key, ()):
                yield path, f"{file.by} states {key} with SHA-256 {file.sha256[:12]}, and the index does not"

    def unstated(self, there: Mapping[str, Path], digest: t.Callable[[Path], str]) -> Iterator[tuple[Path, str]]:
        """Each file of a host that no result states, or not to its end. A run that was killed leaves such ones, and so may anybody.

        Args:
            there: the files that are there, by the path that a result would state.
            digest: the SHA-256 of a file.
        """
        stated = {file.path for file in self._files}
        # Results of an earlier version state no index: then every line of it has its file, and every file its result.
        old = {f"{Path(path).parents[1].as_posix()}/{keeping.INDEX}" for path in stated} - set(self._indexes)
        for name, path in sorted(there.items()):
            if name in stated or name in old:
                continue
            index, size = self._indexes.get(name), path.stat().st_size
            if index is None:
                # Of a path with a secret in it only the sum is stated; its host's index is then of that path, too.
                if digest(path) not in self._hidden and not (self._hidden and name.endswith(f"/{keeping.INDEX}")):
                    yield path, "no result of the record states it"
            elif index.size is not None and size > index.size:
                yield path, f"{index.by} states its first {index.size} bytes, and it has {size}"

    @property
    def count(self) -> int:
        """Of how many files something is stated."""
        return len(self._files) + len(self._indexes)

    def _resolved(self, value: t.Any) -> t.Any:
        """A value that was too large for its line."""
        if isinstance(value, Mapping) and isinstance(value.get("$blob"), Mapping) and value["$blob"].get("kind") == "json":
            try:
                return json.loads(reader.blob(self._run_dir, value))
            except (OSError, ValueError):  # who rechecks the blobs says so
                return None
        return value


def check_run(run_dir: Path) -> verify.Report:
    """A run's record rechecked with all that is beside it: chain, blobs, hosts' outputs."""
    stated = Stated(run_dir)
    report = verify.check(run_dir, seen=stated.see)
    hosts = run_dir / keeping.HOSTS
    there = sorted(path.name for path in hosts.iterdir() if path.is_dir()) if hosts.is_dir() and not hosts.is_symlink() else []
    found = [
        verify.Problem("changed_file", 0, 0, f"{path.relative_to(run_dir).as_posix()}: {text}.")
        for path, text in stated.problems(run_dir.joinpath, _digest, hosts=there)
    ]
    found += [
        verify.Problem("changed_blob", 0, 0, f"{path.relative_to(run_dir).as_posix()}: its name is its SHA-256, which is {now[:12]} now.")
        for path in sorted((run_dir / "blobs" / "sha256").glob("*/*"))
        if _SHA256.match(path.name) and path.is_file() and (now := _digest(path)) != path.name
    ]
    files = {
        path.relative_to(run_dir).as_posix(): path for path in (sorted(hosts.rglob("*")) if there else ())
        if path.is_file() and not path.is_symlink()
    }
    found += [
        verify.Problem(UNSTATED, 0, 0, f"{path.relative_to(run_dir).as_posix()}: {text}.", verify.INCOMPLETE)
        for path, text in stated.unstated(files, _digest)
    ]
    statuses = {report.status, *(problem.status for problem in found)}
    status = next(status for status in (verify.BROKEN, verify.INCOMPLETE, verify.OK) if status in statuses)
    return dataclasses.replace(report, status=status, problems=(*report.problems, *found))


def compared(file: File, path: Path, digest: t.Callable[[Path], str]) -> Iterator[tuple[Path, str]]:
    """The file and how it differs from what is stated of it; nothing when it does not."""
    try:
        now = digest(path)
    except OSError:
        yield path, f"{file.by} states it, and it is missing"
        return
    if now != file.sha256:
        yield path, _differs(file, now, path.stat().st_size)


def _differs(file: File, now: str, size: int) -> str:
    said = f"{f'{file.size} bytes, ' if file.size is not None else ''}SHA-256 {file.sha256[:12]}"
    first = "" if file.whole else " at its beginning"
    return f"{file.by} states {said}{first}, and it has {size} bytes, SHA-256 {now[:12]}"


def _elsewhere(event: reader.Event) -> bool:
    """Whether the files are not beside this record: in a directory of the task's own, or where AWX ran it."""
    args = event.get("args")
    return "awx" in event or (isinstance(args, Mapping) and bool(args.get("dest")))


def _file(member: t.Any, *, by: str, whole: bool = True) -> File | None:
    """A statement, if it is one. A path of which the redactor took a part names no file."""
    if not isinstance(member, Mapping):
        return None
    path, digest, size = (member.get(key) for key in ("path", "sha256", "bytes"))
    if not isinstance(path, str) or not isinstance(digest, str) or not _PATH.match(path) or not _SHA256.match(digest):
        return None
    return File(path, digest, size if isinstance(size, int) and not isinstance(size, bool) else None, by, whole)


def _lines(path: Path) -> Iterator[t.Any]:
    with path.open("rb") as stream:
        while raw := stream.readline(_MOST_LINE):
            yield reader.parse(raw.rstrip(b"\n"))


def _beginning(path: Path, size: int) -> tuple[str, int]:
    """The SHA-256 of a file's first bytes, and how many of them there are."""
    with path.open("rb") as stream:
        data = stream.read(size)
    return hashlib.sha256(data).hexdigest(), len(data)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
