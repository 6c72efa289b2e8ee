# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who ran what, where, from which source: what segment.open says.

This plugin util is PRIVATE to the collection: it may change at any time.

Files are read, no program is started: a git that hangs on a network file system must not hold up an incident.
"""

from __future__ import annotations

import json
import os
import platform
import pwd
import re
import typing as t
from pathlib import Path

_VERSION_LINE = re.compile(r"^version:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)
_REVISION = re.compile(r"[0-9a-f]{40,64}\Z")
_FROM_ENVIRONMENT = (("SUDO_USER", "sudo_user"), ("SSH_CONNECTION", "ssh_connection"), ("AWX_HOST", "awx_host"), ("JOB_ID", "awx_job"))
_LONGEST_READ = 64 * 1024


def collection_version(root: Path) -> str:
    """The version of a collection from MANIFEST.json (installed) or galaxy.yml (checkout); "" when neither says."""
    manifest = _read(root / "MANIFEST.json")
    if manifest:
        try:
            return str(json.loads(manifest)["collection_info"]["version"])
        except (ValueError, KeyError, TypeError):
            return ""
    found = _VERSION_LINE.search(_read(root / "galaxy.yml"))
    return found.group(1) if found else ""


def git_revision(start: Path) -> dict[str, str]:
    """The commit and branch checked out around a directory, from .git's own files; {} outside a checkout.

    Whether files differ from the commit is not known.
    """
    for directory in (start, *start.parents):
        git = directory / ".git"
        if git.is_file():  # a worktree or a submodule
            target = _read(git).partition("gitdir:")[2].strip()
            git = (directory / target) if target else git
        if git.is_dir():
            return _head_of(git, directory)
    return {}


def who() -> dict[str, t.Any]:
    """The person and machine this process runs as and on."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = ""
    people = {"user": user, "uid": uid}
    for variable, key in _FROM_ENVIRONMENT:
        if os.environ.get(variable):
            people[key] = os.environ[variable]
    return {**people, "controller": platform.node(), "pid": os.getpid(), "cwd": os.getcwd()}


def _head_of(git: Path, directory: Path) -> dict[str, str]:
    head = _read(git / "HEAD").strip()
    if _REVISION.match(head):
        return {"git": head, "branch": "", "directory": str(directory)}
    reference = head.partition("ref:")[2].strip()
    common = git / (_read(git / "commondir").strip() or ".")
    for base in (git, common):
        revision = _read(base / reference).strip() if reference else ""
        if _REVISION.match(revision):
            return {"git": revision, "branch": reference.removeprefix("refs/heads/"), "directory": str(directory)}
    for line in _read(common / "packed-refs", limit=16 * 1024 * 1024).splitlines():
        revision, _blank, name = line.partition(" ")
        if name == reference and _REVISION.match(revision):
            return {"git": revision, "branch": reference.removeprefix("refs/heads/"), "directory": str(directory)}
    return {}


def _read(path: Path, *, limit: int = _LONGEST_READ) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""
