# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file by which something on the host is told to go wrong, and another that it makes when it has."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from _common import Asked, claim, made, main, ready, wait_until

#: Seconds until what goes wrong must have made its file.
PATIENCE = 30


def inject(asked: Asked) -> None:
    path, seen = Path(asked.params["path"]), asked.params["seen"]
    claim(asked, path)
    path.touch()
    if seen:
        wait_until(Path(seen).exists, seconds=PATIENCE, otherwise=f"{seen} did not appear")
    ready()


def remove(asked: Asked) -> None:
    if not made(asked).exists():
        return
    Path(asked.params["path"]).unlink(missing_ok=True)
    seen, undo = asked.params["seen"], asked.params["undo"]
    if seen and Path(seen).exists():
        if undo:
            subprocess.run(["sh", "-euc", undo], check=True, env={**os.environ, "seen": seen, "path": asked.params["path"]})
        else:
            Path(seen).unlink(missing_ok=True)
    made(asked).unlink()


def left(asked: Asked) -> Iterator[str]:
    if made(asked).exists():
        for place in (asked.params["path"], asked.params["seen"], str(made(asked))):
            if place and Path(place).exists():
                yield place


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
