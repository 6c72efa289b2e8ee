# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host goes away in the middle of a recovery and comes back: as soon as a file appears that the recovery makes, everything that was
begun over SSH is killed, whole, and sshd does not listen for a while.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import Asked, main
from _host_away import away, come_back, not_back


def seen(asked: Asked) -> Path:
    """The names of what appeared and is litter."""
    return asked.kept / "seen"


def watch(asked: Asked) -> Callable[[], bool]:
    known = set(glob.glob(asked.params["file"]))

    def happened() -> bool:
        appeared = set(glob.glob(asked.params["file"])) - known
        if appeared and asked.params["litter"]:
            seen(asked).write_text(json.dumps(sorted(appeared)))
        return bool(appeared)

    return happened


def inject(asked: Asked) -> None:
    away(asked, watch)


def remove(asked: Asked) -> None:
    come_back(asked)
    if seen(asked).exists():
        for path in json.loads(seen(asked).read_text() or "[]"):
            Path(path).unlink(missing_ok=True)
        seen(asked).unlink()


def left(asked: Asked) -> Iterator[str]:
    yield from not_back(asked)
    if seen(asked).exists():
        yield str(seen(asked))


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
