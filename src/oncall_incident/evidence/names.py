# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are safe as file names, in a manifest and on any file system: letters, digits and `. _ + = @ -`."""

from __future__ import annotations

import re

from ..errors import Stop

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@-]*\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def is_safe(name: str) -> bool:
    """Whether a single path component may be in a bundle as it is."""
    return bool(_SAFE.match(name)) and len(name) <= 255


def is_safe_path(path: str) -> bool:
    """Whether a relative path with slashes may be in a bundle."""
    return all(is_safe(part) for part in path.split("/"))


def check_id(given: str) -> str:
    """An incident's id as typed.

    Raises:
        Stop: it is not usable as a file name.
    """
    if not _ID.match(given):
        raise Stop(
            f"--id {given!r} cannot be an incident's id.",
            hint="Use letters, digits, dots, dashes and underscores, 64 at most, as in INC-2026-0142.",
        )
    return given
