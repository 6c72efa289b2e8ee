# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that somebody has stopped and not started again: on its host."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from _common import Asked, made, main, ready, wait_until

#: Seconds until systemd must have stopped or started it.
PATIENCE = 20


def runs(unit: str) -> bool:
    """Whether it has a process."""
    asked = ["systemctl", "show", "--property=MainPID", "--value", unit]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() not in ("", "0")


def inject(asked: Asked) -> None:
    unit = asked.params["unit"]
    if not runs(unit):
        sys.exit(f"{unit} does not run: there is nothing to stop")
    made(asked).touch()
    subprocess.run(["systemctl", "stop", "--", unit], check=True, timeout=PATIENCE)
    wait_until(lambda: not runs(unit), seconds=PATIENCE, otherwise=f"{unit} does not stop")
    ready()


def remove(asked: Asked) -> None:
    if not made(asked).exists():
        return
    unit = asked.params["unit"]
    if not runs(unit):
        subprocess.run(["systemctl", "start", "--", unit], check=True, timeout=PATIENCE)
    made(asked).unlink()


def left(asked: Asked) -> Iterator[str]:
    if made(asked).exists():
        yield str(made(asked))
        if not runs(asked.params["unit"]):
            yield f"{asked.params['unit']} is stopped"


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
