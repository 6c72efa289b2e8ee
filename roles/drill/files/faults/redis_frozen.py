# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is there and does nothing any more (SIGSTOP), as one that hangs on its disk: on its host.

Connections are made, since the kernel makes them, and nobody answers.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from _common import Asked, main, ready, wait_until

#: Seconds until the kernel must have stopped it.
PATIENCE = 10


def process(unit: str) -> int:
    """The main process of the unit; 0 when it does not run."""
    asked = ["systemctl", "show", "--property=MainPID", "--value", unit]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() or 0)


def stopped(unit: str) -> int:
    """The main process, if it is stopped; 0 otherwise."""
    pid = process(unit)
    try:
        state = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return pid if pid and re.search(r"^State:\s*T", state, flags=re.MULTILINE) else 0


def inject(asked: Asked) -> None:
    unit = asked.params["unit"]
    pid = process(unit)
    # To kill, 0 is whoever asks, and all of its group.
    if not pid:
        sys.exit(f"{unit} does not run: there is nothing to freeze")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: bool(stopped(unit)), seconds=PATIENCE, otherwise=f"{unit} does not stop")
    ready()


def remove(asked: Asked) -> None:
    pid = stopped(asked.params["unit"])
    if pid:
        os.kill(pid, signal.SIGCONT)


def left(asked: Asked) -> Iterator[str]:
    if stopped(asked.params["unit"]):
        yield f"{asked.params['unit']} is frozen"


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
