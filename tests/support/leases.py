# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another run that acts on this host."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Locked
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.leasing import Lease


@contextlib.contextmanager
def another_run(what: str, *, seconds: float = 60) -> Iterator[Lease]:
    """Another run that acts on a subject of this host: each step is a process of its own."""
    held_by = Lease(on_host, what=what, who={"run": "run-1", "holder": "ann at desk"}, seconds=seconds)
    held_by.take()
    try:
        yield held_by
    finally:
        with contextlib.suppress(Locked):
            held_by.give_back()


def on_host(script: str) -> dict[str, Any]:
    """Run a command as a connection does."""
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
