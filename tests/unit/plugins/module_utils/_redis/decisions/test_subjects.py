# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lease on a server is on."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.state import subjects


@pytest.mark.parametrize(("seen", "also"), [
    ({"server": {"run_id": "a1"}}, ["redis:a1"]), ({"server": {"run_id": ""}}, []), ({"server": {}}, []), ({"failed": True}, []), ({}, []),
])
def test_a_server_is_named_as_it_is_configured_and_as_modules_lock_it(seen: dict[str, Any], also: list[str]) -> None:
    assert subjects("redis host 6379", seen=seen) == ["redis host 6379", *also]
