# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from hosts and inventories as file names that cannot mean anything else.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import re

from .utf8 import to_bytes

_UNSAFE = re.compile(rb"[^A-Za-z0-9._+@-]")
_LONGEST = 120


def safe_name(name: str) -> str:
    """Any name, of a host or of its file, as one safe path component.

    Other bytes become `=` and two hex digits, so different names stay different; a long one ends with a part of its SHA-256.
    Nothing that comes out is empty, begins with a dot or a dash, or has a slash: it cannot leave its directory.
    """
    data = to_bytes(name)
    text = _UNSAFE.sub(lambda found: b"=%02X" % found.group()[0], data).decode("ascii")
    if not text or text[0] in ".-+@":
        text = f"={ord(text[0]):02X}{text[1:]}" if text else "="
    elif text.startswith("_="):
        text = f"=5F{text[1:]}"
    if text[0] == "=":
        text = "_" + text
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST - 17]}-{hashlib.sha256(data).hexdigest()[:16]}"
    return text
