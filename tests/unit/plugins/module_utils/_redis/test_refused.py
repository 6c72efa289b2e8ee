# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that cannot be used: the finding says where it was tried and as whom, never with what."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.facts import Request
from ansible_collections.oncall.incident.plugins.module_utils._redis.dial import Login, cannot
from ansible_collections.oncall.incident.plugins.module_utils._redis.health import refused


@pytest.mark.parametrize(("login", "said"), [
    (Login(host="192.0.2.7", user="ada", password="canary"), "Tried ada@192.0.2.7:6379."),
    (Login(unix_socket="/run/redis.sock", password="canary"), "Tried /run/redis.sock."),
])
def test_the_hint_names_the_login(login: Login, said: str) -> None:
    (finding,) = refused(cannot("refused", login, "Connection refused"), login, Request(checks=())).findings
    assert finding.hint.startswith(f"{said} Nothing listens there") and "canary" not in repr(finding)
