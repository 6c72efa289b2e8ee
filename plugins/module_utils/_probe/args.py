# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the modules that speak HTTP, and how the secrets among them are kept out of results.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.shown import shown_entry
from .decisions.requests import METHODS, SAFE

#: What one request is.
_REQUEST: dict[str, t.Any] = {
    "url": {"type": "str", "required": True},
    "connect_to": {"type": "str"},
    "headers": {"type": "dict", "no_log": True},
    "status": {"type": "list", "elements": "int"},
    "body": {"type": "str"},
    "body_regex": {"type": "str"},
    "json": {"type": "dict"},
    "max_time": {"type": "str", "default": "5s"},
    "validate_certs": {"type": "bool", "default": True},
    "ca": {"type": "path"},
}
PROBE: dict[str, t.Any] = {
    **_REQUEST,
    "name": {"type": "str"},
    "method": {"type": "str", "choices": list(SAFE), "default": "GET"},
    "warn_time": {"type": "str", "default": "2s"},
    "scope": {"type": "str", "default": "host"},
    "websocket": {"type": "bool", "default": False},
    "dependencies": {"type": "list", "elements": "str", "default": []},
}
STEP: dict[str, t.Any] = {
    **_REQUEST,
    "name": {"type": "str"},
    "method": {"type": "str", "choices": list(METHODS), "default": "GET"},
    "send": {"type": "raw", "no_log": True},
    "save": {"type": "dict", "no_log": False},
}


def given(module: t.Any, option: str) -> list[t.Any]:
    """The entries of a list of requests. What is left in the module's arguments, for its result, has nothing secret.

    Ansible hides each value of a secret option wherever it is part of a text. A header `x` would take every x out of the result. It has
    kept them out of the system's log by then, and we show none of them.
    """
    entries = list(module.params[option] or ())
    module.params[option] = [shown_entry(one) for one in entries]
    module.no_log_values = set()
    return entries
