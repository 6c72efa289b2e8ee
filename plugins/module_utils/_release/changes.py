# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at what changed on this host. Only reads, within bounds.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
import stat
import typing as t

from .._core.excerpt import read_tail
from .._core.judging import Judged
from .._module.files import text_of
from .._module.programs import Run, find
from .decisions import changes as told
from .decisions.changes import Change, Window

_DPKG_LOGS = ("/var/log/dpkg.log", "/var/log/dpkg.log.1")
_RPM = ("rpm", "--query", "--all", "--queryformat", "%{INSTALLTIME} %{NAME}-%{VERSION}-%{RELEASE}\n")
_CONTAINERS = ("ps", "--all", "--format", "{{.CreatedAt}}\t{{.Names}}\t{{.Image}}")
#: So much of a log is read, so many files are looked at, and the digest of a file that is not larger is told.
_MOST_OF_A_LOG, _MOST_FILES, _MOST_DIGESTED = 1 << 20, 2000, 1 << 20
#: Words in the name of a file that may hold nothing but a secret, whose digest could be guessed.
_SECRET = ("env", "secret", "key", "passw", "token", "credential", "shadow")

#: Changes, None where there is no such thing; and what could not be looked at.
_Found = tuple[t.Optional[list[Change]], str]


@dataclasses.dataclass(frozen=True)
class Places:
    """Where to look.

    Attributes:
        links: symbolic links that say which release runs.
        paths: files, directories and patterns of configuration.
        repositories: directories with a clone.
        packages: whether the logs of packages are read.
        container_command: of the container runtime; empty for none.
    """

    links: t.Sequence[str] = ()
    paths: t.Sequence[str] = ()
    repositories: t.Sequence[str] = ()
    packages: bool = True
    container_command: t.Sequence[str] = ()
    dpkg_logs: t.Sequence[str] = _DPKG_LOGS


def look(places: Places, wanted: Window, *, run: Run) -> Judged:
    """One look."""
    found: list[Change] = []
    blind: dict[str, str] = {}
    looked = []
    sources: tuple[tuple[str, t.Any, t.Callable[[], _Found]], ...] = (
        (told.DEPLOYS, places.links, lambda: _links(places.links, wanted)),
        (told.FILES, places.paths, lambda: _files(places.paths, wanted)),
        (told.PACKAGES, places.packages, lambda: _packages(places.dpkg_logs, wanted, run)),
        (told.REVISIONS, places.repositories, lambda: _repositories(places.repositories, wanted)),
        (told.CONTAINERS, places.container_command, lambda: _containers(places.container_command, wanted, run)),
    )
    for kind, asked, source in sources:
        if asked:
            changes, trouble = source()
            if changes is not None:
                looked.append(kind)
                found += changes
            if trouble:
                blind[kind] = trouble
    return told.judge_changes(found, blind, looked=looked, wanted=wanted)


def _links(links: t.Sequence[str], wanted: Window) -> _Found:
    found, trouble = [], []
    for link in links:
        try:
            at, leads = os.lstat(link).st_mtime, os.readlink(link)
        except OSError as exc:
            trouble.append(f"{link}: {exc.strerror or exc}")
            continue
        if wanted.has(at):
            found.append(Change(told.DEPLOYS, at, f"{link} to {os.path.basename(leads)}"))
    return found, "; ".join(trouble)


def _files(patterns: t.Sequence[str], wanted: Window) -> _Found:
    found: list[Change] = []
    trouble: list[str] = []
    left = _MOST_FILES
    for pattern in patterns:
        paths = glob.glob(pattern) if glob.has_magic(pattern) else [pattern]
        for path in paths:
            for one in _below(path, trouble):
                left -= 1
                if left < 0:
                    return found, f"there are more than {_MOST_FILES} files"
                try:
                    there = os.stat(one) if one == path else os.lstat(one)
                except OSError as exc:
                    trouble.append(f"{one}: {exc.strerror or exc}")
                    continue
                if stat.S_ISREG(there.st_mode) and wanted.has(there.st_mtime):
                    found.append(Change(told.FILES, there.st_mtime, f"{one}{_digest(one, there.st_size)}"))
    return found, "; ".join(trouble[:3])


def _below(path: str, trouble: list[str]) -> t.Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for directory, _directories, names in os.walk(path, onerror=lambda exc: trouble.append(str(exc))):
        for name in names:
            yield os.path.join(directory, name)


def _digest(path: str, size: int) -> str:
    """The beginning of a file's digest, so that two hosts, or a copy, can be compared."""
    if size > _MOST_DIGESTED or any(word in os.path.basename(path).lower() for word in _SECRET):
        return ""
    try:
        with open(path, "rb") as file:
            return f" (sha256 {hashlib.sha256(file.read(_MOST_DIGESTED)).hexdigest()[:12]})"
    except OSError:
        return ""


def _packages(logs: t.Sequence[str], wanted: Window, run: Run) -> _Found:
    texts, trouble = [], ""
    for number, path in enumerate(logs):
        try:
            end = read_tail(path, max_bytes=_MOST_OF_A_LOG)
        except FileNotFoundError:
            continue
        except OSError as exc:
            trouble = f"{path}: {exc.strerror or exc}"
            break
        texts.append(end.data.decode("utf-8", "replace"))
        # The one before it is only read where this one does not reach back far enough.
        if number == 0 and os.stat(path).st_size and not end.whole:
            break
    if texts or trouble:
        return [change for text in texts for change in told.of_dpkg(text, wanted)], trouble
    if find(_RPM[0]) is None:
        return None, ""
    ran = run(_RPM)
    return told.of_rpm(ran.out, wanted), f"rpm: {ran.problem}" if ran.problem else ""


def _repositories(directories: t.Sequence[str], wanted: Window) -> _Found:
    found, trouble = [], []
    for directory in directories:
        place = _moves(directory)
        try:
            text = read_tail(place, max_bytes=_MOST_OF_A_LOG).data.decode("utf-8", "replace")
        except OSError as exc:
            trouble.append(f"{place}: {exc.strerror or exc}")
            continue
        found += told.of_reflog(text, wanted, directory=directory)
    return found, "; ".join(trouble)


def _moves(directory: str) -> str:
    """The file with the moves of a repository's HEAD; that of a work tree is where its .git points to."""
    git = os.path.join(directory, ".git")
    pointer = text_of(git, most=4096).strip() if os.path.isfile(git) else ""
    if pointer.startswith("gitdir: "):
        git = os.path.join(directory, pointer[len("gitdir: "):])
    return os.path.join(git if os.path.exists(git) else directory, "logs", "HEAD")


def _containers(command: t.Sequence[str], wanted: Window, run: Run) -> _Found:
    ran = run([*command, *_CONTAINERS])
    if ran.missing:
        return None, ""
    return told.of_containers(ran.out, wanted), f"{command[0]}: {ran.problem}" if ran.problem else ""
