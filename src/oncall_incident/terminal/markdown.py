# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that others wrote, made safe inside Markdown: a query must not end a table row or open a link."""

from __future__ import annotations

import re
from typing import Any

from . import words

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def text(value: Any, *, limit: int = 0) -> str:
    """Prose, also in a table cell."""
    return _SPECIAL.sub(r"\\\1", words.one_line(value, limit=limit))


def code(value: Any, *, limit: int = 0) -> str:
    """A code span that holds any text, also in a table cell; nothing for nothing."""
    line = words.one_line(value, limit=limit)
    if not line:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")
