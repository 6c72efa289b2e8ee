# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small file system of a test's own, that can be full."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .need import need


@contextlib.contextmanager
def mounted(place: Path, *, size: str) -> Iterator[Path]:
    """Make the directory and mount a tmpfs of that size (as mount(8) takes it) there, for as long as the block lasts."""
    need(os.geteuid() == 0, "root, to mount a small file system")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "oncall-test", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"a tmpfs of its own ({done.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)
