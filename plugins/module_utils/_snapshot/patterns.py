# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs that are named: by their paths, or by a pattern of which the files written last are taken.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import glob
import itertools
import os
import stat
import time
import typing as t

from .catalogue import LOGS, Item, log_name, require_absolute

#: Files that are looked at for one pattern; whether others were written later is then not known.
MOST_MATCHES = 10000
#: What cannot be searched for secrets as it is.
PACKED = (".7z", ".bz2", ".gz", ".lz4", ".tgz", ".xz", ".z", ".zip", ".zst")

#: When it was written, its size, and its path without links.
File = tuple[float, int, str]


def logs(paths: t.Sequence[str], *, most: int) -> list[Item]:
    """Items for the ends of logs, with safe names that stay different; what a pattern leaves out is an item too.

    A file is taken once: by its path, else by the first pattern that it matches.

    Args:
        paths: absolute paths, or patterns of them as shells have them.
        most: how many files of one pattern are taken, those that were written last.

    Raises:
        BadInput: a path is not absolute.
    """
    require_absolute(paths)
    taken = {os.path.realpath(path) for path in paths if not is_pattern(path)}
    found: list[Item] = []
    for number, path in enumerate(paths, start=1):
        if is_pattern(path):
            found += _of_pattern(path, number, most=most, taken=taken)
        else:
            found.append(Item(log_name(f"{number:02d}", path), LOGS, file=path))
    return found


def is_pattern(path: str) -> bool:
    """Whether it names files by a pattern: a file may have a bracket in its name."""
    return glob.has_magic(path) and not os.path.lexists(path)


def _of_pattern(pattern: str, number: int, *, most: int, taken: set[str]) -> list[Item]:
    """Its files, the one written last first, and before them what was chosen. `taken` gains them."""
    said = log_name(f"{number:02d}", pattern)
    refused = _cannot_list(pattern)
    if refused:
        return [Item(said, LOGS, said=refused)]
    matches = list(itertools.islice(glob.iglob(pattern), MOST_MATCHES + 1))
    more, matches = len(matches) > MOST_MATCHES, matches[:MOST_MATCHES]
    files, others = _files(matches)
    fresh = [one for one in files if one[2] not in taken]
    chosen, older = fresh[:most], fresh[most:]
    taken.update(path for _modified, _size, path in chosen)
    counts = [
        (len(files) - len(fresh), "taken already by another path"), (len(older), f"older and left out (max_files {most})"),
        (sum(why == "packed" for _path, why in others), "packed and left out"),
        (sum(why != "packed" for _path, why in others), "not regular files of their own, or not to be seen"),
    ]
    words = [f"{len(matches)} match", f"{len(chosen)} taken", *(f"{count} {what}" for count, what in counts if count)]
    if more:
        words.append(f"more than {MOST_MATCHES} match: those that were not looked at may be newer")
    summary = f"{pattern}: {', '.join(words)}" if matches else f"{pattern}: no file matches"
    lines = [
        *(f"taken {_line(one)}" for one in chosen), *(f"left_out older {_line(one)}" for one in older),
        *(f"left_out {why} {path!r}" for path, why in others),
    ]
    return [
        Item(said, LOGS, text="".join(f"{line}\n" for line in lines), said=summary),
        *(Item(log_name(f"{number:02d}_{place:02d}", path), LOGS, file=path, shares=said)
          for place, (_modified, _size, path) in enumerate(chosen, start=1)),
    ]


def _cannot_list(pattern: str) -> str:
    """Why the directory cannot be listed in which the pattern begins; empty when it can: glob says nothing then."""
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.split("/")[:-1]))
    directory = "/".join(fixed) or "/"
    try:
        with os.scandir(directory):
            return ""
    except OSError as exc:
        return f"{pattern}: {directory}: {exc.strerror}"


def _files(paths: t.Iterable[str]) -> tuple[list[File], list[tuple[str, str]]]:
    """Each regular file once, the one written last first; and the others with the reason."""
    found: dict[str, File] = {}
    others = []
    for path in paths:
        try:
            real = os.path.realpath(path)
            about, link = os.stat(real), os.lstat(path)
        except OSError as exc:
            others.append((path, exc.strerror or "not to be seen"))
            continue
        if not stat.S_ISREG(about.st_mode):
            others.append((path, "not a regular file"))
        elif stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, about.st_uid):
            # Who may write logs there must not choose what root reads.
            others.append((path, "a link to another user's file"))
        elif real.lower().endswith(PACKED):
            others.append((path, "packed"))
        else:
            found[real] = (about.st_mtime, about.st_size, real)
    return sorted(found.values(), reverse=True), others


def _line(file: File) -> str:
    modified, size, path = file
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(modified))} {size} {path!r}"
