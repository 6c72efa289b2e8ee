# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are revisions of git, each with a work tree of its own beside the one that a symbolic link names.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._module.programs import Ran, Run
from ..decisions.releases import Release, Seen
from ..decisions.where import Where
from ..notes import Notes
from . import symlink

#: What a repository says is run by git itself: neither its hooks nor its monitor.
SAFE = ("git", "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
#: So many moves of HEAD are read.
_MOVES = 50
_SEPARATOR = "\x1f"
_OWNER = "Run it as the user who owns the repository: git refuses those of others."


def look(where: Where, *, notes: Notes, to: str, run: Run) -> Seen:
    """See looking.look_at(). A revision is named by its commit; one that was never built here may be named too."""
    if symlink.in_place(where.path):
        return _work_tree(where, notes=notes, run=run)
    seen = symlink.look(where, notes={}, to=to, run=run)
    if seen.trouble:
        return seen
    trouble = _said(run, where.repository, "rev-parse", "--git-dir").problem
    if trouble:
        return Seen(where.subject, trouble=f"{where.repository}: {trouble}", hint=_OWNER)
    built = {one.id: one for one in seen.releases}
    found = {one.commit: dataclasses.replace(one, id=one.commit, name=one.id) for one in built.values() if one.commit}
    for name in notes:
        full = _commit(run, where.repository, name)
        found.setdefault(full or name, Release(full or name, commit=full, present=bool(full)))
    asked = "" if any(one.is_named(to) for one in found.values()) else _commit(run, where.repository, to)
    if asked:
        found[asked] = Release(asked, commit=asked)
    running = tuple(built[name].commit or name for name in seen.running if name in built) or seen.running
    unknown = [name for name in running if name not in found]
    return dataclasses.replace(
        seen, running=running, releases=(*found.values(), *(built.get(name, Release(name)) for name in unknown)),
        state={**seen.state, "repository": where.repository},
    )


def _work_tree(where: Where, *, notes: Notes, run: Run) -> Seen:
    """A work tree that serves itself: it is told what runs and what ran, and is not switched."""
    form = f"--format=%H{_SEPARATOR}%gd"
    said = _said(run, where.path, "reflog", "show", f"--max-count={_MOVES}", form, "--date=unix", "HEAD")
    head = _said(run, where.path, "rev-parse", "HEAD")
    if head.problem:
        return Seen(where.subject, trouble=f"{where.path}: {head.problem}", hint=_OWNER)
    running = head.out.strip()
    moves = [line.split(_SEPARATOR) for line in said.out.splitlines() if line.count(_SEPARATOR) == 1]
    at = {commit: _moment(selector) for commit, selector in reversed(moves)}
    found = {commit: Release(commit, commit=commit, made=when) for commit, when in at.items()}
    for name in notes:
        full = _commit(run, where.path, name)
        found.setdefault(full or name, Release(full or name, commit=full, present=bool(full)))
    found.setdefault(running, Release(running, commit=running))
    changed = _said(run, where.path, "status", "--porcelain", "--untracked-files=no")
    moved = "" if changed.problem or not changed.out.strip() else f"{where.path} has changes that are in no revision"
    return Seen(
        where.subject, running=(running,), releases=tuple(found.values()), since=_moment(moves[0][1]) if moves else 0.0,
        identity=(running,), moved=moved,
        fixed=f"{where.path} is a work tree and not a symbolic link: a revision is built beside it and switched to, never in place",
    )


def _commit(run: Run, repository: str, name: str) -> str:
    """The commit that a recorded name is in full; empty where there is none. Names that move, such as branches, are none."""
    if not is_commit(name):
        return ""
    return _said(run, repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").out.strip()


def is_commit(name: str) -> bool:
    """Whether a name is that of a commit, in full or its beginning."""
    return 7 <= len(name) <= 64 and all(char in "0123456789abcdef" for char in name)


def _said(run: Run, directory: str, *words: str) -> Ran:
    return run([*SAFE, "-C", os.path.abspath(directory), *words])


def _moment(selector: str) -> float:
    """The time of HEAD@{1700000000}."""
    digits: t.Any = selector.partition("{")[2].rstrip("}")
    return float(digits) if digits.isdigit() else 0.0
