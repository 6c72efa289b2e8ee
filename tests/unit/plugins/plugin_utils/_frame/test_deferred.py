# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a filter calls is imported when it is called."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.deferred import deferred


def test_a_function_gets_what_the_filter_gets() -> None:
    found = deferred({"way": "module_utils._core.ways:way"})
    assert found["way"]("controller", host="db1")["at"] == "localhost"


def test_nothing_is_imported_before_the_call() -> None:
    found = deferred({"gone": "module_utils._core.there_is_no_such_module:gone"})
    with pytest.raises(ModuleNotFoundError):
        found["gone"]()
