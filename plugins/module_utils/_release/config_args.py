# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the modules about configuration; documented by the fragment oncall.incident.configuration.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.durations import parse_duration
from .configuration import Restore

#: See the fragment oncall.incident.configuration.
CONFIG_SPEC: t.Mapping[str, t.Any] = {
    "paths": {"type": "list", "elements": "path", "required": True},
    "source": {"type": "path", "required": True},
    "root": {"type": "path", "default": "/"},
    "checksum": {"type": "path", "default": ""},
    "validate": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "str", "default": "30s"},
}


def restore_from(params: t.Mapping[str, t.Any]) -> Restore:
    """What the arguments of CONFIG_SPEC, and further ones of config_restore, describe.

    Raises:
        BadInput: a duration that is none.
    """
    more = {name: params[name] for name in ("apply", "health", "kept_in") if name in params}
    if "hold" in params:
        more["hold"] = parse_duration(params["hold"], name="hold")
        more["seconds"] = parse_duration(params["verify_timeout"], name="verify_timeout")
    same = {name: params[name] for name in ("paths", "source", "root", "checksum", "validate")}
    return Restore(**same, **more)
