# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions of filters that are imported when a template calls them.

To find one filter Ansible imports every file of plugins/filter, in each worker again, and no bytecode of a collection is kept. A file
that imports its decisions would have all decisions of all subjects compiled for each task that uses a filter.
"""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Mapping

_PLUGINS = __name__.partition(".plugin_utils.")[0]


def deferred(references: Mapping[str, str]) -> dict[str, t.Callable[..., t.Any]]:
    """Functions by the names of their filters.

    Args:
        references: for each filter `module:function`, the module as it is called below plugins/.
    """
    return {name: _Deferred(reference) for name, reference in references.items()}


def load(reference: str) -> t.Any:
    """What a reference names, imported now."""
    module, _colon, name = reference.partition(":")
    return getattr(importlib.import_module(f"{_PLUGINS}.{module}"), name)


class _Deferred:
    def __init__(self, reference: str) -> None:
        self._reference = reference

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        return self.function()(*args, **kwargs)

    def function(self) -> t.Callable[..., t.Any]:
        """What is called."""
        found: t.Callable[..., t.Any] = load(self._reference)
        return found
