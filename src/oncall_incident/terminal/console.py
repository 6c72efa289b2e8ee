# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A console that goes quiet when its reader goes away."""

from __future__ import annotations

import os

from rich.console import Console


class PatientConsole(Console):
    """Rich ends the process when its output is closed: `incident run ... | head` would stop in the middle of a mitigation."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # Or Python complains about it at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
