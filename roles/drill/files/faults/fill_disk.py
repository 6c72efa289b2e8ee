# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that fills its file system to the last block that an ordinary user may have, as a log does that nobody rotates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from _common import Asked, claim, made, main, ready
from _filling import fill


def inject(asked: Asked) -> None:
    path = Path(asked.params["path"])
    claim(asked, path)
    fill(path, minutes=asked.params["age"])
    ready()


def remove(asked: Asked) -> None:
    if made(asked).exists():
        Path(asked.params["path"]).unlink(missing_ok=True)
        made(asked).unlink()


def left(asked: Asked) -> Iterator[str]:
    if made(asked).exists():
        yield str(made(asked))
        if Path(asked.params["path"]).exists():
            yield asked.params["path"]


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
