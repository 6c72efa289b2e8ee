# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the modules about releases; documented by the fragment oncall.incident.releases.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .decisions.where import METHODS

RELEASES_SPEC: t.Mapping[str, t.Any] = {
    "method": {"type": "str", "choices": list(METHODS), "required": True},
    "where": {"type": "dict", "required": True},
    "notes": {"type": "path", "default": ""},
    "timeout": {"type": "str", "default": "30s"},
}
