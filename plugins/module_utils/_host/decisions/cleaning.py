# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files may go when a disk is full, and which never.

This module util is PRIVATE to the collection: it may change at any time.

A file is a candidate only when a rule of the caller's names its directory and its pattern. Everything else is left alone, and of the
candidates what a server needs, what somebody writes to, and what a link leads to is spared.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
import stat
import typing as t

from ..._core.acting import Candidate, Sight
from ..._core.actions import Action, Spared
from ..._core.durations import format_duration
from ..._core.errors import BadInput
from ..._core.limits import Limit
from ..._core.recorded import Basis

REMOVE, TRUNCATE = "remove", "truncate"
OPERATIONS = (REMOVE, TRUNCATE)
VERBS = tuple(f"{operation}_file" for operation in OPERATIONS)

#: Why a file stays where the oldest ones are enough for one run.
OVER_INODES = "over max_files_for_inodes: older ones go first"
#: Directories of which nothing is ever removed, and that no rule may name, nor anything above them.
FORBIDDEN = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var/lib/dpkg",
    "/var/lib/rpm", "/var/lib/oncall-drill",
)
#: Too broad to be meant.
TOO_BROAD = ("/", "/home", "/mnt", "/media", "/opt", "/srv", "/var", "/var/lib", "/var/log/journal")
#: What says that a directory is a server's data, whatever its path: name of an entry in it -> whose data it is.
DATA_MARKS = {
    "PG_VERSION": "PostgreSQL data", "postmaster.pid": "PostgreSQL data", "pg_wal": "PostgreSQL data", "ibdata1": "MySQL data",
    "appendonlydir": "Redis data", "dump.rdb": "Redis data", "WiredTiger": "MongoDB data", "CURRENT": "a key-value store's data",
}
#: The same for directories that are data by their own name.
DATA_NAMES = {"pg_wal": "PostgreSQL data", "pg_xlog": "PostgreSQL data", "pg_tblspc": "PostgreSQL data"}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What may be cleaned.

    Attributes:
        directory: absolute, without links in it.
        pattern: of file names, as of a shell.
        min_age: seconds since the last change.
        operation: remove or truncate.
        recursive: below it too.
        keep: of the files of one directory that match, the newest so many are kept.
    """

    directory: str
    pattern: str
    min_age: float
    operation: str = REMOVE
    recursive: bool = False
    keep: int = 0


@dataclasses.dataclass(frozen=True)
class File:
    """A directory entry as it was seen, links not followed.

    Attributes:
        allocated: bytes it takes on the disk.
        age: seconds since its content changed.
        links: how many names it has.
        writers: processes that have it open for writing.
        readers: processes that have it open otherwise.
    """

    path: str
    device: int
    inode: int
    mode: int
    size: int
    allocated: int
    age: float
    links: int = 1
    writers: int = 0
    readers: int = 0

    @property
    def identity(self) -> dict[str, t.Any]:
        """What makes it this file and no other: neither size nor age, since a log grows and ages."""
        return {"path": self.path, "inode": f"{self.device}:{self.inode}"}


@dataclasses.dataclass(frozen=True)
class Found:
    """A file that a rule takes."""

    file: File
    rule: Rule

    def action(self, *, resource: str) -> Action:
        """What would be done to it."""
        file, rule = self.file, self.rule
        return Action(
            verb=f"{rule.operation}_file", resource=resource, identity=file.identity, name=file.path,
            target={"path": file.path, "bytes": file.allocated, "age": round(file.age, 1), "inode": file.identity["inode"]},
            reason=f"matches {posixpath.join(rule.directory, rule.pattern)}, {format_duration(file.age)} old"
                   f" (at least {format_duration(rule.min_age)})",
        )

    def brief(self) -> dict[str, t.Any]:
        """For the list of what a limit refused."""
        return {"path": self.file.path, "bytes": self.file.allocated, "operation": self.rule.operation}


def check_rule(rule: Rule) -> Rule:
    """Refuse a rule that is too broad, or that could touch the system or a server's data.

    Raises:
        BadInput: names the directory and says why.
    """
    path = posixpath.normpath(rule.directory)
    plain = posixpath.isabs(path) and not path.startswith("//") and path == rule.directory.rstrip("/")
    if not plain or ".." in rule.directory.split("/"):
        raise BadInput(f"{rule.directory}: is not a normalized absolute path.", hint="Write it without .. and without a slash at its end.")
    if path in TOO_BROAD:
        raise BadInput(f"{path}: is too broad to be cleaned.", hint="Name the directory that the files are in.")
    for forbidden in FORBIDDEN:
        if path == forbidden or path.startswith(f"{forbidden}/") or forbidden.startswith(f"{path}/"):
            raise BadInput(f"{path}: nothing is ever removed below {forbidden}.", hint="Name the directory that the files are in.")
    if not rule.pattern or "/" in rule.pattern or not rule.pattern.strip("*?."):
        raise BadInput(
            f"{rule.pattern!r} in {path}: is not a usable pattern of file names.",
            hint="For example *.log.*, *.gz or core.*; a star alone would take everything.",
        )
    if rule.operation not in OPERATIONS:
        raise BadInput(f"{rule.operation!r}: no such operation.", hint=f"One of {', '.join(OPERATIONS)}.")
    if rule.min_age < 0 or rule.keep < 0:
        raise BadInput(f"{path}: min_age and keep are zero or more.")
    return dataclasses.replace(rule, directory=path)


def data_in(directory: str, entries: t.Collection[str]) -> str:
    """Whose data a directory holds; empty when nothing says that it holds any."""
    own = DATA_NAMES.get(posixpath.basename(directory), "")
    return own or next((whose for mark, whose in DATA_MARKS.items() if mark in entries), "")


def judge(file: File, rule: Rule, *, protected: t.Collection[str] = (), one_file_system: int | None = None) -> str:
    """Why a file that is where a rule looks is not a candidate; empty when it is one.

    Args:
        protected: paths that are never touched, with everything below them.
        one_file_system: the device of the rule's directory: what is mounted below it belongs to somebody else.
    """
    if not _matches(file, rule):
        return "no match"
    if stat.S_ISLNK(file.mode):
        return "symbolic link"
    if not stat.S_ISREG(file.mode):
        return "no regular file"
    if one_file_system is not None and file.device != one_file_system:
        return "another file system"
    if any(file.path == path or file.path.startswith(f"{path.rstrip('/')}/") for path in protected):
        return "protected path"
    if file.age < rule.min_age:
        return "too young"
    if file.links > 1 and rule.operation == REMOVE:
        return "other names lead to it: removing one frees nothing"
    if rule.operation == REMOVE and file.writers:
        return "open for writing"
    if rule.operation == REMOVE and file.readers:
        return "open: removing it frees nothing until it is closed"
    if rule.operation == TRUNCATE and not file.size:
        return "empty already"
    return ""


def choose(
    found: t.Iterable[tuple[File, Rule]], *, protected: t.Collection[str] = (), devices: t.Mapping[str, int] | None = None,
) -> tuple[list[Found], list[Spared]]:
    """The candidates, the biggest first, and the matching files that are spared.

    Args:
        found: files with the rule that looked there; a file that two rules find belongs to the first.
        devices: the device of each rule's directory.
    """
    seen: set[tuple[int, int]] = set()
    taken: list[Found] = []
    spared: list[Spared] = []
    by_directory: dict[tuple[Rule, str], list[File]] = {}
    for file, rule in found:
        if (file.device, file.inode) in seen:
            continue
        why = judge(file, rule, protected=protected, one_file_system=(devices or {}).get(rule.directory))
        if why == "no match":
            continue
        seen.add((file.device, file.inode))
        if why in ("", "too young"):
            # What is young counts among the newest that are kept.
            by_directory.setdefault((rule, posixpath.dirname(file.path)), []).append(file)
        if why:
            spared.append(_spare(file, why, would_match=why != "too young"))
    for (rule, _directory), files in by_directory.items():
        ordered = sorted(files, key=lambda file: file.age)
        for position, file in enumerate(ordered):
            if file.age < rule.min_age:
                continue
            if position < rule.keep:
                spared.append(_spare(file, f"among the newest {rule.keep}", would_match=True))
            else:
                taken.append(Found(file=file, rule=rule))
    return sorted(taken, key=lambda one: (-one.file.allocated, one.file.path)), spared


def sight(
    rules: t.Sequence[Rule], files: t.Sequence[tuple[int, File]], *, protected: t.Sequence[str], devices: t.Mapping[str, int],
    limits: tuple[Limit, ...], resource: str, crowded: t.Sequence[str] = (), for_inodes: int = 0,
) -> Sight[Found]:
    """Who could be acted on, of the files that were found.

    Args:
        files: each with the number of the rule that looked there.
        protected, devices: see choose().
        resource: whose files they are.
        crowded: directories of rules whose file system is out of inodes.
        for_inodes: so many files may be removed there, whatever may be elsewhere; the oldest go.
    """
    taken, spared = choose([(file, rules[place]) for place, file in files], protected=protected, devices=devices)
    inodes = [one for one in taken if one.rule.operation == REMOVE and one.rule.directory in crowded]
    oldest = sorted(inodes, key=lambda one: (-one.file.age, one.file.path))
    go = {one.file.path for one in oldest[:for_inodes]}
    stay = {one.file.path for one in oldest[for_inodes:]}
    return Sight(
        candidates=[
            Candidate(one, one.action(resource=resource), uses={
                "max_bytes": one.file.allocated, **({"max_files": 0} if one.file.path in go else {}),
            }) for one in taken if one.file.path not in stay
        ],
        protected=(*spared, *(_spare(one.file, OVER_INODES, would_match=True) for one in oldest[for_inodes:])),
        limits=limits, basis=Basis("disk_clean", {
            # Without the files that no rule's pattern is about: they change nothing, and there may be many.
            "rules": rules, "files": [one for one in files if _matches(one[1], rules[one[0]])], "protected": protected,
            # As pairs: what is beside a name that looks like a secret's is redacted.
            "devices": list(devices.items()), "limits": limits, "resource": resource, "crowded": crowded, "for_inodes": for_inodes,
        }),
    )


def _matches(file: File, rule: Rule) -> bool:
    return fnmatch.fnmatchcase(posixpath.basename(file.path), rule.pattern)


def _spare(file: File, why: str, *, would_match: bool) -> Spared:
    return Spared({"path": file.path, "bytes": file.allocated}, (why,), would_match, name=file.path)
