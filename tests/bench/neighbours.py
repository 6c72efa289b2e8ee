# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's collections, taken out of the `ansible` package on the user's package index, for comparison only."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / ".tools" / "bench"
#: The `ansible` package whose community.postgresql (4.2.0) is compared with; its Python floor is 3.11.
ANSIBLE_PACKAGE = "ansible==12.3.0"


def community_postgresql() -> Path:
    """A collections path that holds community.postgresql.

    Raises:
        RuntimeError: the package could not be downloaded.
    """
    return _community("postgresql")


def community_crypto() -> Path:
    """A collections path that holds community.crypto.

    Raises:
        RuntimeError: the package could not be downloaded.
    """
    return _community("crypto")


def _community(name: str) -> Path:
    """A collections path that holds community.NAME; downloaded once, only that collection is unpacked."""
    tree = TOOLS / "collections"
    if (tree / "ansible_collections" / "community" / name).is_dir():
        return tree
    TOOLS.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(TOOLS), ANSIBLE_PACKAGE],
        capture_output=True, text=True, timeout=900, check=False,
    )
    wheels = sorted(TOOLS.glob("ansible-*.whl"))
    if done.returncode or not wheels:
        raise RuntimeError(f"{ANSIBLE_PACKAGE} could not be downloaded: {done.stderr.strip()[-500:]}")
    with zipfile.ZipFile(wheels[-1]) as archive:
        archive.extractall(tree, [path for path in archive.namelist() if path.startswith(f"ansible_collections/community/{name}/")])
    wheels[-1].unlink()
    return tree
