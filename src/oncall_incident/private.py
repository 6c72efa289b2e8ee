# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private directory of one run: ansible-runner's files, extra variables and the approved plan live and die here."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_PREFIX = "oncall-incident-"
_LOCK = "lock"


def base_dir() -> Path:
    """Where private directories go: the user's runtime directory (memory, nobody else's), else the temporary directory."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK | os.X_OK):
        info = os.stat(runtime)
        if info.st_uid == os.geteuid() and not info.st_mode & 0o077:
            return Path(runtime)
    return Path(tempfile.gettempdir())


@contextlib.contextmanager
def private_dir(base: Path | None = None) -> Iterator[Path]:
    """A new directory that only its owner can enter; it is gone afterwards, however the block ends.

    What a killed run left behind is removed first: it may hold secrets.
    """
    base = base or base_dir()
    sweep(base)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        _remove(path)
        os.close(lock)


def sweep(base: Path) -> None:
    """Remove private directories of ours whose process is gone: nobody holds their lock any more."""
    for path in base.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            info = path.lstat()
            if info.st_uid != os.geteuid() or not stat.S_ISDIR(info.st_mode):
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
            finally:
                os.close(lock)


def _remove(path: Path) -> None:
    # A worker that outlived its Ansible may still be writing here: try again rather than leave anything.
    for _ in range(5):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return


def write_private(path: Path, text: str | Iterable[str], *, sync: bool = False) -> Path:
    """Write a file that only its owner can read: a text, or pieces of one. What is not UTF-8 is spelled out, never an error.

    Args:
        sync: wait until the disk has it.
    """
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.writelines([text] if isinstance(text, str) else text)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())
    return path


def replace_private(path: Path, text: str | Iterable[str], *, sync: bool = False, mode: int = 0o600) -> Path:
    """The same in place of an older file, which is there until the new one is whole.

    Args:
        mode: of the new file, where others may read it.
    """
    new = write_private(path.with_name(f".{path.name}.{os.getpid()}"), text, sync=sync)
    if mode != 0o600:
        new.chmod(mode)
    return new.replace(path)
