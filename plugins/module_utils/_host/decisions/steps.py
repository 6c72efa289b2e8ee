# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file systems are meant, and what the further steps that make room go by: results of commands that measure, before and after.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

Result = t.Mapping[str, t.Any]
#: Part of the name of a journal file that is archived; the active ones are never removed.
_ARCHIVED = "@"
#: What find says of a directory that is not there.
_NOT_THERE = "No such file or directory"
#: Before the id of an image, in some engines.
_DIGEST = "sha256:"


def places(file_systems: t.Sequence[str]) -> str:
    """What is looked at, for people; without names it is every local file system."""
    return "File systems" if file_systems else "All local file systems"


def remedies(
    now: Result, *, clean: t.Sequence[t.Any], journal: str, rotate: bool, packages: bool, images: t.Sequence[str],
) -> dict[str, bool]:
    """Which steps make room: of those that are asked for all, where a file system is full, else none.

    Args:
        now: result of disk_survey.
        clean: rules of what may be cleaned.
        journal: the size that the journal is cut down to; empty leaves it.
        rotate, packages: whether logs are rotated, and the package cache is emptied.
        images: the command of a container engine; empty for none.
    """
    is_full = bool(now.get("full"))
    asked_for = {
        "cleans": bool(clean), "cuts_journal": bool(journal), "rotates": rotate, "empties_cache": packages, "prunes_images": bool(images),
    }
    return {step: is_full and wanted for step, wanted in asked_for.items()}


def journal_over(listed: Result, *, size: float, archived: bool = False) -> bool:
    """Whether the journal takes more than this.

    Args:
        listed: result of the command that lists its files, one a line: bytes and name.
        size: bytes.
        archived: count only files that may be removed.
    """
    lines = [line for line in listed.get("stdout_lines") or () if not archived or _ARCHIVED in line]
    return sum(_number(line.split(" ", 1)[0]) for line in lines) > size


def journal_seen(listed: Result) -> bool:
    """Whether the command that lists the journal's files could look: a directory that is not there is no obstacle, one that is closed is.

    Args:
        listed: its result, in the language of the C locale.
    """
    lines = [line for line in listed.get("stderr_lines") or () if line.strip()]
    return listed.get("rc") == 0 or (listed.get("rc") == 1 and bool(lines) and all(line.rstrip().endswith(_NOT_THERE) for line in lines))


def images_gone(listed: Result, *, pruned: Result) -> bool:
    """Whether none of the images that the engine names as removed is there any more.

    Args:
        listed: result of the command that lists the ids of images.
        pruned: result of the command that removed them.
    """
    if listed["rc"] != 0 or "stdout" not in pruned:
        return False
    return not any(line.removeprefix(_DIGEST) in pruned["stdout"] for line in listed["stdout_lines"])


def later(now: Result, *, before: Result) -> bool:
    """Whether a time that a command printed is later than the one before; without an answer it is the oldest."""
    return _number(now.get("stdout")) > _number(before.get("stdout"))


def _number(text: t.Optional[str]) -> float:
    """What a command printed as a number; 0 for anything else."""
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
