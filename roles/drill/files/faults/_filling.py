# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that takes what is left of its file system."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path


def fill(path: Path, *, minutes: int) -> None:
    """Take every block that an ordinary user may have.

    Args:
        minutes: since the file was last written, as it then seems.
    """
    space = os.statvfs(path.parent)
    left = space.f_bavail * space.f_frsize // 1024 * 1024
    block = bytes(1024 * 1024)
    with path.open("wb", buffering=0) as target:
        try:
            while left > 0:
                left -= target.write(block[:left])
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
    written = time.time() - minutes * 60
    os.utime(path, (written, written))
