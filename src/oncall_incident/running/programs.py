# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ansible-playbook that belongs to this installation."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ..errors import Stop


def ansible_playbook() -> str:
    """Its absolute path: beside this Python, else on the PATH.

    Raises:
        Stop: there is none.
    """
    beside = Path(sys.executable).parent / "ansible-playbook"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("ansible-playbook")
    if found is None:
        raise Stop(
            "ansible-playbook was not found.",
            hint=f"Install ansible-core into this environment: {sys.executable} -m pip install ansible-core",
        )
    return found
