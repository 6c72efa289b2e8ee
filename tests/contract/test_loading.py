# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only some calls need is not loaded by all: a module is compiled anew for each call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = "ansible_collections.oncall.incident.plugins"


@pytest.mark.parametrize(("module", "late"), [
    ("redis_health", ("ssl", f"{OURS}.module_utils._redis.tls")),
    ("fail2ban_health", ("sqlite3", f"{OURS}.module_utils._module.lease")),
    ("fail2ban_unban", ("sqlite3", f"{OURS}.module_utils._bans.undoing")),
])
def test_it_is_not_loaded_with_the_module(module: str, late: tuple[str, ...]) -> None:
    code = f"import sys; import {OURS}.modules.{module}; print(*sys.modules)"
    env = {"PYTHONPATH": str(ROOT / ".collections")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=120)
    loaded = set(done.stdout.split())
    assert f"{OURS}.modules.{module}" in loaded and sorted(loaded & set(late)) == []
