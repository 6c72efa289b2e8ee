# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bag: BagIt 1.0 (RFC 8493) with SHA-256, file names of a safe alphabet, and nothing but regular files."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from . import names

BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST, BAG_INFO, VERIFY = "manifest-sha256.txt", "tagmanifest-sha256.txt", "bag-info.txt", "VERIFY.txt"
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)\Z")
_CHUNK = 1 << 20
#: hashlib lets go of Python's lock, so a second thread helps where there is a second core.
_THREADS = 4


@dataclasses.dataclass(frozen=True)
class Walked:
    """What is under a directory: relative paths of regular files, and what must not be there, in words."""

    files: tuple[str, ...]
    strange: tuple[str, ...]


def walk(root: Path, part: str) -> Walked:
    """Everything under a directory of the bag, sorted; a link or a device is never followed nor opened.

    Args:
        part: the directory's path relative to the bag.
    """
    files: list[str] = []
    strange: list[str] = []
    if (root / part).is_symlink():
        return Walked((), (f"{part} is a symbolic link to {_shown(os.readlink(root / part))}",))
    _walk(root / part, part, files, strange)
    return Walked(tuple(sorted(files)), tuple(sorted(strange)))


def _walk(directory: Path, relative: str, files: list[str], strange: list[str]) -> None:
    try:
        entries = list(os.scandir(directory))
    except OSError as exc:
        strange.append(f"{relative} cannot be read: {exc.strerror}")
        return
    for entry in entries:
        path = f"{relative}/{entry.name}"
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            strange.append(f"{_shown(path)} is a symbolic link to {_shown(os.readlink(entry.path))}")
        elif not names.is_safe(entry.name):
            strange.append(f"{_shown(path)} has a name that is not allowed in a bundle")
        elif stat.S_ISDIR(mode):
            _walk(Path(entry.path), path, files, strange)
        elif stat.S_ISREG(mode):
            files.append(path)
        else:
            strange.append(f"{_shown(path)} is not a regular file")


def digests(root: Path, files: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each file, by its path. A file that cannot be read has ""."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(_THREADS, os.cpu_count() or 1)) as pool:
        return dict(zip(files, pool.map(lambda name: _readable(root / name), files), strict=True))


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as stream:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(0, "not a regular file", str(path))
        total, buffer = hashlib.sha256(), memoryview(bytearray(max(4096, min(_CHUNK, info.st_size))))
        while count := stream.readinto(buffer):
            total.update(buffer[:count])
        return total.hexdigest()


def manifest(entries: Mapping[str, str]) -> str:
    """A manifest's text, in sha256sum's form, sorted by bytes."""
    return "".join(f"{value}  {path}\n" for path, value in sorted(entries.items()))


def read_manifest(path: Path) -> tuple[dict[str, str], list[str]]:
    """A manifest's entries, and what is wrong with it."""
    entries: dict[str, str] = {}
    wrong: list[str] = []
    try:
        lines = _lines(path)
    except (OSError, UnicodeDecodeError):
        return {}, [f"{path.name} cannot be read"]
    for number, line in enumerate(lines, start=1):
        found = _LINE.match(line)
        if found is None or not names.is_safe_path(found.group(2)):
            wrong.append(f"{path.name}, line {number}: not the SHA-256 and path of a file in a bundle")
        elif found.group(2) in entries:
            wrong.append(f"{path.name}, line {number}: {found.group(2)} is there twice")
        else:
            entries[found.group(2)] = found.group(1)
    return entries, wrong


def _lines(path: Path, encoding: str = "ascii") -> Iterator[str]:
    if path.is_symlink():
        raise OSError(0, "a link", str(path))
    # As sha256sum ends a line, and nobody else: splitlines() ends one at a vertical tab, a form feed and others as well.
    text = path.read_bytes().decode(encoding)
    return iter(text.removesuffix("\n").split("\n") if text else ())


def bag_info(entries: Iterable[tuple[str, str]]) -> str:
    """The text of bag-info.txt; a value stays on its line."""
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in entries)


def read_info(path: Path) -> dict[str, str]:
    """What bag-info.txt says, by label; {} when it cannot be read."""
    try:
        lines = _lines(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return {label: value.strip() for label, mark, value in (line.partition(":") for line in lines) if mark}


def oxum(root: Path, files: Sequence[str]) -> str:
    """Payload-Oxum: bytes, a dot, files (RFC 8493 section 2.2.2)."""
    return f"{sum((root / name).stat().st_size for name in files)}.{len(files)}"


def _readable(path: Path) -> str:
    try:
        return digest(path)
    except OSError:
        return ""


def _shown(text: str) -> str:
    return repr(text)[1:-1]
