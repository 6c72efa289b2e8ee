# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that does not answer: the finding says at which socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.client import Clock, SocketTransport
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.health import decide
from ansible_collections.oncall.incident.plugins.module_utils._bans.health import unreachable
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach


def test_the_hint_names_the_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "f2b.sock")
    with pytest.raises(CannotReach) as caught:
        SocketTransport(path, Clock(5))
    seen = decide(unreachable(caught.value), (), None, ("server", "ban_rules")).verdict
    finding, unseen = (one.as_dict() for one in seen.findings)
    assert (unseen["check"], unseen["status"], seen.healthy) == ("ban_rules", "unknown", False)
    assert finding["hint"] == f"There is no socket at {path}. See whether fail2ban is installed and runs, or set socket."
