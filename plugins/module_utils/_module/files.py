# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of the host, such as those of /proc.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations


def text_of(path: str, *, most: int = -1) -> str:
    """What a file says, `most` characters of it; "" where it is gone or may not be read by us.

    Files of /proc/sys are read whole: the kernel refuses to be asked for some megabytes of them at once.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError:
        return ""
