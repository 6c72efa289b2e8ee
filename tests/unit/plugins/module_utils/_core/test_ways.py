# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.ways import tunnel_port, way


@pytest.mark.parametrize(("via", "user", "made"), [
    ("host", "", {"at": "db1", "become": False, "become_user": "", "tunnelled": False}),
    ("host", "postgres", {"at": "db1", "become": True, "become_user": "postgres", "tunnelled": False}),
    ("container", "root", {"at": "db1", "become": True, "become_user": "root", "tunnelled": False}),
    ("controller", "postgres", {"at": "localhost", "become": False, "become_user": "", "tunnelled": False}),
    ("ssh_tunnel", "postgres", {"at": "localhost", "become": False, "become_user": "", "tunnelled": True}),
    ("kubernetes", "", {"at": "localhost", "become": False, "become_user": "", "tunnelled": True}),
])
def test_where_modules_run_and_as_whom(via: str, user: str, made: dict[str, object]) -> None:
    assert way(via, host="db1", become_user=user) == made


def test_a_closed_tunnel_has_no_port() -> None:
    assert tunnel_port("kubernetes", {"port": "40123"}) == 40123
    with pytest.raises(BadInput, match="kubernetes is not open"):
        tunnel_port("kubernetes", {})
