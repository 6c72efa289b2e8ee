# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody else renews now: the lock that certbot holds.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from ..._core.waiting import until

#: struct flock as fcntl(2) has it, in the machine's own layout: type, whence, start, length, process.
_FLOCK = "hhqqi0q"
_INTERVAL = 0.2


def held(path: str) -> bool:
    """Whether another process holds a lock on a file. It is asked only, never taken: certbot would find it taken and give up.

    Args:
        path: a file that need not be there; empty means none.

    Raises:
        OSError: the file is there and may not be read.
    """
    if not path:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return bool(struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def released(path: str, *, timeout: float) -> bool:
    """Whether nobody else holds the lock, or lets go of it within the timeout (seconds; 0 asks once)."""
    return not until(lambda taken: not taken, lambda: held(path), seconds=timeout, interval=_INTERVAL)
