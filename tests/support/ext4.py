# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small ext4 of a test's own, on a loop device, that can break."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .need import need


@contextlib.contextmanager
def ext4(place: Path, *, size: str, options: str = "defaults", inodes: int | None = None) -> Iterator[Path]:
    """Make the directory, and mount a new file system of that size (as truncate(1) takes it) there, for as long as the block lasts."""
    need(os.geteuid() == 0, "root, to mount a small file system")
    need(shutil.which("mkfs.ext4"), "mkfs.ext4")
    image = place.with_name(f"{place.name}.img")
    subprocess.run(["truncate", "-s", size, str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", *(["-N", str(inodes)] if inodes else []), str(image)], check=True)
    place.mkdir()
    done = subprocess.run(["mount", "-o", f"loop,{options}", str(image), str(place)], capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"a loop device of its own ({done.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


def broken(place: Path) -> None:
    """Make the kernel meet an error in it."""
    number = os.stat(place).st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
    trigger = Path(f"/sys/fs/ext4/{device}/trigger_fs_error")
    need(trigger.exists(), "an ext4 whose errors can be triggered")
    trigger.write_text("1")
