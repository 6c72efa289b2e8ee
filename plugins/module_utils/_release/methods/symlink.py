# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are directories, of which a symbolic link says which one runs.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..._module.files import text_of
from ..._module.programs import Run
from ..decisions.releases import Release, Seen
from ..decisions.where import Where
from ..notes import Notes

#: So many directories are looked at, the newest.
MOST = 200
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
#: Beside a directory that is still being made.
BUILDING = ".building"


def look(where: Where, *, notes: Notes, to: str, run: Run) -> Seen:
    """See looking.look_at()."""
    link = _Link(where)
    if link.trouble:
        return Seen(where.subject, trouble=link.trouble, hint="Name the symbolic link that says which release runs.")
    try:
        found = [_release(path) for path in directories(link.root)]
    except OSError as exc:
        return Seen(
            where.subject, trouble=f"{link.root}: {exc.strerror or exc}",
            hint=f"Allow reading {link.root}, or name it with where.releases.",
        )
    known = {one.id for one in found}
    gone = [Release(identity, present=False) for identity in notes if identity not in known]
    running = link.name
    if running and running not in known and not link.broken:
        found.append(_release(link.target, name=running))
    return Seen(
        where.subject, running=(running,) if running else (), releases=(*found, *gone), since=link.since, identity=link.identity,
        broken=link.broken, state=link.state,
    )


def directories(root: str) -> list[str]:
    """The directories of a directory, the newest first, without those that are still being made.

    Raises:
        OSError: it cannot be listed.
    """
    with os.scandir(root) as entries:
        names = {entry.name: entry for entry in entries}
        found = [
            (entry.stat().st_mtime, entry.path) for name, entry in names.items()
            if entry.is_dir(follow_symlinks=False) and not name.startswith(".") and f".{name}{BUILDING}" not in names
        ]
    return [path for _time, path in sorted(found, reverse=True)[:MOST]]


def commit_of(directory: str) -> str:
    """The commit that a directory says it was made from: a file REVISION, or the HEAD of a work tree that is detached; else empty."""
    said = text_of(os.path.join(directory, "REVISION"), most=200).strip()
    if not said:
        git = os.path.join(directory, ".git")
        pointer = text_of(git, most=4096).strip() if os.path.isfile(git) else ""
        if pointer.startswith("gitdir: "):
            git = os.path.join(directory, pointer[len("gitdir: "):])
        said = text_of(os.path.join(git, "HEAD"), most=200).strip()
    return said if _COMMIT.match(said) else ""


class _Link:
    """The link and where it leads to."""

    def __init__(self, where: Where) -> None:
        self.trouble = self.broken = self.name = self.target = ""
        self.since = 0.0
        self.root = os.path.realpath(where.releases) if where.releases else os.path.dirname(where.path)
        self.identity: tuple[str, ...] = ()
        self.state: dict[str, str] = {"root": self.root}
        try:
            there = os.lstat(where.path)
            text = os.readlink(where.path)
        except FileNotFoundError:
            self.broken = f"{where.path} is not there"
            return
        except OSError as exc:
            is_one = isinstance(exc, OSError) and os.path.lexists(where.path) and not os.path.islink(where.path)
            self.trouble = f"{where.path} is not a symbolic link" if is_one else f"{where.path}: {exc.strerror or exc}"
            return
        self.since = there.st_mtime
        self.identity = (f"{text} {there.st_ino} {there.st_mtime_ns}",)
        self.target = os.path.realpath(where.path)
        if not where.releases:
            self.root = os.path.dirname(self.target)
        self.name = release_name(self.target, self.root)
        self.state = {"root": self.root, "text": text, "target": self.target}
        if not os.path.isdir(self.target):
            self.broken = f"{where.path} leads to {self.target}, which is not there"


def release_name(directory: str, root: str) -> str:
    """How a directory is called: by its name where it is one of the releases, else by its whole path."""
    return os.path.basename(directory) if os.path.dirname(directory) == root else directory


def _release(path: str, *, name: str = "") -> Release:
    try:
        made = os.stat(path).st_mtime
    except OSError:
        made = 0.0
    return Release(name or os.path.basename(path), commit=commit_of(path), made=made)


def in_place(path: str) -> t.Optional[str]:
    """The path of a work tree's .git where a directory is one itself; None where it is not."""
    git = os.path.join(path, ".git")
    return git if not os.path.islink(path) and os.path.exists(git) else None
