# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of ours on the host, each JSON that is replaced whole.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import typing as t

#: No file of ours is larger.
MOST_BYTES = 1 << 20


def read(path: str, *, of: str) -> dict[str, t.Any]:
    """The object of a file.

    Args:
        of: what it is a file of, for messages: "samples".

    Raises:
        FileNotFoundError: there is none yet.
        OSError, ValueError: it cannot be read, or is not what we wrote.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, encoding="utf-8") as file:
        there = os.fstat(handle)
        if not stat.S_ISREG(there.st_mode) or there.st_uid != os.geteuid():
            raise ValueError("it is not a file of this user")
        said = json.loads(file.read(MOST_BYTES))
    if not isinstance(said, dict):
        raise ValueError(f"it is not a file of {of}")
    return said


def replace(path: str, text: str, *, prefix: str) -> None:
    """Replace the file by a new one, whole or not at all.

    Args:
        prefix: of the new file's name while it is written.

    Raises:
        OSError: it cannot be written.
    """
    place = os.path.dirname(path)
    os.makedirs(place, mode=0o755, exist_ok=True)
    handle, made = tempfile.mkstemp(dir=place, prefix=prefix)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(made, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
