# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.hosts import hosts_said, hosts_total

HOSTVARS: dict[str, dict[str, Any]] = {
    "a": {"size": 20, "asked": [1, 2]}, "b": {}, "c": {"size": "30", "asked": []}, "d": {"size": "off", "asked": [3]}, "e": {"size": None},
}


@pytest.mark.parametrize(("variable", "hosts", "said"), [
    ("size", "abc", [20, "30"]), ("size", "ca", ["30", 20]), ("asked", "abcd", [1, 2, 3]), ("nothing", "abcd", []), ("size", "", []),
])
def test_hosts_say_what_they_have(variable: str, hosts: str, said: list[Any]) -> None:
    assert hosts_said(HOSTVARS, variable=variable, hosts=list(hosts)) == said


def test_the_sum_is_of_numbers() -> None:
    assert hosts_total(HOSTVARS, variable="size", hosts=list("abce")) == 50
    with pytest.raises(BadInput, match="'off' is not a number"):
        hosts_total(HOSTVARS, variable="size", hosts=list("abcde"))
    assert hosts_total(HOSTVARS, variable="nothing", hosts=list("abcde")) == 0
