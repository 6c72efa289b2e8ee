# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.words import words_list


@pytest.mark.parametrize(("value", "made"), [
    ("blocking", ["blocking"]), ("blocking, connections ,", ["blocking", "connections"]), ("", []), (None, []), ([], []),
    (["a b", "c,d"], ["a b", "c,d"]), (("a",), ["a"]), ([5432], [5432]),
])
def test_a_list_is_made(value: Any, made: list[Any]) -> None:
    assert words_list(value) == made
